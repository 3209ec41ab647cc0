"""What the topics still have of a partner's events, put aside in a file without a name, not in memory.

By place: a decision names the record it was made of. Of a million records the index is 24 MB.
"""

from __future__ import annotations

import marshal
import re
from array import array
from bisect import bisect_left
from tempfile import TemporaryFile
from typing import Any

from aiokafka import ConsumerRecord

from schemas.topics import CUSTOMERS, GAME_COMPLETED, ORDERS
from services.adapters.records import bounds_of, partitions_of, read_parts, side_reader
from services.runtime.settings import Settings
from services.terminal.addresses import reaching_kafka
from services.terminal.output import progress
from services.terminal.pace import PROGRESS_SECONDS, Tick

TOPICS = (GAME_COMPLETED, ORDERS, CUSTOMERS)
"""What we tell ourselves is not read: the world tells it anew."""
_LENGTH = 4


class Spool:
    """Records by place. Owns the file; offsets of a partition come in ascending order."""

    def __init__(self, partner_id: int) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - lives as long as the spool
        self._end = 0
        self._places: dict[tuple[str, int], tuple[array[int], array[int]]] = {}
        # A value that hides the id, as base64 does, is kept: who reads it will see.
        self._is_theirs = re.compile(
            rb'"partner_id"\s*:\s*%d(?![0-9])|"data_base64"|\\u' % partner_id
        ).search

    def put(self, record: ConsumerRecord) -> None:
        """Keep it, unless it is plainly another partner's."""
        if record.value is None or self._is_theirs(record.value) is None:
            return
        kept = marshal.dumps((record.timestamp, list(map(tuple, record.headers)), record.value))
        offsets, starts = self._places.setdefault(
            (record.topic, record.partition), (array("q"), array("q"))
        )
        offsets.append(record.offset)
        starts.append(self._end)
        self._file.write(len(kept).to_bytes(_LENGTH, "big"))
        self._file.write(kept)
        self._end += _LENGTH + len(kept)

    def record_at(self, topic: str, partition: int, offset: int) -> ConsumerRecord | None:
        """The record that was read there, None if the topic has it no more."""
        number = self._number(topic, partition, offset)
        if number is None:
            return None
        self._file.seek(self._places[topic, partition][1][number])
        length = int.from_bytes(self._file.read(_LENGTH), "big")
        timestamp, headers, value = marshal.loads(self._file.read(length))  # noqa: S302 - written above
        return _record(topic, partition, offset, timestamp, headers, value)

    def _number(self, topic: str, partition: int, offset: int) -> int | None:
        offsets, _ = self._places.get((topic, partition), ((), ()))
        number = bisect_left(offsets, offset)
        return number if number < len(offsets) and offsets[number] == offset else None

    def close(self) -> None:
        """The file is gone."""
        self._file.close()


def _record(
    topic: str, partition: int, offset: int, timestamp: int, headers: Any, value: bytes
) -> ConsumerRecord:
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=timestamp,
        timestamp_type=1,
        key=None,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=len(value),
        headers=headers,
    )


async def read_events(settings: Settings, spool: Spool) -> None:
    """What the topics have now. Raises CommandError."""
    telling, read = Tick(PROGRESS_SECONDS), 0
    with reaching_kafka(settings):
        partitions = await partitions_of(settings, {settings.topic(name) for name in TOPICS})
        async with side_reader(settings) as consumer:
            bounds = await bounds_of(consumer, partitions)
            starts = {partition: kept.first for partition, kept in bounds.items()}
            ends = {partition: kept.end for partition, kept in bounds.items()}
            async for records in read_parts(consumer, starts, ends):
                for record in records:
                    spool.put(record)
                read += len(records)
                if telling.is_due():
                    progress(f"what-if: {read:,} records read")
