"""Issuing beside what operators and partners do: a process that decides one event a transaction, and sees itself wait."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Event

from aiokafka import ConsumerRecord

from bench.millions import BUSY, CLOSED, LIMITED, OVER
from bench.workload import instant
from services.adapters.postgres.pool import connect, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings

LOOK_SECONDS = 0.01
"""Between two looks at whether it waits: shorter waits are seldom seen."""
ISSUED_TO = (BUSY, CLOSED, LIMITED, OVER)

WAITS = """
    SELECT max(extract(epoch FROM clock_timestamp() - l.waitstart))::float8 * 1000
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE NOT l.granted AND a.application_name = 'couponry-issuer' AND a.datname = current_database()
"""
OWNERS = """
    SELECT customer_id FROM customers WHERE customer_no IN (
        SELECT customer_no FROM coupons WHERE game_id = $1 AND status <> 'cancelled' LIMIT 5000)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One transaction, or one wait: when it began, by the machine's monotonic clock, and how long it took."""

    began: float
    ms: float

    def overlaps(self, began: float, ended: float) -> bool:
        return self.began < ended and self.began + self.ms / 1000 > began


def issue_until_told(settings: Settings, told: Event, pipe: Pipe) -> None:
    """The process beside: one event a transaction, of one game after the other.

    Sends that it is at work, and in the end what it measured.
    """

    async def both() -> list[list[Issued]]:
        watching = asyncio.create_task(_watch(settings, told))
        return [await _issue(settings, told, lambda: pipe.send("at work")), await watching]

    pipe.send([[(one.began, one.ms) for one in each] for each in asyncio.run(both())])


async def _watch(settings: Settings, told: Event) -> list[Issued]:
    """How long it has been waiting for a lock, whenever it is seen to."""
    connection, waited = await connect(settings, "couponry-watch"), []
    while not told.is_set():
        ms = await connection.fetchval(WAITS)
        if ms:
            waited.append(Issued(began=time.monotonic() - ms / 1000, ms=ms))
        await asyncio.sleep(LOOK_SECONDS)
    await connection.close()
    return waited


async def _issue(settings: Settings, told: Event, ready: Callable[[], None]) -> list[Issued]:
    pool = await open_pool(settings, "couponry-issuer", enable_seqscan="off")
    locks = CustomerLocks(settings)
    pipeline, issued = Pipeline(pool, locks), []
    # Customers of the games of one coupon each have one there already.
    owners = {
        game_id: [row["customer_id"] for row in await pool.fetch(OWNERS, game_id)]
        for game_id in (CLOSED, OVER)
    }
    ready()
    for number, game_id in enumerate(itertools.cycle(ISSUED_TO)):
        if told.is_set():
            break
        customer = f"customer-{2 + number}"
        if game_id in owners:
            customer = owners[game_id][number % len(owners[game_id])]
        began = time.monotonic()
        await pipeline.process([completed(number, game_id, customer)])
        issued.append(Issued(began=began, ms=(time.monotonic() - began) * 1000))
    await locks.close()
    pool.terminate()
    return issued


def completed(offset: int, game_id: int, customer_id: str) -> ConsumerRecord:
    """A completion of now."""
    headers = [
        ("ce_specversion", b"1.0"), ("ce_id", str(uuid.uuid4()).encode()), ("ce_source", b"/b"),
        ("ce_type", b"game.completed"), ("ce_time", instant()),
    ]  # fmt: skip
    data = {"partner_id": 1, "game_id": game_id, "customer_id": customer_id}
    value = json.dumps(data).encode()
    now = int(time.time() * 1000)
    return ConsumerRecord("bench", 0, offset, now, 0, None, value, None, 0, len(value), headers)
