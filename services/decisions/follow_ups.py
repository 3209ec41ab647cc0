"""Events that we tell ourselves: each must follow from something that is stored, or somebody else has written it.

A completed referral follows from the decision that completed it, a birthday from the sweeper's row of it; the id of
each says which.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.events.types import CUSTOMER_BIRTHDAY, REFERRAL_COMPLETED
from schemas.topics import FOLLOW_UPS_SOURCE
from services.adapters.postgres import birthdays, profiles
from services.adapters.postgres.pool import Connection
from services.domain.arrival import Incoming
from services.domain.events import Birthday, Cause, ReferralCompleted


def referral_cause(event_key: str) -> Cause:
    """Of the referral that this decision completed."""
    return Cause(source=FOLLOW_UPS_SOURCE, id=f"{event_key}.referral", type=REFERRAL_COMPLETED)


def birthday_cause(customer_no: int, year: int) -> Cause:
    """Of a customer's birthday in that year."""
    return Cause(
        source=FOLLOW_UPS_SOURCE, id=f"{customer_no}.{year}.birthday", type=CUSTOMER_BIRTHDAY
    )


async def unfounded(connection: Connection, arrivals: Sequence[Incoming]) -> set[str]:
    """Event keys of those of them that follow from nothing that is stored."""
    events = [
        (each.event_key, each.event)
        for each in arrivals
        if isinstance(each.event, (ReferralCompleted, Birthday))
    ]
    if not events:
        return set()
    founded: set[tuple[int, str, Cause]] = set()
    friends = {
        (event.partner_id, event.friend_id)
        for _, event in events
        if isinstance(event, ReferralCompleted)
    }
    for row in await profiles.completed_referrals(connection, friends):
        cause = referral_cause(str(row["referral_key"]))
        founded.add((row["partner_id"], row["referred_by"], cause))
    days = {
        (event.partner_id, event.customer_id, event.year)
        for _, event in events
        if isinstance(event, Birthday)
    }
    for row in await birthdays.told(connection, days):
        cause = birthday_cause(row["customer_no"], row["year"])
        founded.add((row["partner_id"], row["customer_id"], cause))
    return {
        key
        for key, event in events
        if (event.partner_id, event.customer_id, event.cause) not in founded
    }
