"""What one poll has brought: its records, and which offsets of which partitions they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence

from aiokafka import ConsumerRecord, TopicPartition


class Poll:
    """Looked through once, since everybody asks it the same: who lets it through, who notes and who commits it.

    `spans`: by partition the offsets from its first record to its last, whether or not there is a record at each.
    """

    def __init__(self, records: Sequence[ConsumerRecord]) -> None:
        self.records = records
        offsets: dict[tuple[str, int], list[int]] = defaultdict(list)
        for record in records:
            offsets[record.topic, record.partition].append(record.offset)
        self.spans = {
            TopicPartition(*at): range(min(some), max(some) + 1) for at, some in offsets.items()
        }

    def without(self, partitions: Container[tuple[str, int]]) -> Poll:
        """The same but for the records of these partitions."""
        return Poll([r for r in self.records if (r.topic, r.partition) not in partitions])
