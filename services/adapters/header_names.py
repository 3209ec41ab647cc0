"""Read records whose header names are not UTF-8, which aiokafka cannot.

Kafka stores whatever bytes a producer sends as a header's name. aiokafka decodes names as UTF-8 while it unpacks a
poll, and when that fails the records before the bad one are lost from the poll and the bad one comes again for ever:
one record stops its partition, and records beside it are skipped. So the batch in which it fails is unpacked here,
with what cannot be decoded written as backslash escapes; every other batch is left to aiokafka's own, compiled code.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_LENGTH_OFFSET = 8
_BATCH_OVERHEAD_BYTES = 12
"""Base offset and length stand before the bytes that the length counts."""
_MAGIC_OFFSET = 16
_WITH_HEADERS = 2


def accept_any_header_name() -> None:
    """For every consumer of this process. A test pins that it is still needed, and that it works."""
    fetcher.MemoryRecords = TolerantRecords


class TolerantRecords:
    """aiokafka's reader of a fetch's batches; each batch knows its own bytes."""

    def __init__(self, fetched: bytes) -> None:
        self._fetched = memoryview(fetched)
        self._records = MemoryRecords(fetched)
        self._position = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def next_batch(self) -> Any:
        """The next batch; None after the last."""
        batch = self._records.next_batch()
        if batch is None:
            return None
        begin = self._position
        (length,) = struct.unpack_from(">i", self._fetched, begin + _LENGTH_OFFSET)
        self._position = begin + _BATCH_OVERHEAD_BYTES + length
        if self._fetched[begin + _MAGIC_OFFSET] < _WITH_HEADERS or batch.is_control_batch:
            return batch
        return TolerantBatch(batch, self._fetched[begin : self._position])


class TolerantBatch:
    """A batch that goes on where aiokafka's fails at a header's name."""

    def __init__(self, batch: Any, content: memoryview) -> None:
        self._batch = batch
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._batch:
                read += 1
                yield record
        except UnicodeDecodeError:
            yield from islice(unpacked(self._content), read, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """A record with the attributes that aiokafka's have."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None


def unpacked(content: memoryview) -> Iterator[Unpacked]:
    """The records of one batch of the record format 2, names decoded as far as they can be."""
    batch = _DefaultRecordBatchPy(content)
    # Decompressing and the offset of the first record are its own business; there is no public way to them.
    batch._maybe_uncompress()  # noqa: SLF001 - what its own iterator does, step by step
    cursor = _Cursor(batch._buffer, batch._pos)  # noqa: SLF001 - what its own iterator does, step by step
    for _ in range(batch._num_records):  # noqa: SLF001 - what its own iterator does, step by step
        cursor.varint()  # the record's length
        cursor.varint()  # attributes: one byte, always 0
        delta_ms = cursor.varint()
        offset = batch.base_offset + cursor.varint()
        is_appended = batch.timestamp_type == batch.LOG_APPEND_TIME
        key, value = cursor.bytes_(), cursor.bytes_()
        headers = [
            ((cursor.bytes_() or b"").decode("utf-8", "backslashreplace"), cursor.bytes_())
            for _ in range(cursor.varint())
        ]
        yield Unpacked(
            offset=offset,
            timestamp=batch.max_timestamp if is_appended else batch.first_timestamp + delta_ms,
            timestamp_type=batch.timestamp_type,
            key=key,
            value=value,
            headers=headers,
        )


class _Cursor:
    """Reads the two kinds of fields that a record consists of."""

    def __init__(self, buffer: bytearray, position: int) -> None:
        self._buffer = buffer
        self._position = position

    def varint(self) -> int:
        """A zigzag-encoded integer of seven bits a byte."""
        value = shift = 0
        while True:
            byte = self._buffer[self._position]
            self._position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7

    def bytes_(self) -> bytes | None:
        """Bytes after their length; a negative length is null."""
        length = self.varint()
        if length < 0:
            return None
        begin = self._position
        self._position += length
        return bytes(self._buffer[begin : self._position])
