"""What the topics still have of a partner's events, put aside in files, not in memory.

Whoever reads fills a spool of its own; whoever decides opens them all. By place: a decision names the record it was
made of. Of a million records the index is 16 MB.
"""

from __future__ import annotations

import marshal
import os
import re
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from aiokafka import ConsumerRecord

_RECORDS, _INDEX = ".records", ".index"
_LENGTH = 4
_AT_ONCE = 2_048
"""Bytes that are read of a record before its length is known: most are shorter."""

Place = tuple[str, int]
"""Topic and partition."""


class Columns(NamedTuple):
    """A partition's records: offsets in ascending order, and where each begins in the file."""

    offsets: array[int]
    starts: array[int]


class Spool:
    """Owns the file that it fills. Offsets of a partition come in ascending order, all into one spool."""

    def __init__(self, directory: Path, number: int, partner_id: int) -> None:
        self._index = directory / f"{number}{_INDEX}"
        self._file = (directory / f"{number}{_RECORDS}").open("wb")
        self._end = 0
        self._places: dict[Place, Columns] = {}
        # A value that hides the id, as base64 does, is kept: who reads it will see.
        self._is_theirs = re.compile(
            rb'"partner_id"\s*:\s*%d(?![0-9])|"data_base64"|\\u' % partner_id
        ).search

    def put(self, record: ConsumerRecord) -> None:
        """Keep it, unless it is plainly another partner's."""
        if record.value is None or self._is_theirs(record.value) is None:
            return
        kept = marshal.dumps((record.timestamp, list(map(tuple, record.headers)), record.value))
        columns = self._places.get((record.topic, record.partition))
        if columns is None:
            columns = Columns(array("q"), array("q"))
            self._places[record.topic, record.partition] = columns
        columns.offsets.append(record.offset)
        columns.starts.append(self._end)
        self._file.write(len(kept).to_bytes(_LENGTH, "big") + kept)
        self._end += _LENGTH + len(kept)

    def close(self) -> None:
        """All that was put can be read now."""
        self._file.close()
        index = {
            place: (columns.offsets.tobytes(), columns.starts.tobytes())
            for place, columns in self._places.items()
        }
        self._index.write_bytes(marshal.dumps(index))


class Spools:
    """All spools of a directory, to be read. Owns their open files."""

    def __init__(self, directory: Path) -> None:
        self._files: list[int] = []
        self._places: dict[Place, tuple[int, Columns]] = {}
        for path in sorted(directory.glob(f"*{_INDEX}")):
            file = os.open(path.with_suffix(_RECORDS), os.O_RDONLY)
            self._files.append(file)
            for place, columns in _columns(path).items():
                self._places[place] = file, columns

    def record_at(self, topic: str, partition: int, offset: int) -> ConsumerRecord | None:
        """The record that was read there, None if the topic has it no more."""
        found = self._places.get((topic, partition))
        if found is None:
            return None
        file, (offsets, starts) = found
        number = bisect_left(offsets, offset)
        if number == len(offsets) or offsets[number] != offset:
            return None
        timestamp, headers, value = marshal.loads(_read(file, starts[number]))  # noqa: S302 - written above
        return ConsumerRecord(
            topic, partition, offset, timestamp, 1, None, value, None, 0, len(value), headers
        )

    def close(self) -> None:
        """Nothing is read any more."""
        for file in self._files:
            os.close(file)


def _columns(index: Path) -> Mapping[Place, Columns]:
    found = {}
    for place, (offsets, starts) in marshal.loads(index.read_bytes()).items():  # noqa: S302 - written above
        found[place] = Columns(array("q", offsets), array("q", starts))
    return found


def _read(file: int, start: int) -> bytes:
    some = os.pread(file, _AT_ONCE, start)
    length = int.from_bytes(some[:_LENGTH], "big")
    if length > len(some) - _LENGTH:
        return os.pread(file, length, start + _LENGTH)
    return some[_LENGTH : _LENGTH + length]
