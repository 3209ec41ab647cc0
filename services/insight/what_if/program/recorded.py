"""What has no event to be read counts as it did: what a partner books by hand, and records that the topics let go of.

The points and meters that it moved are taken from the ledger; what it costs is no more than this world's balance. What
a tier brings follows from this world's progress. By which card somebody goes, and who they are, is taken as it is now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg

from schemas.events import types as events
from services.adapters.postgres.profiles import profile_from
from services.decisions import accounts_by_hand
from services.domain.course import Course
from services.domain.origins import Source, SourceKind
from services.domain.partner_program import PartnerProgram
from services.domain.points.ledger import Earning, Reversal, earned, reversed_, spent
from services.domain.points.wallet import EntryKind
from services.domain.profiles import Describe, Profile
from services.domain.promotion import settled
from services.domain.state import NEW_CUSTOMER
from services.insight.what_if.program.history import Happened
from services.insight.what_if.program.kept import Kept
from services.insight.what_if.program.world import World

Row = asyncpg.Record


def as_recorded(
    world: World,
    one: Happened,
    program: PartnerProgram | None,
    rows: Sequence[Row],
    customer: Row | None,
) -> None:
    """These rows of the ledger, moved in this world. `customer` is who they are now, None of whom nothing is known."""
    number, key, at = one.customer_no, one.event_key, one.decided_at
    kept = world.customer(number)
    handles = program.groups_granted(None) if program is not None else ()
    course = Course(
        program,
        world.among_groups(_state(kept), kept, at),
        at=at,
        draws=world.draws(),
        stock=world.known.groups.stock(key, at, program, handles),
    )
    if customer is not None:
        profile = _profile(one, kept.profile, customer)
        if profile != kept.profile:
            course.add(Describe(profile=profile))
        if one.event_type == events.CUSTOMER_CREATED:
            world.registers(customer["customer_id"])
        if profile.referral_done and not kept.profile.referral_done:
            world.completes(customer["customer_id"], customer["referred_by"], key)
    for row in rows:
        _move(course, row, at)
    settled(course)
    world.keep(number, kept, _state(kept), course.effects, key, None, unpacked=True)


def _profile(one: Happened, was: Profile, customer: Row) -> Profile:
    """What the event has made of it, as far as can be said: what is told of oneself, and the card, are those of now."""
    now = profile_from(customer)
    match one.event_type:
        case events.CUSTOMER_CREATED | events.CUSTOMER_UPDATED:
            profile = replace(now, referral_done=was.referral_done)
        case accounts_by_hand.CARD_TYPE:
            profile = replace(
                was, card_id=now.card_id, card_since=now.card_since, bonus_cards=now.bonus_cards
            )
        case _:
            profile = was
    if customer["referral_key"] == one.event_key:
        profile = replace(profile, referral_done=True)
    return profile


def _state(kept: Kept) -> Any:
    return replace(
        NEW_CUSTOMER,
        profile=kept.profile,
        wallet=replace(kept.wallet, lots=kept.unpacked()),
        standing=kept.standing,
        campaigns=kept.campaigns,
    )


def _move(course: Course, row: Row, at: datetime) -> None:
    """What time ends, and what pays a debt, comes by itself."""
    source = Source(SourceKind(row["source_kind"]), row["source_id"])
    wallet = course.state.wallet
    match EntryKind(row["kind"]):
        case EntryKind.EARNED:
            earning = Earning(
                source=source,
                points=row["points"],
                score=row["score"],
                spent=row["spent"],
                orders=row["orders"],
                referrals=row["referrals"],
                order_id=row["order_id"],
            )
            course.add(*earned(wallet, earning, at=at, ends=row["expires_at"]))
        case EntryKind.SPENT:
            if points := min(-row["points"], wallet.balance):
                course.add(spent(wallet, points, source=source, at=at))
        case EntryKind.REVERSED:
            back = Reversal(
                source=source,
                points=-row["points_earned"],
                score=-row["score"],
                spent=-row["spent"],
                orders=-row["orders"],
            )
            if back:
                course.add(reversed_(wallet, back, at=at))
        case EntryKind.EXPIRED | EntryKind.RESTORED:
            pass  # what was redeemed comes back with its coupon: see `redemptions`
