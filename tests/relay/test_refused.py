"""A row that can never be published is set aside and shown; it holds up nobody else."""

from __future__ import annotations

import json

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.topics import COUPON_ISSUED
from services.adapters.kafka import client_options
from services.runtime.settings import Settings
from tests.relay.stand import (
    assert_once_and_in_order,
    ce_id,
    create_topics,
    is_drained,
    published,
    queue,
)
from tests.stand.database import connected
from tests.stand.processes import ServiceProcess, relay
from tests.stand.waiting import eventually

SMALL_LIMIT_BYTES = 20_000
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_row_too_large_for_its_topic_is_set_aside(settings: Settings) -> None:
    """Small rows whose record batch is too large, and one row that is: only that one stays, with the reason."""
    await create_topics(settings, max_message_bytes=str(SMALL_LIMIT_BYTES))
    names = [f"{number:03}" for number in range(60)]
    async with connected(settings) as connection:
        await queue(connection, names[:30], value="x" * 1000)
        await queue(connection, ["giant"], value="x" * 2 * SMALL_LIMIT_BYTES)
        await connection.execute("UPDATE outbox SET traceparent = $1 WHERE ce_id = 'giant'", TRACE)
        await queue(connection, names[30:], value="x" * 1000)
        async with relay(settings) as running:
            await eventually(lambda: is_drained(connection))
            await eventually(lambda: _says(running, "refused 1 rows of the outbox"))
            row = await connection.fetchrow("SELECT ce_id, refused FROM outbox")
            assert row is not None
            assert row["ce_id"] == "giant"
            assert "MESSAGE_SIZE_TOO_LARGE" in row["refused"]
            (said,) = (json.loads(line) for line in running.lines if "is set aside" in line)
            assert (said["level"], said["traceparent"]) == ("error", TRACE)
            assert await running.metric("couponry_outbox_refused_rows") == 1
            await connection.execute("DELETE FROM outbox")
            await eventually(running.is_ready)
    assert_once_and_in_order(await published(settings), names)


async def test_rows_that_cannot_be_sent_at_all_are_set_aside(topics: Settings) -> None:
    """Larger than any topic takes, without type, or naming a dead letter that does not exist."""
    columns = "(ce_time, topic, ce_type, ce_id, key, value)"
    async with connected(topics) as connection:
        await queue(connection, ["giant"], value="x" * 5 * 1024 * 1024)
        await connection.execute(
            f"INSERT INTO outbox {columns} VALUES (now(), $1, NULL, 'typeless', 'key', '{{}}')",
            COUPON_ISSUED,
        )
        await connection.execute("INSERT INTO outbox (topic, dead_letter_id) VALUES ('x', 404)")
        await connection.execute("UPDATE outbox SET topic = 'dead-letters' WHERE topic = 'x'")
        await queue(connection, ["neighbour"])
        async with relay(topics) as running:
            await eventually(lambda: is_drained(connection))
            await eventually(lambda: _says(running, "refused 3 rows"))
        reasons = await connection.fetch("SELECT refused FROM outbox ORDER BY id")
    assert [ce_id(record) for record in await published(topics)] == ["neighbour"]
    for row, word in zip(reasons, ("bytes", "ce_type", "dead letter 404"), strict=True):
        assert word in row["refused"]


async def test_record_that_a_compacted_topic_does_not_take_is_set_aside(settings: Settings) -> None:
    """No key on a compacted topic: Kafka says INVALID_RECORD, which aiokafka does not know."""
    await create_topics(settings, cleanup_policy="compact")
    async with connected(settings) as connection:
        await queue(connection, ["1"])
        await queue(connection, ["keyless"], key=None)
        await queue(connection, ["2"])
        async with relay(settings):
            await eventually(lambda: is_drained(connection))
        reason = await connection.fetchval("SELECT refused FROM outbox")
    assert "INVALID_RECORD" in reason
    assert_once_and_in_order(await published(settings), ["1", "2"])


async def test_rows_of_a_missing_topic_wait_while_others_pass(topics: Settings) -> None:
    """A topic can be created any time, so its rows are not given up: red until then, and then published."""
    async with connected(topics) as connection, relay(topics) as running:
        await eventually(running.leads)
        await queue(connection, ["early"], topic="later")
        await queue(connection, ["other"])
        await connection.execute("NOTIFY couponry_outbox")
        await eventually(lambda: _one_left(connection))
        await eventually(lambda: _says(running, "no topic later"))
        assert [ce_id(record) for record in await published(topics)] == ["other"]
        admin = AIOKafkaAdminClient(**client_options(topics))
        await admin.start()
        await admin.create_topics([NewTopic(topics.topic("later"), 2, 1)])
        await admin.close()
        await eventually(lambda: is_drained(connection))
        await eventually(running.is_ready)
    assert [ce_id(record) for record in await published(topics, "later")] == ["early"]


async def _says(running: ServiceProcess, words: str) -> bool:
    assert not any((await running.checks()).values())
    return words in "".join((await running.warnings()).values())


async def _one_left(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval("SELECT count(*) FROM outbox") == 1)
