"""Notice birthdays that have begun, and tell them to ourselves: what comes of one is decided like any event.

Of who has a program, once a year and not too late. The next one is noted whatever becomes of this one, so that nothing
stays due. The zone is that of now: where the partner has moved to one in which the day begins later, it waits.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from schemas.topics import FOLLOW_UPS
from services.adapters import program_wire
from services.adapters.postgres import birthdays
from services.adapters.postgres.birthdays import BirthdayRow
from services.adapters.postgres.clock import trusted_clock
from services.adapters.postgres.coupons import BEGINNING
from services.adapters.postgres.outbox import OutboxRow, event_row
from services.adapters.postgres.pool import Connection
from services.decisions.account_time import Settled
from services.decisions.follow_ups import birthday_cause
from services.decisions.manner import Manner
from services.decisions.passing_time import settling
from services.decisions.recording import write
from services.decisions.rows import Rows
from services.domain.birthdays import birthday_noted, next_birthday

LATEST: Final = timedelta(days=7)
"""A birthday that is noticed later is past."""


async def tell_birthdays(
    connection: Connection,
    manner: Manner,
    *,
    limit: int,
    without: Collection[str] = (),
    floor: datetime = BEGINNING,
) -> Settled:
    """Tell of up to `limit` birthdays that have begun, in the caller's transaction.

    `without`: numbers of customers to leave alone. What was noted for before `floor` is not looked for. Raises
    ClockApart, CannotSettle.
    """
    at = await trusted_clock(connection, manner.clock_offset, manner.guard)
    candidates = await birthdays.due(connection, at, limit, [int(each) for each in without], floor)
    numbers = [row["customer_no"] for row in candidates]
    with settling(numbers):
        begun = await birthdays.begun(connection, numbers, at)
        settled = await _tell(connection, begun, manner, at)
    settled.due_from = min((row["first_at"] for row in candidates), default=None)
    return settled


async def _tell(
    connection: Connection, begun: Collection[asyncpg.Record], manner: Manner, at: datetime
) -> Settled:
    customers: dict[int, str] = {}
    moved: list[tuple[int, datetime]] = []
    to_tell: list[BirthdayRow] = []
    for row in begun:
        number, born, zone = row["customer_no"], row["birthday"], row["time_zone"]
        customers[number] = row["customer_id"]
        begins, year = birthday_noted(born, zone, row["birthday_at"])
        if begins > at:
            moved.append((number, begins))
            continue
        moved.append((number, next_birthday(born, zone, begins)))
        if row["program_version"] and at - begins <= LATEST:
            to_tell.append(BirthdayRow(number, year, row["partner_id"], begins))
    new = await birthdays.tell(connection, to_tell)
    rows = Rows(writing=manner.writing)
    rows.outbox += [_told(day, customers[day.customer_no]) for day in to_tell if day[0] in new]
    await birthdays.move(connection, moved)
    await write(connection, rows, by_copy=manner.by_copy)
    return Settled(birthdays=len(new), passed=len(moved) - len(new))


def _told(day: BirthdayRow, customer_id: str) -> OutboxRow:
    cause = birthday_cause(day.customer_no, day.year)
    return event_row(
        FOLLOW_UPS,
        cause.type,
        cause.id,
        at=day.at,
        subject=None,
        customer_id=customer_id,
        value=program_wire.birthday_value(day.partner_id, customer_id, day.year),
    )
