"""Every row the service writes for a workload, taken from the service itself.

The events go through the service's own reading and rules, up to its rows. What comes out are the tables, columns and rows that `couponry issuer` would copy, batch by batch;
only the customers' rows, which it inserts another way, are added here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import ConsumerRecord

from bench.stage import Stage
from bench.workload import PARTNER_ID, Event, instant
from schemas.topics import GAME_COMPLETED
from services.adapters.draws import Drawing
from services.adapters.postgres.coupons import CouponRow
from services.adapters.postgres.inbox import DecisionRow
from services.adapters.postgres.outbox import OutboxRow
from services.adapters.postgres.pool import SCHEMA
from services.adapters.postgres.rules import load_games
from services.decisions.manner import Writing
from services.decisions.verdicts import rows_of
from services.domain.arrival import LockedCustomer, Verdict
from services.domain.folding import decide_batch
from services.domain.program import Program
from services.issuer.parts import read

CUSTOMER_COLUMNS = ("customer_no", "partner_id", "customer_id", "last_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    table: str
    columns: Sequence[str]
    rows: Collection[tuple[Any, ...]]


async def program_of(stage: Stage) -> Program:
    games = await stage.owner.fetch("SELECT id FROM games")
    return Program(games=await load_games(stage.owner, [row["id"] for row in games]))


async def taped(
    program: Program,
    events: Iterable[Event],
    batch: int,
    first_customer_no: int = 1,
    at: datetime | None = None,
) -> list[list[Copy]]:
    """The COPYs of these events, a list per batch of `batch` events, all decided at one instant (now).

    Customers are numbered as they appear.
    """
    at = at or datetime.now(UTC)
    incoming, letters, _ = read(list(_records(events, at)))
    assert not letters
    customers = {
        customer: LockedCustomer(number=number, at=at)
        for number, customer in enumerate(
            dict.fromkeys(one.customer for one in incoming), first_customer_no
        )
    }
    verdicts, _ = decide_batch(
        incoming, program, {}, customers, {}, Drawing().draws_for([(one, 1) for one in incoming])
    )
    known: set[int] = set()
    return [
        _copies(verdicts[start : start + batch], program, at, known)
        for start in range(0, len(verdicts), batch)
    ]


def _copies(
    verdicts: Sequence[Verdict], program: Program, at: datetime, known: set[int]
) -> list[Copy]:
    new = {
        verdict.customer_no: verdict.incoming.event.customer_id
        for verdict in verdicts
        if verdict.customer_no not in known
    }
    known.update(new)
    rows = [(number, PARTNER_ID, customer, at) for number, customer in new.items()]
    written = rows_of(verdicts, program, Writing(expiring_leads_hours=(168, 24)))
    return [
        Copy(table="customers", columns=CUSTOMER_COLUMNS, rows=rows),
        Copy(table="decisions", columns=DecisionRow._fields, rows=written.decisions),
        Copy(table="coupons", columns=CouponRow._fields, rows=written.coupons),
        Copy(table="outbox", columns=OutboxRow._fields, rows=written.outbox),
    ]


def _records(events: Iterable[Event], at: datetime) -> Iterator[ConsumerRecord]:
    timestamp_ms = int(at.timestamp() * 1000)
    for offset, event in enumerate(events):
        headers = tuple(event.headers(instant(at)))
        yield ConsumerRecord(
            GAME_COMPLETED, 0, offset, timestamp_ms, 1, event.key, event.value, None, 0, 0, headers
        )


async def play(connection: Any, copies: Iterable[Copy]) -> None:
    """Run a batch's COPYs in one transaction, durably committed."""
    async with connection.transaction():
        for copy in copies:
            await connection.copy_records_to_table(
                copy.table, schema_name=SCHEMA, columns=copy.columns, records=copy.rows
            )
