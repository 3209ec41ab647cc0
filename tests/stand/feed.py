"""The other end of the topic: put records in, and look at what the consumer group has finished with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.protocol.group import LeaveGroupRequest

from schemas.topics import GAME_COMPLETED
from services.adapters.kafka import admin_client, client_options
from services.adapters.records import group_offsets, learn_of, side_reader
from services.runtime.settings import Settings
from tests.stand.waiting import eventually


async def feed(
    settings: Settings,
    records: Iterable[ConsumerRecord],
    partition: int | None = None,
    topic: str = GAME_COMPLETED,
) -> None:
    """Send the content of these records, each customer's in order; returns when the broker has them."""
    async with AIOKafkaProducer(**client_options(settings), linger_ms=5) as producer:
        name = settings.topic(topic)
        sent = [
            await producer.send(
                name, record.value, record.key, partition=partition, headers=list(record.headers)
            )
            for record in records
        ]
        for acknowledgement in sent:
            await acknowledgement


@asynccontextmanager
async def reader_of(
    settings: Settings, *topics: str
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    """A reader of committed records that knows these topics (without prefix), and every partition of theirs."""
    names = [settings.topic(topic) for topic in topics]
    async with side_reader(settings) as reader:
        await learn_of(reader, names)
        yield (
            reader,
            [
                TopicPartition(name, number)
                for name in names
                for number in sorted(reader.partitions_for_topic(name) or ())
            ],
        )


async def ends(settings: Settings, topic: str = GAME_COMPLETED) -> dict[TopicPartition, int]:
    """The end of every partition of the incoming topic."""
    async with reader_of(settings, topic) as (reader, places):
        found: dict[TopicPartition, int] = await reader.end_offsets(places)
        return found


async def has_committed(
    settings: Settings, reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> bool:
    """Has the group committed every record before these ends? What is left may be markers, which nobody is given."""
    committed = await group_offsets(settings, settings.consumer_group)
    left = {at: committed.get(at, 0) for at, end in ends.items() if committed.get(at, 0) < end}
    if not left:
        return True
    reader.assign(list(left))
    for at, position in left.items():
        reader.seek(at, position)
    if any((await reader.getmany(timeout_ms=50, max_records=1)).values()):
        return False
    return all([await reader.position(at) >= ends[at] for at in left])


async def finished(
    settings: Settings, why: str = "every record is committed", topic: str = GAME_COMPLETED
) -> None:
    """Wait until the group has committed everything that is in the topic now."""
    wanted = {place: end for place, end in (await ends(settings, topic)).items() if end}

    async def committed() -> bool:
        offsets = await group_offsets(settings, settings.consumer_group)
        assert all(offsets.get(place, 0) <= end for place, end in wanted.items())
        return all(offsets.get(place, 0) == end for place, end in wanted.items())

    await eventually(committed, why, seconds=60)


async def members(settings: Settings) -> dict[str, bool]:
    """The group's members and whether each owns anything; empty while it rebalances."""
    async with admin_client(settings) as client:
        (response,) = await client.describe_consumer_groups([settings.consumer_group])
        (_, _, state, _, _, some, *_), *_ = response.groups
        return {member[0]: bool(member[4]) for member in some} if state == "Stable" else {}


async def forget_dead_members(settings: Settings) -> None:
    """What the session timeout does for processes that were killed, without the wait."""
    async with admin_client(settings) as client:
        group = settings.consumer_group
        (response,) = await client.describe_consumer_groups([group])
        coordinator = await client.find_coordinator(group)
        for member in response.groups[0][5]:
            await client._send_request(LeaveGroupRequest(group, member[0]), coordinator)
