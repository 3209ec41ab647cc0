"""A topic as the broker keeps it, and consumers as the group coordinates them, in memory."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import ConsumerRecord

from schemas import topics

PARTITIONS = 3
FOLLOW_UPS = PARTITIONS
"""The partition that stands for the topic which we write ourselves."""
ALL = range(PARTITIONS + 1)


@dataclass(slots=True)
class Log:
    """Records by partition. A producer that retries appends the same event again, perhaps to another partition."""

    partitions: list[list[ConsumerRecord]] = field(default_factory=lambda: [[] for _ in ALL])
    appended: int = 0

    def append(
        self,
        partition: int,
        event_type: str,
        event_id: str,
        at: str,
        data: dict[str, Any] | None,
        source: str = "/simulation",
    ) -> None:
        """Data None: a record that cannot be read."""
        headers = tuple(
            (f"ce_{name}", text.encode())
            for name, text in (
                ("specversion", "1.0"), ("id", event_id), ("source", source),
                ("type", event_type), ("time", at),
            )
        )  # fmt: skip
        records = self.partitions[partition]
        value = b"{" if data is None else json.dumps(data).encode()
        self.appended += 1
        topic = topics.FOLLOW_UPS if partition == FOLLOW_UPS else "simulated"
        records.append(
            ConsumerRecord(
                topic, partition, len(records), self.appended, 1, None, value, None, 0,
                len(value), headers,
            )
        )  # fmt: skip


@dataclass(slots=True)
class Consumer:
    """One member of the group: what it owns, and how far it has read beyond what is committed."""

    owned: list[int] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    """Committed offsets and members. A rebalance hands partitions out anew, each from its committed offset."""

    log: Log
    committed: list[int] = field(default_factory=lambda: [0 for _ in ALL])
    members: list[Consumer] = field(default_factory=lambda: [Consumer(), Consumer()])

    def rebalance(self, chance: random.Random) -> None:
        """Who owned a partition may still be working on it: nobody tells it to stop."""
        for member in self.members:
            member.owned, member.positions = [], {}
        for partition in ALL:
            owner = chance.choice(self.members)
            owner.owned.append(partition)
            owner.positions[partition] = self.committed[partition]

    def poll(self, member: Consumer, most: int) -> Sequence[ConsumerRecord]:
        """The next records of the member's partitions; reading moves its position."""
        polled: list[ConsumerRecord] = []
        for partition in member.owned:
            start = member.positions[partition]
            batch = self.log.partitions[partition][start : start + most]
            member.positions[partition] = start + len(batch)
            polled += batch
        return polled

    def commit(self, records: Sequence[ConsumerRecord]) -> None:
        """A late commit of somebody who lost the partition may set the group back, as on a real broker."""
        for record in records:
            self.committed[record.partition] = record.offset + 1

    def restart(self, member: Consumer) -> None:
        """A member that died begins again where the group stands."""
        for partition in member.owned:
            member.positions[partition] = self.committed[partition]

    @property
    def is_done(self) -> bool:
        return self.committed == [len(records) for records in self.log.partitions]
