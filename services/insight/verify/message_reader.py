"""A topic of ours read from the side, message by message, into a table of the session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import md5
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.adapters.records import Bounds, read_parts
from services.insight.verify.scan import SQL, Scan
from services.relay.packing import REPUBLISHED

CLOCKS_DIFFER = timedelta(hours=1)
"""Between Postgres' clock and Kafka's, when the oldest record kept is compared with rows."""

ALWAYS, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class MessageReader:
    """Reads on from where it stopped, and takes what it reads off the messages not seen yet."""

    def __init__(
        self, scan: Scan, consumer: AIOKafkaConsumer, bounds: Mapping[TopicPartition, Bounds]
    ) -> None:
        self._scan = scan
        self._consumer = consumer
        self._bounds = bounds
        self._positions = {partition: kept.first for partition, kept in bounds.items()}
        self._oldest: dict[TopicPartition, datetime] = {}

    async def read_to(self, ends: Mapping[TopicPartition, int]) -> None:
        """Up to these offsets."""
        async for records in read_parts(self._consumer, self._positions, ends):
            await self._take(records)
        self._positions = {
            partition: max(end, self._positions[partition]) for partition, end in ends.items()
        }

    def known_from(self) -> dict[TopicPartition, datetime]:
        """Rows of after this must have their message in the partition of their key, by what was read so far.

        Where something was taken out of any partition, an old message may have been in another one than its key leads
        to now, since topics grow: so each is asked for no more than its own oldest record tells of.
        """
        if not any(kept.first for kept in self._bounds.values()):
            return dict.fromkeys(self._bounds, ALWAYS)
        known = {}
        for partition, kept in self._bounds.items():
            oldest = self._oldest.get(partition)
            if oldest is None:
                known[partition] = NEVER
            else:
                known[partition] = oldest + (CLOCKS_DIFFER if kept.first else -CLOCKS_DIFFER)
        return known

    async def _take(self, records: Sequence[ConsumerRecord]) -> None:
        rows = []
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            if partition not in self._oldest:
                self._oldest[partition] = appended_at(record)
            headers = dict(record.headers)
            if (ce_id := headers.get("ce_id")) is not None:
                rows.append((digest(ce_id), REPUBLISHED[0] in headers))
        await self._scan.connection.copy_records_to_table(
            "verify_published", columns=("message", "republished"), records=rows
        )
        await self._scan.connection.execute(SQL["seen"], [message for message, _ in rows])
        self._scan.looked_at(len(records), "I3")


def appended_at(record: ConsumerRecord) -> datetime:
    """By the broker's clock."""
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)


def digest(ce_id: bytes) -> UUID:
    """What a message is known by, here and in SQL."""
    return UUID(bytes=md5(ce_id, usedforsecurity=False).digest())
