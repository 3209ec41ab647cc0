"""For each section of the runbook the world it speaks of: brought about, and moved on between its blocks.

A section's world is a generator that yields before each block: what the section says happens in between, happens there.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from schemas.topics import CUSTOMERS, GAME_COMPLETED
from services.adapters.postgres.clock import OWN_CLOCK, clock
from services.adapters.postgres.deliveries import redrive
from services.adapters.postgres.partners import set_sources
from services.adapters.postgres.pool import connect, open_pool
from services.adapters.postgres.webhooks import webhooks_of
from services.adapters.records import bounds_of, partitions_of, read_parts, side_reader
from services.adapters.redis_locks import CustomerLocks
from services.adapters.secrets import secrets_by
from services.decisions.manner import Manner
from services.insight.status.figures import figures
from services.issuer.pipeline import Pipeline
from services.runtime.settings import PREFIX, Settings
from services.sweeper.retention import forget_once
from tests.stand import records
from tests.stand.clocks import FakeClock
from tests.stand.copies import with_database
from tests.stand.database import connected
from tests.stand.issuing import a_game, a_partner
from tests.stand.receiver import Got, answer, receiving
from tests.stand.telling import a_program
from tests.stand.waiting import eventually
from tests.stand.world import at_work, commit, completed, headers, send, until_settled
from tests.webhooks.stand import Stand, sending

WELCOME = {
    "name": "Welcome", "type": "SignUp",
    "rewards": [{"couponReward": {"couponType": "fixed_discount", "discountValue": 5}}],
}  # fmt: skip
LIMIT = 5
GOOD, BAD = 6, 2
LETTER = """
    INSERT INTO dead_letters (topic, partition, "offset", record_time, stage, exception, message, key, value,
                              header_names, header_values, event_id, event_source, event_type)
    VALUES ($1, $2, $3, now(), $4, $5, $6, $7, $8, $9, $10, $11, '/games', 'game.completed')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a world is built on: servers and a database of its own, a copy of the common world, the environment."""

    settings: Settings
    copied: Settings
    environment: pytest.MonkeyPatch


World = AsyncGenerator[Settings, None]


async def replayed(ground: Ground) -> World:
    """Somebody moved the group's offsets past records that nobody had read."""
    settings = ground.settings
    await _games(settings)
    await _completions(settings, "read", 3)
    async with at_work(settings):
        await until_settled(settings)
    await _completions(settings, "skipped", 4)
    await _commit_to_the_end(settings)
    for _ in range(3):
        yield settings


async def asked(ground: Ground) -> World:
    """A customer with coupons, and with an event that was declined."""
    for _ in range(3):
        yield ground.copied


async def poisoned(ground: Ground) -> World:
    """Six good events died of a bug of ours, two of a producer's; the issuer stopped reading their partition."""
    settings = ground.settings.model_copy(update={"dead_letter_limit": LIMIT})
    ground.environment.setenv(f"{PREFIX}DEAD_LETTER_LIMIT", str(LIMIT))
    await _games(settings)
    await _completions(settings, "good", GOOD)
    await send(settings, [("ona", headers(f"bad-{n}"), b'{"partner_id": "1"}') for n in range(BAD)])
    await _commit_to_the_end(settings)
    await _bury(settings)
    await _completions(settings, "late", 3)
    async with at_work(settings):
        await _issuer_is_there(settings)
        for _ in range(4):
            yield settings
        await until_settled(settings)
        yield settings


async def waited_for(ground: Ground) -> World:
    """Two completions of a game with a date, of a partner whose zone nobody knows; then it is mended."""
    settings = ground.settings
    async with connected(settings, role=None) as owner:
        partner_id = await a_partner(owner)
        await a_game(owner, partner_id, allow_multiple_active_coupons=True, start_date="2020-01-01")
        await owner.execute("UPDATE partners SET time_zone = 'Mars/Olympus'")
        async with at_work(settings):
            await _completions(settings, "late", 2)

            async def waiting(count: int) -> bool:
                return bool(
                    await owner.fetchval("SELECT count(*) = $1 FROM waiting_records", count)
                )

            await eventually(partial(waiting, 2), "both wait")
            await until_settled(settings)
            yield settings
            yield settings
            await owner.execute("UPDATE waiting_records SET next_at = clock_timestamp()")
            await eventually(partial(waiting, 0), "nothing waits")
            await until_settled(settings)
            yield settings


