"""How far back each partition of an outgoing topic goes, and what of a customer is too old to be looked for there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiokafka import ConsumerRecord, TopicPartition

from services.adapters.records import Bounds
from services.relay.partitions import partition_of

CLOCKS_DIFFER = timedelta(hours=1)
"""Between Postgres' clock and Kafka's, when the oldest record kept is compared with what is stored."""

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Retained:
    """Of one topic. A partition that begins above offset 0 was shortened, by its retention or by somebody.

    `clock_offset` is the test clock's, which is ahead of what Kafka stamps.
    """

    bounds: Mapping[TopicPartition, Bounds]
    clock_offset: timedelta
    _oldest: dict[TopicPartition, datetime] = field(default_factory=dict)

    def note(self, records: Sequence[ConsumerRecord]) -> None:
        """What was read, in the order of each partition."""
        if len(self._oldest) < len(self.bounds):
            for record in records:
                partition = TopicPartition(record.topic, record.partition)
                if partition not in self._oldest:
                    self._oldest[partition] = datetime.fromtimestamp(record.timestamp / 1000, UTC)

    @property
    def earliest(self) -> datetime | None:
        """What happened until then is kept by no partition; None: every one keeps all there ever was."""
        if not any(kept.first > 0 for kept in self.bounds.values()):
            return None
        return min(map(self._since, self.bounds))

    def is_before(self, partition: TopicPartition | None, at: datetime) -> bool:
        """Whether what happened then may have gone from there; None: nobody knows from where."""
        since = max(map(self._since, self.bounds)) if partition is None else self._since(partition)
        return at <= since

    def partition_of(self, customer_id: str | None) -> TopicPartition | None:
        """Where the relay puts what is told of a customer."""
        if customer_id is None:
            return None
        return TopicPartition(self._topic, partition_of(customer_id.encode(), len(self.bounds)))

    def sentences(self, older: int, excused: Mapping[TopicPartition, int]) -> list[str]:
        """What could not be looked for: `older` than all that is kept, and by partition."""
        told = []
        if older:
            shortened = sorted(at.partition for at, kept in self.bounds.items() if kept.first > 0)
            told.append(
                f"{self._topic} keeps nothing so old, its beginning is gone from partitions "
                f"{', '.join(map(str, shortened))}: {older:,} messages were not looked for"
            )
        for partition, number in sorted(excused.items()):
            oldest = self._oldest.get(partition)
            before = "" if oldest is None else f" from before {oldest:%Y-%m-%dT%H:%M:%SZ}"
            told.append(
                f"{partition.topic}:{partition.partition} keeps nothing{before}: "
                f"{number:,} messages that belong there were not looked for"
            )
        return told

    @property
    def _topic(self) -> str:
        topic: str = next(iter(self.bounds)).topic
        return topic

    def _since(self, partition: TopicPartition) -> datetime:
        """What happened until then may have gone from this partition, or was never meant for it.

        One that was not shortened begins where its topic does, or where somebody gave the topic more partitions:
        what is older than its first record may have been published to another one.
        """
        oldest = self._oldest.get(partition)
        if oldest is None:
            return _NEVER
        if self.bounds[partition].first > 0:
            return oldest + CLOCKS_DIFFER + max(self.clock_offset, timedelta())
        return oldest - CLOCKS_DIFFER
