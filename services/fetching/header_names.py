"""Records whose header names are not UTF-8, which aiokafka cannot read.

Kafka stores whatever bytes a producer sends as a header's name. aiokafka decodes names as UTF-8 while it unpacks a
poll, and fails. So the batch in which it fails is read here, with what cannot be decoded written as backslash escapes;
every other batch is left to aiokafka's own, compiled code (see `batches`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aiokafka.record.default_records import _DefaultRecordBatchPy


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


def records_of(content: memoryview) -> Iterator[Unpacked]:
    """The records of one batch of the record format 2, not packed, names decoded as far as they can be."""
    batch = _DefaultRecordBatchPy(content)
    # The offset of the first record is its own business; there is no public way to it.
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
