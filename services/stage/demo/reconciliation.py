"""Wait until everything that was sent is accounted for, and ask each of the parties whether it agrees.

Three accounts are kept apart: what the generator expects, what subscribers saw, and what the database has recorded.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping

import asyncpg
from aiokafka import TopicPartition

from services.adapters.postgres.queries import queries
from services.adapters.records import group_offsets
from services.runtime.settings import Settings
from services.stage.demo.ledger import Ledger
from services.stage.demo.records import Fate

STANDSTILL_SECONDS = 30.0
"""Nothing new for so long: it will not come any more. Above what the take-over from a dead process may last."""
POLL_SECONDS = 0.1


async def everything_seen(ledger: Ledger) -> bool:
    """Wait until every record has its outcome. False: nothing has come for 30 s although some are outstanding."""
    seen, since = -1, time.monotonic()
    while ledger.outstanding > 0:
        if len(ledger.seen) != seen:
            seen, since = len(ledger.seen), time.monotonic()
        if time.monotonic() - since > STANDSTILL_SECONDS:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


async def everything_read(settings: Settings, ends: Mapping[TopicPartition, int]) -> bool:
    """Wait until the issuers have committed every offset sent, repeats included. False after 30 s."""
    deadline = time.monotonic() + STANDSTILL_SECONDS
    while True:
        committed = await group_offsets(settings, settings.consumer_group)
        if all(committed.get(partition, 0) >= end for partition, end in ends.items()):
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)


async def recorded(connection: asyncpg.Connection, partner_id: int, prefix: str) -> Counter[Fate]:
    """What the database says became of this run's records."""
    sql = queries("demo", __package__)
    counts: Counter[Fate] = Counter()
    for outcome, detail, count in await connection.fetch(sql["outcomes"], partner_id):
        counts[Fate(outcome, detail)] += count
    for stage, count in await connection.fetch(sql["letters"], prefix.encode()):
        counts[Fate("dead", stage)] += count
    return counts
