"""Counters of games (G22): from real decisions, exact, and nobody's burden."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.adapters.postgres.pool import connect, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from services.sweeper.counters import count_once
from tests.api.games import a_game
from tests.api.stand import Partner
from tests.stand import records
from tests.stand.waiting import eventually


@pytest.fixture
async def pipeline(api_settings: Settings) -> AsyncIterator[Pipeline]:
    """An issuer on the API's database."""
    pool = await open_pool(api_settings, "couponry-issuer", enable_seqscan="off")
    locks = CustomerLocks(api_settings)
    yield Pipeline(pool, locks)
    await locks.close()
    pool.terminate()


def won(partner_id: int, game_id: int, customer_id: str, **data: Any) -> ConsumerRecord:
    """A completion."""
    return records.completed(
        str(uuid.uuid4()), customer_id, partner_id=partner_id, game_id=game_id, **data
    )


def placed(partner_id: int, customer_id: str) -> ConsumerRecord:
    """An order without codes."""
    headers = dict(records.headers(str(uuid.uuid4()), "/shop")) | {"ce_type": b"order.placed"}
    order = {
        "partner_id": partner_id, "order_id": str(uuid.uuid4()), "customer_id": customer_id,
        "currency": "EUR", "total": "9.90",
    }  # fmt: skip
    return records.raw(tuple(headers.items()), json.dumps(order).encode())


async def counted(partner: Partner, game_id: int) -> tuple[int, int, int]:
    """Players, sessions and completions, once everything decided so far is counted."""
    for _ in range(2):  # one pass notes how far to count, the next one counts
        await eventually(lambda: count_once(partner.database), "older transactions have ended")
    data = (await partner.get(f"/games/{game_id}")).json()["data"]
    return data["total_players"], data["active_sessions"], data["completed_sessions"]


async def test_counters_count_players_and_completions(
    partner: Partner, stranger: Partner, pipeline: Pipeline
) -> None:
    """Players are distinct, a lost game makes a player too, a declined completion counts; nothing of others does."""
    game_id = (await a_game(partner, allow_multiple_active_coupons=False))["id"]
    await pipeline.process(
        [
            won(partner.id, game_id, "anna"),
            won(partner.id, game_id, "anna"),
            won(partner.id, game_id, "jonas", result="lost"),
            won(stranger.id, game_id, "anna"),
            won(partner.id, 2**60, "anna"),
        ]
    )
    assert await counted(partner, game_id) == (2, 0, 2)
    await pipeline.process([won(partner.id, game_id, "jonas")])
    assert await counted(partner, game_id) == (2, 0, 3)
    listed = (await partner.get("/games")).json()["data"]["games"]
    assert [game["total_players"] for game in listed] == [2]


async def test_counters_count_stamp_cards(partner: Partner, pipeline: Pipeline) -> None:
    """Cards begun and not full are sessions, full ones completions, their owners players."""
    game_id = (await a_game(partner, game_type="stamps", stamps_required=2))["id"]
    for customer, orders in (("anna", 1), ("jonas", 2), ("ieva", 3)):
        for _ in range(orders):
            await pipeline.process([placed(partner.id, customer)])
    assert await counted(partner, game_id) == (3, 2, 2)
    await pipeline.process([placed(partner.id, "anna")])
    assert await counted(partner, game_id) == (3, 1, 3)


async def test_counters_miss_no_decision_that_commits_late(
    api_settings: Settings, partner: Partner, pipeline: Pipeline
) -> None:
    """A decision whose number was drawn before others', and that commits after they were counted, counts once."""
    game_id = (await a_game(partner))["id"]
    slow = await connect(api_settings, "test")
    transaction = slow.transaction()
    await transaction.start()
    await _decide(slow, partner.id, game_id)
    await pipeline.process([won(partner.id, game_id, "jonas")])
    await eventually(lambda: count_once(partner.database), "older transactions have ended")
    assert not await count_once(partner.database)
    await transaction.commit()
    await slow.close()
    assert await counted(partner, game_id) == (2, 0, 2)
    assert await counted(partner, game_id) == (2, 0, 2)


async def test_counters_are_counted_by_one_at_a_time(
    api_settings: Settings, partner: Partner
) -> None:
    """Who finds somebody else counting leaves it to them."""
    other = await connect(api_settings, "test")
    async with other.transaction():
        await other.execute("SELECT FROM counting FOR UPDATE")
        assert not await count_once(partner.database)
    await other.close()


async def _decide(connection: asyncpg.Connection, partner_id: int, game_id: int) -> None:
    """A won completion, written as an issuer does: the customer first, then the decision."""
    await connection.execute(
        """
        WITH customer AS (
            INSERT INTO customers (partner_id, customer_id, last_at) VALUES ($1, 'slow', now()) RETURNING customer_no)
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
                               partition, won, event_id, event_source, event_type, topic, outcome, reason)
        SELECT $3, clock_timestamp(), now(), $1, customer_no, $2, 0, 0, true, 'e', 's', 'game.completed', 't',
               'declined', 'active_coupon_exists'
        FROM customer
        """,
        partner_id,
        game_id,
        str(uuid.uuid4()),
    )
