"""A topic that is only put into the registry is created, read, published to, shown and accounted for."""

from __future__ import annotations

import asyncpg
import pytest
from aiokafka import TopicPartition

from schemas.topics import Direction
from services.adapters.kafka import require_topics
from services.relay.publisher import open_publisher
from services.runtime.settings import Settings
from tests.stand.commands import Command
from tests.stand.issuing import count
from tests.stand.planting import PLANTED, plant, planted
from tests.stand.world import at_work, commit, completed, send, until_settled


async def test_planted_incoming_topic_is_read_and_accounted_for(
    topics: Settings,
    database: asyncpg.Connection,
    couponry: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`topics` creates it, `status` shows it, `verify` misses what was passed over, the issuer decides what comes."""
    plant(monkeypatch, planted(Direction.INCOMING))
    name = topics.topic(PLANTED)
    created = [f"create {name} with 3 partitions"]
    assert (await couponry("topics", "--plan", "--json")).json() == {"missing": created}
    assert (await couponry("topics", "--json")).json() == {"applied": created}

    await send(topics, [completed("passed-over", "ona", 1, 1)], PLANTED)
    lag = (await couponry("status", "--json")).json()["lag"]
    (place,) = [part for part in lag if part["topic"] == name and part["lag"]]
    await commit(topics, {TopicPartition(name, place["partition"]): 1})
    verified = await couponry("verify", "--json")
    assert verified.code == 1
    assert f"record {name}:{place['partition']}:0 is neither decided" in verified.out
    told = (await couponry("replay", "--topic", "nothing", "--dry-run")).err
    assert f"use game-completed or orders or customers or follow-ups or {PLANTED}" in told

    await send(topics, [completed("read", "ona", 1, 1)], PLANTED)
    async with at_work(topics):
        await until_settled(topics)
    assert (
        await database.fetchval("SELECT event_id FROM decisions WHERE topic = $1", name) == "read"
    )
    assert await count(database, "decisions") == 1


async def test_planted_outgoing_topic_is_published_to(
    topics: Settings, couponry: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay asks for it before it starts, and knows its partitions then."""
    plant(monkeypatch, planted(Direction.OUTGOING))
    assert (await couponry("topics", "--json")).code == 0
    await require_topics(topics, [PLANTED])
    async with open_publisher(topics) as publisher:
        assert publisher._partitions[PLANTED] == 3
