"""Record what time alone has done to accounts: lots that are over, and notices of a coming end.

Lots end by themselves at their instant; recording it tells subscribers and takes the points from the balance. Whoever
comes first, issuer or sweeper, writes and tells it, and nobody else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import asyncpg

from schemas.events.types import POINTS_EXPIRING
from schemas.topics import PROGRAM_EVENTS
from services.adapters import program_wire
from services.adapters.postgres import points
from services.adapters.postgres.clock import trusted_clock
from services.adapters.postgres.coupons import BEGINNING
from services.adapters.postgres.inbox import lock_customers
from services.adapters.postgres.outbox import event_row
from services.adapters.postgres.pool import Connection
from services.adapters.program_wire import About
from services.decisions.accounts import Account
from services.decisions.manner import Manner
from services.decisions.passing_time import settling
from services.decisions.recording import write
from services.decisions.rows import Rows
from services.decisions.telling import end_row, lot_id
from services.domain.coupons.notices import next_notice
from services.domain.points.ledger import ended
from services.domain.state import NEW_CUSTOMER, evolve


@dataclass(slots=True, kw_only=True)
class Settled:
    """What was recorded, by kind; `due_from` is when the first that was looked at was due, if any was.

    Of birthdays, those that were told; `passed` are the others: no program, too late, or not begun in the zone of now.
    """

    expired: int = 0
    notified: int = 0
    birthdays: int = 0
    passed: int = 0
    due_from: datetime | None = None

    @property
    def total(self) -> int:
        return self.expired + self.notified + self.birthdays + self.passed


async def settle_lots(
    connection: Connection,
    manner: Manner,
    *,
    limit: int,
    without: Collection[str] = (),
    floor: datetime = BEGINNING,
) -> Settled:
    """End lots that are over, and tell of those that are about to end, of customers of up to `limit` lots that are due.

    In the caller's transaction. `without`: numbers of customers to leave alone. Raises ClockApart, CannotSettle.
    """
    at = await trusted_clock(connection, manner.clock_offset, manner.guard)
    candidates = await points.lots_due(
        connection, at, limit, [int(each) for each in without], floor
    )
    with settling([row["customer_no"] for row in candidates]):
        settled = await _settle_lots(connection, candidates, manner)
    settled.due_from = min((row["first_at"] for row in candidates), default=None)
    return settled


async def _settle_lots(
    connection: Connection, candidates: Collection[asyncpg.Record], manner: Manner
) -> Settled:
    settled = Settled()
    if not candidates:
        return settled
    keys = {(row["partner_id"], row["customer_id"]) for row in candidates}
    locked = await lock_customers(connection, keys, manner.clock_offset, manner.guard)
    instants = {each.number: each.at for each in locked.values()}
    wallets = {
        row["customer_no"]: row for row in await points.wallets_of(connection, instants.keys())
    }
    due: dict[int, dict[int, asyncpg.Record]] = {}
    for row in await points.due_of(connection, instants.items()):
        due.setdefault(row["customer_no"], {})[row["number"]] = row
    rows = Rows(writing=manner.writing)
    moved: list[tuple[int, int, datetime | None]] = []
    for row in candidates:
        number = row["customer_no"]
        about = About(
            partner_id=row["partner_id"],
            customer_id=row["customer_id"],
            at=instants[number],
            program_version=row["program_version"] or None,
            cause=None,
        )
        lots = due.get(number, {})
        settled.expired += _end(rows, number, wallets[number], lots, about)
        moved += _announce(rows, number, lots, about)
    settled.notified = len(moved)
    await points.move_notices(connection, moved)
    await write(connection, rows, by_copy=manner.by_copy)
    return settled


def _end(
    rows: Rows,
    number: int,
    stored: asyncpg.Record,
    due: Mapping[int, asyncpg.Record],
    about: About,
) -> int:
    """Write and tell of each lot that is over; how many."""
    lots = {each: points.lot_from(row) for each, row in due.items()}
    before = replace(
        NEW_CUSTOMER,
        wallet=points.wallet_from(stored, lots),
        standing=points.standing_from(stored),
        campaigns=points.campaigns_from(stored),
    )
    entries = ended(before.wallet, about.at)
    if entries:
        account = Account(customer_no=number, partner_id=about.partner_id, event_key=None)
        rows.accounts.add(account, entries, evolve(before, entries), at=about.at)
    rows.outbox.extend(end_row(entry, about) for entry in entries)
    return len(entries)


def _announce(
    rows: Rows, number: int, due: Mapping[int, asyncpg.Record], about: About
) -> list[tuple[int, int, datetime | None]]:
    """Tell of each lot whose notice is due; answers when the next one of each is."""
    moved = []
    for row in due.values():
        lot, notice_at = points.lot_from(row), row["notice_at"]
        if notice_at is None or notice_at > about.at or lot.is_over(about.at):
            continue
        assert lot.expires_at is not None
        rows.outbox.append(
            event_row(
                PROGRAM_EVENTS,
                POINTS_EXPIRING,
                f"{lot_id(about.partner_id, about.customer_id, lot.number)}.expiring.{int(notice_at.timestamp())}",
                at=about.at,
                subject=None,
                customer_id=about.customer_id,
                value=program_wire.points_expiring_value(
                    lot.left, lot.expires_at, lot.source, about
                ),
            )
        )
        following = next_notice(
            lot.earned_at, lot.expires_at, rows.writing.points_leads_hours, at=about.at
        )
        moved.append((number, lot.number, following))
    return moved