async def spoken_for(ground: Ground) -> World:
    """A partner that named its shops alone, and an event of its games."""
    settings = ground.settings
    await _games(settings)
    async with connected(settings) as connection:
        await set_sources(connection, 1, ["/shop/*"])
    await _completions(settings, "game", 1)
    async with at_work(settings):
        await until_settled(settings)
        for _ in range(3):
            yield settings


async def emptied(ground: Ground) -> World:
    """All letters were discarded, the first of them long ago."""
    settings = ground.copied
    async with connected(settings, role=None) as owner:
        await owner.execute("UPDATE dead_letters SET state = 'discarded' WHERE state = 'open'")
        await owner.execute(
            "UPDATE dead_letters SET closed_at = closed_at - interval '91 days' WHERE event_id = 'bad-json'"
        )
        await forget_once(owner, settings, OWN_CLOCK)
    yield settings
    yield settings


async def untold(ground: Ground) -> World:
    """A partner's own system refuses one customer's coupon for good, and another's for now; then it is well again."""
    settings = ground.settings.model_copy(
        update={"webhook_allow_private": True, "webhook_retry_seconds": (0, 0, 0, 0, 3600)}
    )
    async with connected(settings, role=None) as owner:
        stand = Stand(settings=settings, connection=owner, partner_id=await a_partner(owner))
        await a_program(owner, stand.partner_id, campaigns=[WELCOME])
        async with receiving(_refusing) as receiver:
            await stand.webhook(receiver.url)
            joined = [
                (who, headers(f"join-{who}", type_="customer.created"), _joined(stand, who))
                for who in ("ona", "jonas")
            ]
            await send(settings, joined, CUSTOMERS)
            async with at_work(settings):
                await until_settled(settings)
            ids = await owner.fetch("SELECT id::text FROM coupons ORDER BY id")
            await stand.read(*(row["id"] for row in ids))

            async def are_refused() -> bool:
                sql = "SELECT count(*) = 2 FROM deliveries WHERE status = 'dead' OR tries = 4 AND begun_at IS NULL"
                return bool(await owner.fetchval(sql))

            async with sending(settings):
                await eventually(are_refused, "one is given up, the other waits for an hour")
            yield settings
            yield settings
            receiver.script = _taking
            webhook = (await webhooks_of(owner, [stand.partner_id], secrets_by(settings)))[
                stand.partner_id
            ]
            at = await clock(owner, settings.clock_offset)
            async with owner.transaction():
                await redrive(owner, stand.partner_id, webhook, at - timedelta(days=1), at, at)
            await owner.execute("UPDATE deliveries SET due_at = $1 WHERE status = 'pending'", at)
            async with sending(settings):
                await stand.until([row["id"] for row in ids], "delivered")
        async with at_work(settings):
            await until_settled(settings)
        yield settings


async def without_redis(ground: Ground) -> World:
    """Redis does not answer, then it does."""
    yield ground.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    yield ground.settings


async def growing(ground: Ground) -> World:
    """Events wait for a relay that is not there, and one was refused for good; then a relay comes."""
    settings = ground.settings
    connection = await connect(settings, "test")
    await connection.execute(
        """
        INSERT INTO outbox (topic, ce_type, ce_id, subject, key, value, ce_time, queued_at, refused)
        SELECT 'coupon-issued', 'coupon.issued', 'e' || n, 's', 'k', '{}', now(), now() - interval '10 min',
               CASE WHEN n = 7 THEN 'MESSAGE_TOO_LARGE from topic coupon-issued' END
        FROM generate_series(1, 7) AS n
        """
    )
    await connection.close()
    for _ in range(3):
        yield settings
    async with at_work(settings):
        await until_settled(settings)
        yield settings


async def restored(ground: Ground) -> World:
    """A backup after three events, a loss after seven; the group's offsets know of all of them."""
    settings = ground.settings
    name = (settings.postgres_dsn or "").rpartition("/")[2]
    backup = with_database(settings, f"{name}_backup")
    admin = await asyncpg.connect(with_database(settings, "postgres").postgres_dsn)
    await _games(settings)
    await _completions(settings, "kept", 3)
    async with at_work(settings):
        await until_settled(settings)
    await admin.execute(f"CREATE DATABASE {name}_backup TEMPLATE {name}")
    try:
        await _completions(settings, "lost", 4)
        async with at_work(settings):
            await until_settled(settings)
        yield backup
        async with at_work(backup), connected(backup) as connection:

            async def all_decided() -> bool:
                return bool(await connection.fetchval("SELECT count(*) = 7 FROM decisions"))

            await eventually(all_decided, "what the backup did not know is decided again")
            await until_settled(backup)
            yield backup
    finally:
        await admin.execute(f"DROP DATABASE {name}_backup WITH (FORCE)")
        await admin.close()


