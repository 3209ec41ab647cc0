"""Partitions whose records are gone, as after their retention or when somebody deletes them."""

from __future__ import annotations

from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from services.adapters.kafka import admin_client
from services.adapters.records import bounds_of, side_reader
from services.runtime.settings import Settings


async def drain(settings: Settings, topic: str, *partitions: int) -> None:
    """Delete what these partitions hold now."""
    places = [TopicPartition(settings.topic(topic), number) for number in partitions]
    async with side_reader(settings) as reader:
        bounds = await bounds_of(reader, places)
    async with admin_client(settings) as admin:
        await admin.delete_records(
            {place: RecordsToDelete(before_offset=bounds[place].end) for place in places}
        )
