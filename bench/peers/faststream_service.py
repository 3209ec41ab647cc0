"""A straightforward FastStream service: one message at a time, as the tutorials lead one to write it.

Per message: the customer's lock in Redis (redis-py), one transaction (dedupe, rule, coupon, inbox row), publish
`coupon.issued`, release, acknowledge. Publishing comes after the commit and a repeat publishes its stored coupon
again, so that a crash in between loses nothing (at least once). `--workers` is FastStream's `max_workers`: with any
acknowledging policy that is one consumer per worker, each with partitions of its own, so the benchmark's topics
have at least as many partitions as workers.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage
from pydantic import BaseModel
from redis.asyncio import Redis

from bench.peers.wiring import (
    Wiring,
    issued_data,
    issued_headers,
    new_code,
    wiring,
)

LOCK_SECONDS = 10


class GameCompleted(BaseModel):
    partner_id: int
    game_id: int
    customer_id: str
    session_id: str | None = None
    result: str = "won"
    score: float | None = None


def build(outside: Wiring, workers: int) -> FastStream:
    broker = KafkaBroker(
        outside.kafka,
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        logger=None,
    )
    redis = Redis.from_url(outside.redis)
    pool: asyncpg.Pool

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        nonlocal pool
        pool = await asyncpg.create_pool(outside.postgres, min_size=workers, max_size=workers)
        yield
        await pool.close()
        await redis.aclose()

    @broker.subscriber(
        outside.completed_topic,
        group_id=outside.group,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_workers=workers,
    )
    async def completed(event: GameCompleted, message: KafkaMessage) -> None:
        source, event_id = message.headers["ce_source"], message.headers["ce_id"]
        occurred_at = datetime.fromisoformat(message.headers["ce_time"])
        async with redis.lock(
            f"customer:{event.partner_id}:{event.customer_id}", timeout=LOCK_SECONDS
        ):
            async with pool.acquire() as connection, connection.transaction():
                coupon = await issue(connection, event, source, event_id, occurred_at)
            if coupon is not None:
                await broker.publish(
                    coupon,
                    topic=outside.issued_topic,
                    key=event.customer_id.encode(),
                    headers=issued_headers(coupon["coupon_id"], coupon["issued_at"]),
                )

    return FastStream(broker, lifespan=lifespan, logger=None)


async def issue(
    connection: Any, event: GameCompleted, source: str, event_id: str, occurred_at: datetime
) -> dict[str, Any] | None:
    """Decide one event; the coupon's message, also for a repeat of an event that issued, else None."""
    stored = await connection.fetchrow(
        "SELECT coupon_id FROM bench.inbox WHERE source = $1 AND id = $2", source, event_id
    )
    game = await connection.fetchrow(
        "SELECT *, clock_timestamp() AS at FROM bench.games WHERE id = $1 AND partner_id = $2",
        event.game_id,
        event.partner_id,
    )
    if stored is not None:
        coupon = await connection.fetchrow(
            "SELECT * FROM bench.coupons WHERE id = $1", stored["coupon_id"]
        )
    else:
        reason = await refusal(connection, event, game, occurred_at)
        coupon = None if reason else await insert_coupon(connection, event, game)
        await connection.execute(
            "INSERT INTO bench.inbox (source, id, outcome, reason, coupon_id) VALUES ($1, $2, $3, $4, $5)",
            source,
            event_id,
            "declined" if reason else "issued",
            reason,
            coupon and coupon["id"],
        )
    return coupon and issued_data(coupon, game, source, event_id)


async def insert_coupon(connection: Any, event: GameCompleted, game: Any) -> Any:
    days = game["validity_days"]
    return await connection.fetchrow(
        "INSERT INTO bench.coupons"
        " (id, code, partner_id, game_id, customer_id, single, issued_at, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *",
        uuid4(),
        new_code(),
        event.partner_id,
        event.game_id,
        event.customer_id,
        not game["allow_multiple"],
        game["at"],
        game["at"] + timedelta(hours=24 * days) if days else None,
    )


async def refusal(
    connection: Any, event: GameCompleted, game: Any, occurred_at: datetime
) -> str | None:
    if game is None:
        return "game_not_found"
    if event.result != "won":
        return "result_lost"
    if not game["is_active"]:
        return "game_inactive"
    if game["starts_at"] and occurred_at < game["starts_at"]:
        return "game_not_started"
    if game["ends_at"] and occurred_at >= game["ends_at"]:
        return "game_ended"
    if game["allow_multiple"]:
        return None
    holder = await connection.fetchrow(
        "SELECT id, expires_at <= $3 AS over FROM bench.coupons"
        " WHERE customer_id = $1 AND game_id = $2 AND single AND status = 'active'",
        event.customer_id,
        event.game_id,
        game["at"],
    )
    if holder is None:
        return None
    if not holder["over"]:
        return "active_coupon_exists"
    await connection.execute(
        "UPDATE bench.coupons SET status = 'expired' WHERE id = $1", holder["id"]
    )
    return None


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--workers", type=int, default=1)
    service = build(wiring(), arguments.parse_args().workers)
    uvloop.install()
    asyncio.run(service.run())
