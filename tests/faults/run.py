"""One fault after the other under the load, each measured; then everything is let come to rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tests.faults.coupon_system import UNTOLD
from tests.faults.fault import Fault
from tests.faults.system import System
from tests.stand.waiting import eventually

RECOVERY_SECONDS = 20.0
"""What is promised: from a fault's end until everything that waited then has its outcome."""
PATIENCE_SECONDS = 90.0
"""How long it is waited for, to say how long it takes."""
WARM_UP_EVENTS = 200
CALM_EVENTS = 60
"""No more than so many are under way before the next fault comes."""
POLL_SECONDS = 0.02


@dataclass(slots=True, kw_only=True)
class Row:
    """What was seen of one fault. Seconds; `at_ms` is when it began, as Unix time; `in_flight`: events under way at its end."""

    number: int
    fault: Fault
    at_ms: int
    after_seconds: float
    lasted_seconds: float = 0.0
    in_flight: int = 0
    recovery_seconds: float | None = None
    wrong: list[str] = field(default_factory=list)


async def suffer(
    system: System,
    faults: Sequence[Fault],
    stop_at: float | None,
    began: float,
    rows: list[Row],
    most_seconds: float,
) -> None:
    """Every fault in its turn, none of them begun after `stop_at` (monotonic); each adds its row.

    One after which it takes longer than `most_seconds` until all is well is wrong.
    """
    await eventually(lambda: _sent(system, WARM_UP_EVENTS), "the load runs", PATIENCE_SECONDS)
    for number, fault in enumerate(faults, 1):
        if stop_at is not None and time.monotonic() > stop_at:
            break
        rows.append(await _suffer_one(system, fault, number, began, most_seconds))


async def _sent(system: System, events: int) -> bool:
    return len(system.ledger.sent) >= events


async def _suffer_one(
    system: System, fault: Fault, number: int, began: float, most_seconds: float
) -> Row:
    ledger = system.ledger
    await calm(system)
    await asyncio.sleep(0.2 + system.dice.random())
    system.progress(f"{number}  {fault.name}: {fault.about}")
    ledger.row = number
    at = time.monotonic()
    row = Row(
        number=number, fault=fault, at_ms=time.time_ns() // 1_000_000, after_seconds=at - began
    )
    try:
        forgotten = await fault.act(system)
    except Exception as error:
        row.wrong.append(f"{type(error).__name__}: {error}")
        forgotten = ()
    over = time.monotonic()
    row.lasted_seconds = over - at
    ledger.forget(forgotten)
    waiting = set(ledger.open)
    row.in_flight = len(waiting)
    try:
        await outcomes(system, waiting)
        await told(system)
        row.recovery_seconds = time.monotonic() - over
        system.progress(
            f"   {row.in_flight} events under way, recovered in {row.recovery_seconds:.1f} s"
        )
        if row.recovery_seconds > most_seconds:
            row.wrong.append(f"took longer than {most_seconds:.0f} s")
    except AssertionError as error:
        row.wrong.append(str(error))
    for text in row.wrong:
        system.progress(f"   WRONG: {text}")
    return row


async def outcomes(system: System, tags: Collection[str]) -> None:
    """Wait until each of these has its outcome. Raises AssertionError."""
    ledger, deadline = system.ledger, time.monotonic() + PATIENCE_SECONDS
    while waiting := ledger.waits(tags):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"{len(waiting)} events without outcome after {PATIENCE_SECONDS:.0f} s,"
                f" like {sorted(waiting)[:3]}"
            )
        await asyncio.sleep(POLL_SECONDS)


async def told(system: System) -> None:
    """Wait until what stands in the outbox now is published: also what is no direct outcome of an event."""
    newest = await system.fetchval("SELECT max(id) FROM outbox")

    async def is_out() -> bool:
        return not await system.fetchval("SELECT count(*) FROM outbox WHERE id <= $1", newest)

    if newest is not None:
        await eventually(is_out, "the outbox is published", PATIENCE_SECONDS)


async def calm(system: System, events: int = CALM_EVENTS) -> None:
    """Wait until little is under way; what stays away is told by the row before, or in the end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(system.ledger.open) > events and time.monotonic() < deadline:
        await asyncio.sleep(POLL_SECONDS)


async def rest(system: System) -> list[str]:
    """The load has ended: let the rest come, and end every process. Returns what does not."""
    wrong = []

    async def is_empty() -> bool:
        left = f"SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM waiting_records) + ({UNTOLD})"
        return not system.ledger.open and not await system.fetchval(left)

    try:
        await eventually(is_empty, "everything has its outcome", PATIENCE_SECONDS)
    except AssertionError as error:
        wrong.append(f"{error}; open {sorted(system.ledger.open)[:5]}")
    members = [
        one
        for command in ("issuer", "sweeper", "api", "webhooks", "relay")
        for one in system.fleet.of(command)
    ]
    await system.fleet.stop(members)
    return wrong
