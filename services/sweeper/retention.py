"""Take out what was kept long enough: dead letters' bytes, audit entries, answers to repeated requests.

Of a dead letter only what its record said goes, and only once somebody has dealt with it: an open one is an event that
may still be decided. Its row stays, with its place, so `verify`, `replay` and `explain` still know what became of the
record. Ages are counted by the database's clock, and while that is far from every other one nothing goes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

import asyncpg
from prometheus_client import Counter

from services.adapters.postgres.clock import ClockGuard, trusted_clock
from services.adapters.postgres.queries import queries
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.sweeper.beside import work_beside

BATCH_ROWS = 500
"""Of one transaction, each row locked for no longer than that takes."""
INTERVAL_SECONDS = 60.0
"""Between two looks when nothing more was due."""

FORGOTTEN = Counter(
    "couponry_forgotten_rows", "Rows that were kept long enough and emptied or deleted, by kind.", ["kind"]
)  # fmt: skip

_SQL = queries("retention", __package__)


class Kept(NamedTuple):
    """A kind of rows, how long it is kept, and the query that takes it out."""

    kind: str
    age: timedelta
    query: str


def kept(settings: Settings) -> Iterable[Kept]:
    """What is not kept for ever."""
    letters = timedelta(days=settings.dead_letter_retention_days)
    audit = timedelta(days=settings.audit_retention_days)
    answers = timedelta(hours=settings.idempotency_retention_hours)
    kinds = (
        Kept("dead_letters", letters, "empty_letters"),
        Kept("audit", audit, "forget_audit"),
        Kept("idempotency", answers, "forget_answers"),
    )
    return [one for one in kinds if one.age]


async def keep_until_stopped(settings: Settings, health: Health, guard: ClockGuard) -> None:
    """Batch after batch while there is more, resting as long as each took."""

    async def turn(connection: asyncpg.Connection) -> float:
        began = time.monotonic()
        is_all = await forget_once(connection, settings, guard)
        return INTERVAL_SECONDS if is_all else time.monotonic() - began

    await work_beside(settings, health, turn, name="retention", enable_seqscan="off")


async def forget_once(
    connection: asyncpg.Connection,
    settings: Settings,
    guard: ClockGuard,
    batch: int = BATCH_ROWS,
) -> bool:
    """One batch of each kind, each in its own transaction. True: nothing more is due. Raises ClockApart."""
    is_all = True
    for kind, age, query in kept(settings):
        # Not moved by the test clock: what is stored says when it was stored by the bare one.
        at = await trusted_clock(connection, timedelta(), guard)
        gone = await connection.fetchval(_SQL[query], at - age, batch)
        FORGOTTEN.labels(kind).inc(gone)
        is_all = is_all and gone < batch
    return is_all
