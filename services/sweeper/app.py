"""The sweeper process: end what is over, tell customers what is about to end; count and forget beside it.

Any number may run: each batch takes customers nobody else is working on. Correctness never waits for it; without it
subscribers would hear of an expiry only when the next event needs the coupon's place.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from datetime import datetime

import asyncpg
from prometheus_client import Counter, Gauge

from services.adapters.failures import server_of
from services.adapters.postgres.clock import OWN_CLOCK, ClockGuard
from services.adapters.postgres.coupons import BEGINNING
from services.adapters.postgres.failures import OVERTAKEN, is_of_postgres
from services.adapters.postgres.pool import WAKE_RELAY, connect
from services.adapters.postgres.schema import require_schema
from services.adapters.postgres.standing import Pace
from services.decisions.manner import Manner
from services.decisions.passing_time import CannotSettle, Settlement, settle_due
from services.runtime import crashpoints
from services.runtime.backoff import delays, pause
from services.runtime.crashpoints import reach
from services.runtime.health import Health
from services.runtime.settings import Settings, required
from services.runtime.side_by_side import side_by_side
from services.runtime.waiting import Waiting, keep_trying
from services.sweeper.accounts import settle_until_stopped
from services.sweeper.aside import BATCH, Aside
from services.sweeper.counting import count_until_stopped
from services.sweeper.floor import DueFloor
from services.sweeper.retention import keep_until_stopped
from services.sweeper.room import wait_for_room

ACTOR = "sweeper"
COUPONS_PER_SECOND = 8_000
"""Of one sweeper at most, so that issuers keep their part of Postgres: a million take two minutes or more."""

SETTLED = Counter("couponry_settled_coupons", "What the sweeper recorded, by kind.", ["kind"])
SWEPT_AT = Gauge("couponry_swept_at_seconds", "When nothing was left to sweep, as Unix time.")

log = logging.getLogger(__name__)


async def serve(settings: Settings, health: Health) -> None:
    """Sweep, keep the games' counters current and forget what was kept long enough, until told to stop."""
    required(settings, "postgres_dsn")
    crashpoints.arm(settings.crash_at)
    guard = ClockGuard()
    await side_by_side(
        _sweep(settings, health, guard),
        count_until_stopped(settings, health),
        keep_until_stopped(settings, health, guard),
        settle_until_stopped(settings, health, guard),
    )


async def _sweep(settings: Settings, health: Health, guard: ClockGuard) -> None:
    """At once while something is due, every few seconds otherwise; an outage is waited out."""
    waiting = Waiting("waiting for Postgres", log)
    pace, aside = Pace(), Aside("coupon")
    health.warns("row", aside.warning)
    health.needs("postgres", lambda: _away(waiting) or pace.fault)
    health.needs("clock", lambda: guard.fault)

    async def work() -> None:
        await require_schema(settings)
        connection = await connect(settings, "couponry-sweeper", enable_seqscan="off")
        try:
            health.started()
            await sweep_until_stopped(
                connection, settings, health, pace, guard, aside, worked=waiting.over
            )
        finally:
            await connection.close(timeout=5)

    await keep_trying(work, waiting.failed, is_outage=is_of_postgres, stopping=health.stopping)


def _away(waiting: Waiting) -> str | None:
    """Why it waits, unless that is for the clock, which has a check of its own."""
    return None if waiting.error and server_of(waiting.error) == "clock" else waiting.why


async def sweep_until_stopped(
    connection: asyncpg.Connection,
    settings: Settings,
    health: Health,
    pace: Pace,
    guard: ClockGuard,
    aside: Aside,
    worked: Callable[[], None] = lambda: None,
) -> None:
    """Batch after batch, as fast as the relay publishes; a pause after each that found nothing.

    `worked` is called after each batch that the database took or refused for its rows, so not for a mere connection.
    """
    floor, due, rests = 0, DueFloor(), delays()
    while not health.stopping.is_set():
        floor = await wait_for_room(connection, floor, health.stopping)
        began = time.monotonic()
        try:
            with pace:
                settlement = await sweep_once(
                    connection,
                    settings,
                    aside.batch,
                    guard=guard,
                    without=aside.ids(),
                    floor=due.next(),
                )
        except CannotSettle as error:
            aside.failed(error)
            worked()
            if len(error.ids) == 1:
                # Where every row is bad, this release is: they are named one by one, at leisure.
                await pause(health.stopping, next(rests))
            continue
        aside.worked()
        worked()
        rests = delays()
        due.rise(settlement.due_from)
        if not settlement.total:
            SWEPT_AT.set_to_current_time()
            await pause(health.stopping, settings.sweep_interval_seconds)
        elif (left := settlement.total / COUPONS_PER_SECOND - (time.monotonic() - began)) > 0:
            await pause(health.stopping, left)


async def sweep_once(
    connection: asyncpg.Connection,
    settings: Settings,
    batch: int = BATCH,
    *,
    guard: ClockGuard = OWN_CLOCK,
    without: Collection[str] = (),
    floor: datetime = BEGINNING,
) -> Settlement:
    """Settle one batch of what is due, from `floor` on, and wake the relay; a lost race settles nothing and is no harm.

    Raises ClockApart, CannotSettle, and what an outage raises.
    """
    try:
        async with connection.transaction():
            settlement = await settle_due(
                connection,
                Manner.by(settings, guard),
                actor=ACTOR,
                limit=batch,
                without=without,
                floor=floor,
            )
            reach("sweeper.before_commit")
    except OVERTAKEN as error:
        log.info("lost a race, sweeping again: %s", error)
        return Settlement()
    reach("sweeper.after_commit")
    if settlement.total:
        await connection.execute(WAKE_RELAY)
        for kind in ("expired", "released", "notified"):
            SETTLED.labels(kind).inc(getattr(settlement, kind))
    return settlement
