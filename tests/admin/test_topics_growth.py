"""More partitions for a topic: only when nothing on it is undecided, whatever makes it so."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.topics import GAME_COMPLETED
from services.adapters.kafka import client_options
from services.admin.topics import apply_topics
from services.runtime.settings import Settings
from tests.stand.commands import Command
from tests.stand.feed import feed
from tests.stand.records import poison


async def commit(settings: Settings, offsets: Mapping[TopicPartition, int]) -> None:
    """As if the group had come so far."""
    group = {"group_id": settings.consumer_group, "enable_auto_commit": False}
    async with AIOKafkaConsumer(**client_options(settings), **group) as consumer:
        consumer.assign(list(offsets))
        await consumer.commit(dict(offsets))


async def test_topic_with_undecided_records_gets_no_more_partitions(
    topics: Settings, couponry: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused in one line, the plan too, until the group has come to the end; `up` goes on without."""
    name = topics.topic(GAME_COMPLETED)
    await feed(topics, poison(2), partition=1)
    more = topics.model_copy(update={"topic_partitions": 6})
    assert (await couponry("topics")).code == 0, "nothing is to grow"
    monkeypatch.setenv("COUPONRY_TOPIC_PARTITIONS", "6")
    for arguments in (("topics",), ("topics", "--plan")):
        result = await couponry(*arguments)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert f"topic {name} gets no more partitions while partition 1" in result.err
    others = await apply_topics(more, plan_only=True, insist=False)
    assert others and not any(name in line for line in others)

    await commit(topics, {TopicPartition(name, 1): 2})
    assert f"grow {name} from 4 to 6 partitions" in await apply_topics(more, plan_only=True)


async def test_topic_of_markers_grows_and_one_with_an_open_transaction_does_not(
    topics: Settings,
) -> None:
    """What ends a transaction is no record; what is in one that is open will be."""
    at = TopicPartition(topics.topic(GAME_COMPLETED), 0)
    more = topics.model_copy(update={"topic_partitions": 6})
    grows = f"grow {at.topic} from 4 to 6 partitions"
    async with AIOKafkaProducer(
        **client_options(topics), transactional_id=topics.topic("shop")
    ) as producer:
        async with producer.transaction():
            await producer.send_and_wait(at.topic, b"{}", partition=0)
        await commit(topics, {at: 1})
        assert grows in await apply_topics(more, plan_only=True)
        async with producer.transaction():
            await producer.send_and_wait(at.topic, b"{}", partition=0)
            open_one = await apply_topics(more, plan_only=True, insist=False)
            assert grows not in open_one
