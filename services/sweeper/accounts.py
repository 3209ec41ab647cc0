"""What time does to accounts: lots end, notices are told, birthdays begin; in bounded batches.

A customer whose lots cannot be settled is set aside, and stops nobody else.
"""

from __future__ import annotations

import logging

import asyncpg
from prometheus_client import Counter

from services.adapters.postgres.clock import OWN_CLOCK, ClockGuard
from services.adapters.postgres.failures import OVERTAKEN
from services.adapters.postgres.pool import WAKE_RELAY
from services.decisions.account_time import Settled, settle_lots, tell_birthdays
from services.decisions.manner import Manner
from services.decisions.passing_time import CannotSettle
from services.runtime.crashpoints import reach
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.sweeper.aside import Aside
from services.sweeper.beside import work_beside
from services.sweeper.floor import DueFloor

RESTS_SECONDS = 0.05
"""Between two batches while anything is due: issuers wait for the same customers."""

SETTLED = Counter(
    "couponry_settled_accounts", "What the sweeper recorded of accounts, by kind.", ["kind"]
)

log = logging.getLogger(__name__)


async def settle_until_stopped(settings: Settings, health: Health, guard: ClockGuard) -> None:
    """Batch after batch while anything is due, every few seconds otherwise; an outage is waited out."""
    aside, floor = Aside("customer"), DueFloor()
    health.warns("account", aside.warning)

    async def turn(connection: asyncpg.Connection) -> float:
        try:
            settled = await settle_once(connection, settings, aside, floor, guard=guard)
        except CannotSettle as error:
            aside.failed(error)
            return RESTS_SECONDS if len(error.ids) > 1 else settings.sweep_interval_seconds
        aside.worked()
        return RESTS_SECONDS if settled.total else settings.sweep_interval_seconds

    await work_beside(settings, health, turn, name="accounts", enable_seqscan="off")


async def settle_once(
    connection: asyncpg.Connection,
    settings: Settings,
    aside: Aside,
    floor: DueFloor,
    *,
    guard: ClockGuard = OWN_CLOCK,
) -> Settled:
    """One batch of lots and one of birthdays; a lost race settles nothing and is no harm.

    Raises ClockApart, CannotSettle, and what an outage raises.
    """
    manner = Manner.by(settings, guard)
    try:
        async with connection.transaction():
            settled = await settle_lots(
                connection, manner, limit=aside.batch, without=aside.ids(), floor=floor.next()
            )
            reach("sweeper.before_commit")
        floor.rise(settled.due_from)
        async with connection.transaction():
            begun = await tell_birthdays(connection, manner, limit=aside.batch)
            settled.birthdays, settled.moved = begun.birthdays, begun.moved
    except OVERTAKEN as error:
        log.info("lost a race, settling again: %s", error)
        return Settled()
    reach("sweeper.after_commit")
    if settled.total:
        await connection.execute(WAKE_RELAY)
        for kind in ("expired", "notified", "birthdays"):
            SETTLED.labels(kind).inc(getattr(settled, kind))
    return settled
