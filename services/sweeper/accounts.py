"""What time does to accounts: lots end, notices are told, birthdays begin; in bounded batches.

Points and birthdays are two lines, and what cannot be settled in one is set aside there, and stops nobody else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import asyncpg
from prometheus_client import Counter, Gauge

from services.adapters.postgres.clock import OWN_CLOCK, ClockGuard
from services.adapters.postgres.failures import OVERTAKEN
from services.adapters.postgres.pool import WAKE_RELAY, Connection
from services.decisions.account_time import Settled, settle_lots
from services.decisions.birthday_time import tell_birthdays
from services.decisions.manner import Manner
from services.decisions.passing_time import CannotSettle
from services.runtime.backoff import delays
from services.runtime.crashpoints import reach
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.sweeper.aside import Aside
from services.sweeper.beside import work_beside
from services.sweeper.floor import DueFloor
from services.sweeper.room import wait_for_room

RESTS_SECONDS = 0.05
"""Between two batches while anything is due: issuers wait for the same customers."""

SETTLED = Counter(
    "couponry_settled_accounts", "What the sweeper recorded of accounts, by kind.", ["kind"]
)
SETTLED_AT = Gauge(
    "couponry_settled_accounts_at_seconds", "When no account was left to settle, as Unix time."
)

log = logging.getLogger(__name__)


class Settle(Protocol):
    """Settles one batch of what is due, in the caller's transaction. Raises ClockApart, CannotSettle."""

    async def __call__(
        self,
        connection: Connection,
        manner: Manner,
        *,
        limit: int,
        without: Collection[str],
        floor: datetime,
    ) -> Settled: ...


@dataclass(slots=True, kw_only=True)
class Line:
    """One kind of what comes to be due, what of it is set aside, and from where on it is looked for."""

    settle: Settle
    aside: Aside
    floor: DueFloor = field(default_factory=DueFloor)
    rests: Iterator[float] = field(default_factory=delays)
    rests_until: float = 0.0


def points_line() -> Line:
    """Lots that are over, and notices of a coming end; set aside by customer."""
    return Line(settle=settle_lots, aside=Aside("customer"))


def birthdays_line() -> Line:
    """Birthdays that have begun, set aside by customer."""
    return Line(settle=tell_birthdays, aside=Aside("birthday"))


async def settle_until_stopped(settings: Settings, health: Health, guard: ClockGuard) -> None:
    """Batch after batch while anything is due, every few seconds otherwise; an outage is waited out."""
    lines = (points_line(), birthdays_line())
    health.warns("account", lines[0].aside.warning)
    health.warns("birthday", lines[1].aside.warning)
    queued = 0

    async def turn(connection: asyncpg.Connection) -> float:
        nonlocal queued
        queued = await wait_for_room(connection, queued, health.stopping)
        rests = [await _turn_of(line, connection, settings, guard) for line in lines]
        if all(rest is None for rest in rests):
            SETTLED_AT.set_to_current_time()
        return min(settings.sweep_interval_seconds if rest is None else rest for rest in rests)

    await work_beside(settings, health, turn, name="accounts", enable_seqscan="off")


async def _turn_of(
    line: Line, connection: asyncpg.Connection, settings: Settings, guard: ClockGuard
) -> float | None:
    """One batch of a line; for how many seconds it rests then, None: nothing was due."""
    if (left := line.rests_until - time.monotonic()) > 0:
        return left
    try:
        settled = await settle_once(connection, settings, line, guard=guard)
    except CannotSettle as error:
        line.aside.failed(error)
        if len(error.ids) == 1:
            # Where every row is bad, this release is: they are named one by one, at leisure.
            line.rests_until = time.monotonic() + next(line.rests)
        return RESTS_SECONDS
    line.aside.worked()
    line.rests = delays()
    return RESTS_SECONDS if settled.total else None


async def settle_once(
    connection: asyncpg.Connection,
    settings: Settings,
    line: Line,
    *,
    guard: ClockGuard = OWN_CLOCK,
) -> Settled:
    """One batch of a line, and wake the relay; a lost race settles nothing and is no harm.

    Raises ClockApart, CannotSettle, and what an outage raises.
    """
    try:
        async with connection.transaction():
            settled = await line.settle(
                connection,
                Manner.by(settings, guard),
                limit=line.aside.batch,
                without=line.aside.ids(),
                floor=line.floor.next(),
            )
            if settled.total:
                reach("sweeper.before_account_commit")
    except OVERTAKEN as error:
        log.info("lost a race, settling again: %s", error)
        return Settled()
    line.floor.rise(settled.due_from)
    if settled.total:
        reach("sweeper.after_account_commit")
        await connection.execute(WAKE_RELAY)
        for kind in ("expired", "notified", "birthdays"):
            SETTLED.labels(kind).inc(getattr(settled, kind))
    return settled