async def at_a_wrong_hour(ground: Ground) -> World:
    """A coupon was issued in 2030, by a clock that nobody doubted; it is two hours ahead, and set right."""
    settings = ground.settings
    wrong = datetime(2030, 1, 1, 12, tzinfo=UTC) - datetime.now(UTC)
    await _games(settings)
    pool, locks = await open_pool(settings, "test"), CustomerLocks(settings)
    record = records.completed("then", "ona", partner_id=1, game_id=1)
    await Pipeline(pool, locks, Manner(clock_offset=wrong)).process([record])
    await locks.close()
    await pool.close()
    async with connected(settings, role=None) as owner:
        await owner.execute("DELETE FROM outbox")
        clock = await FakeClock.of(owner)
        await clock.set(timedelta(hours=2))
        yield settings
        await clock.set(timedelta())
        yield settings
        yield settings


async def failed_over(ground: Ground) -> World:
    """It is over: what happened in between is `tests/issuer/test_moved_topics.py`."""
    yield ground.copied


WORLDS: dict[str, Callable[[Ground], World]] = {
    "A topic must be replayed": replayed,
    "A partner says a customer got no coupon": asked,
    "A bad deploy filled the dead letters": poisoned,
    "Records wait for us": waited_for,
    "Somebody speaks in a partner's name": spoken_for,
    "What a dead letter said is gone": emptied,
    "A partner's own system takes no coupons": untold,
    "Redis is gone": without_redis,
    "The outbox grows": growing,
    "The database's clock is wrong": at_a_wrong_hour,
    "Postgres failed over to a standby": failed_over,
    "Postgres was restored from a backup": restored,
}


def _joined(stand: Stand, who: str) -> bytes:
    return json.dumps({"partner_id": stand.partner_id, "customer_id": who}).encode()


def _refusing(got: Got) -> bytes:
    """Ona's are not found, Jonas' come at a bad moment."""
    if got.json()["customerId"] == "ona":
        return answer(404, {"error": "no such customer"})
    return answer(503, {"error": "come again"})


def _taking(got: Got) -> bytes:
    return answer(200, {"code": f"THEIRS-{got.json()['code'][-4:]}"})


async def _games(settings: Settings) -> None:
    connection = await connect(settings, "test")
    await a_game(connection, await a_partner(connection), allow_multiple_active_coupons=True)
    await connection.close()


async def _completions(settings: Settings, name: str, count: int) -> None:
    """All of one customer, so in one partition."""
    await send(settings, [completed(f"{name}-{n}", "ona", 1, 1) for n in range(1, count + 1)])


async def _commit_to_the_end(settings: Settings) -> None:
    """As somebody with too many rights would."""
    parts = (await figures(settings))["lag"]
    await commit(
        settings, {TopicPartition(part["topic"], part["partition"]): part["end"] for part in parts}
    )


async def _bury(settings: Settings) -> None:
    """Make letters of all records there are, as an issuer with a bug would have."""
    partitions = await partitions_of(settings, {settings.topic(GAME_COMPLETED)})
    connection = await connect(settings, "test")
    async with side_reader(settings) as consumer:
        bounds = await bounds_of(consumer, partitions)
        starts = {partition: kept.first for partition, kept in bounds.items()}
        ends = {partition: kept.end for partition, kept in bounds.items()}
        async for records in read_parts(consumer, starts, ends):
            for record in records:
                await connection.execute(LETTER, *_letter(record))
    await connection.close()


def _letter(record: ConsumerRecord) -> tuple[Any, ...]:
    event_id = dict(record.headers)["ce_id"].decode()
    died = (
        ("schema", "SchemaError", "data.partner_id: Input should be a valid integer")
        if event_id.startswith("bad")
        else ("decide", "KeyError", "'stamps_required'")
    )
    names, values = zip(*record.headers, strict=True)
    return (
        record.topic, record.partition, record.offset, *died, record.key, record.value,
        list(names), list(values), event_id,
    )  # fmt: skip


async def _issuer_is_there(settings: Settings) -> None:
    async def connected() -> bool:
        return bool((await figures(settings))["sessions"]["issuer"])

    await eventually(connected, "an issuer is connected")
