"""`migrate --restored`: a database out of a backup must not take an old topic's word for what it has published."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer

from schemas.topics import COUPON_ISSUED
from services.adapters.kafka import client_options
from services.adapters.postgres.pool import connect
from services.adapters.postgres.queries import queries
from services.relay.app import serve as serve_relay
from services.relay.leadership import LOCK_KEY
from services.runtime.health import Health
from services.runtime.settings import Settings
from tests.stand.commands import Command
from tests.stand.waiting import eventually

QUEUE = """
    INSERT INTO outbox (topic, ce_type, ce_id, subject, key, value, ce_time)
    SELECT 'coupon-issued', 'coupon.issued', $1 || n, 's', 'k', '{}', now() FROM generate_series(1, 3) AS n
"""


async def relay_until_empty(settings: Settings, database: asyncpg.Connection) -> None:
    """A relay runs until nothing waits."""
    health = Health("relay")
    relay = asyncio.create_task(serve_relay(settings, health))

    async def is_empty() -> bool:
        return not await database.fetchval("SELECT count(*) FROM outbox")

    await eventually(is_empty, "the outbox is empty")
    health.stopping.set()
    await relay


async def published(settings: Settings) -> list[str]:
    """The ids in `coupon-issued`, in no order."""
    found: list[str] = []
    async with AIOKafkaConsumer(
        settings.topic(COUPON_ISSUED),
        **client_options(settings),
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())

        async def is_read() -> bool:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found.extend(dict(record.headers)["ce_id"].decode() for record in records)
            return all([await consumer.position(place) >= end for place, end in ends.items()])

        await eventually(is_read, "the topic is read")
    return sorted(found)


@pytest.mark.parametrize("renewed", [True, False])
async def test_restored_database_publishes_what_has_old_numbers(
    topics: Settings, couponry: Command, database: asyncpg.Connection, renewed: bool
) -> None:
    """Numbers of the outbox are given out again after a restore: their rows go out, with a new identity or without."""
    await database.execute(QUEUE, "before-")
    await relay_until_empty(topics, database)
    owner = await asyncpg.connect(topics.postgres_dsn)
    await owner.execute("ALTER SEQUENCE couponry.outbox_id_seq RESTART")
    await owner.close()
    await database.execute(QUEUE, "after-")
    if renewed:
        assert (await couponry("migrate", "--restored")).out.startswith("up to date\nidentity ")
    await relay_until_empty(topics, database)
    expected = [f"{name}{n}" for name in ("after-", "before-") for n in (1, 2, 3)]
    assert await published(topics) == expected


async def test_restored_says_which_identity_it_renews(
    couponry: Command, database: asyncpg.Connection
) -> None:
    """The plan names it and leaves it; then it is another one, every time."""
    was = str(await database.fetchval("SELECT id FROM deployment"))
    planned = (await couponry("migrate", "--restored", "--plan", "--json")).json()
    assert planned == {"missing": [], "identity": None, "was": was}
    assert was in (await couponry("migrate", "--restored", "--plan")).out
    done = (await couponry("migrate", "--restored", "--json")).json()
    assert (done["applied"], done["was"]) == ([], was)
    assert done["identity"] == str(await database.fetchval("SELECT id FROM deployment")) != was


async def test_restored_waits_for_the_relay_to_stop(
    settings: Settings, couponry: Command, database: asyncpg.Connection
) -> None:
    """A relay at work would lose its place: refused in one line, nothing changed."""
    was = await database.fetchval("SELECT id FROM deployment")
    relay = await connect(settings, "couponry-relay-lock")
    assert await relay.fetchval(queries("relay", "services.relay")["take_leadership"], LOCK_KEY)
    result = await couponry("migrate", "--restored")
    await relay.close()
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "stop it first" in result.err
    assert await database.fetchval("SELECT id FROM deployment") == was
