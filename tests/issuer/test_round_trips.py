"""How many round trips to Postgres a batch may cost, whatever is in it: counted on the wire.

What a batch of plain completions costs: begin; see which are decided, lock the customers and look at their coupons;
copy decisions, coupons and events (a trip each); confirm the rules; commit and wake the relay.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.adapters.postgres.pool import open_pool
from services.adapters.redis_locks import CustomerLocks
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.stand.issuing import a_game
from tests.stand.proxy import Proxy, proxied
from tests.stand.records import again, completed, poison
from tests.stand.till import Till

Batch = Sequence[ConsumerRecord]


@dataclass(slots=True, kw_only=True)
class Counter:
    """A pipeline whose only connection leads through a proxy that counts."""

    pipeline: Pipeline
    proxy: Proxy

    async def trips(self, records: Batch) -> int:
        """Round trips of this batch."""
        before = self.proxy.trips
        await self.pipeline.process(records)
        return self.proxy.trips - before


@pytest.fixture
async def counter(settings: Settings, locks: CustomerLocks) -> AsyncIterator[Counter]:
    """One connection, as an issuer has it."""
    assert settings.postgres_dsn
    async with proxied(settings.postgres_dsn) as (proxy, dsn):
        through = settings.model_copy(update={"postgres_dsn": dsn})
        pool = await open_pool(through, "test", min_size=1, max_size=1, enable_seqscan="off")
        yield Counter(pipeline=Pipeline(pool, locks), proxy=proxy)
        pool.terminate()


PLAIN_TRIPS = 7


@pytest.mark.parametrize("size", [1, 50, 2_000])
async def test_batch_of_plain_completions_costs_at_most_7_round_trips(
    counter: Counter, database: asyncpg.Connection, partner_id: int, size: int
) -> None:
    """New and known customers, under the single rule and not, of any number: once the statements are prepared."""
    single = await a_game(database, partner_id)
    many = await a_game(database, partner_id, allow_multiple_active_coupons=True)

    def batch(turn: str) -> Batch:
        return [
            completed(
                f"{turn}-{n}", f"c-{n % 700}", partner_id=partner_id, game_id=(single, many)[n % 2]
            )
            for n in range(size)
        ]

    await counter.trips([*batch("first"), *batch("second")])
    assert await counter.trips(batch("third")) <= PLAIN_TRIPS
    assert await database.fetchval("SELECT count(*) FROM decisions") == 3 * size


async def test_batch_with_a_repeat_costs_one_round_trip_more(
    counter: Counter, database: asyncpg.Connection, partner_id: int
) -> None:
    """The first answer says which are decided, and nobody was locked for them."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    first, second, third = (
        completed(f"e-{n}", partner_id=partner_id, game_id=game_id) for n in range(3)
    )
    await counter.trips([first])
    await counter.trips([again(first), second])
    assert await counter.trips([again(second), third]) <= PLAIN_TRIPS + 1
    assert await counter.trips([again(first), again(second)]) <= 3  # begin, look, end


async def test_order_costs_no_more_than_this(
    counter: Counter, database: asyncpg.Connection, partner_id: int
) -> None:
    """An order pays for what it needs, and for nothing else; and a record that cannot be read for its letter."""
    wheel = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    await a_game(database, partner_id, game_type="stamps", stamps_required=10)
    till = Till(partner_id)
    await counter.trips([till.completed(wheel) for _ in range(6)])
    codes = [row["code"] for row in await database.fetch("SELECT code FROM coupons")]

    cost = {}
    for turn in range(3):  # the last one counts: by then every statement is prepared
        order_id = f"o-{turn}"
        cost = {
            "stamp": await counter.trips([till.placed(f"{order_id}-bare")]),
            "code and stamp": await counter.trips([till.placed(order_id, codes.pop())]),
            "reversal": await counter.trips([till.cancelled(order_id)]),
            "letter": await counter.trips(poison()),
        }
    assert cost == {"stamp": 11, "code and stamp": 15, "reversal": 15, "letter": 4}
