"""Read whatever stands in a topic, one record after the other: nothing that a producer sends may stop a partition.

aiokafka unpacks a batch whole, however much comes out; it raises when one does not unpack, is damaged, or has a
header's name that is not UTF-8, and then the same batch comes again for ever, while records of other partitions that
were read in the same poll are lost. So here a batch is unpacked within a bound (`unpacking`), names are read as far as
they can be (`header_names`), and where the bytes of records cannot be had, a record stands for each of them that says
why: without key and value, with the header UNREAD. It becomes a dead letter, and reading goes on behind it.

Batches of the formats before 2, which no broker writes any more, are left to aiokafka.
"""

from __future__ import annotations

import logging
import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

from services.fetching.header_names import Unpacked, records_of
from services.fetching.unpacking import Unreadable, unpacked

UNREAD: Final = "__couponry.unread"
"""The header of a record that stands for one whose bytes cannot be had; it says why."""
MOST_RECORDS: Final = 1_000
"""A batch whose bytes cannot be had may claim two thousand million records: from so many on, one stands for all."""
DAMAGED_TRIES: Final = 3
"""So often is a batch fetched that does not match its checksum: damage on the way is gone the next time."""
_MOST_REMEMBERED: Final = 1_000

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_LENGTH_OFFSET: Final = 8
_BATCH_OVERHEAD_BYTES: Final = 12
"""Base offset and length stand before the bytes that the length counts."""
_MAGIC_OFFSET: Final = 16
_ATTRIBUTES_OFFSET: Final = 21
_CODEC_MASK: Final = 0x07
_WITH_HEADERS: Final = 2

log = logging.getLogger(__name__)

_damaged: Counter[tuple[Any, int, int]] = Counter()
"""How often a batch came damaged: by partition, first offset and checksum."""


class FetchAgain(Exception):
    """Nothing of this batch and behind it is to be had now: let go of the fetch, and ask again from the same place."""


def accept_any_batch() -> None:
    """For every consumer of this process. Tests pin that it is still needed, and that it works."""
    fetcher.MemoryRecords = TolerantRecords
    fetcher.PartitionRecords = TolerantPartitionRecords


class TolerantPartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka is untyped
    """aiokafka's way through a fetch, which can end without having come to its end."""

    _records_iterator: Any

    def __init__(self, tp: Any, records: Any, aborted: Any, fetch_offset: int, *more: Any) -> None:
        super().__init__(tp, records, aborted, fetch_offset, *more)
        if isinstance(records, TolerantRecords):
            records.partition, records.fetched_from = tp, fetch_offset

    def __next__(self) -> Any:
        # As aiokafka has it: asking it for each record costs a tenth of reading one.
        try:
            return next(self._records_iterator)
        except StopIteration:
            self._records_iterator = None
            raise
        except FetchAgain:
            self._records_iterator = None
            raise StopIteration from None


class TolerantRecords:
    """aiokafka's reader of a fetch's batches; each batch knows its own bytes."""

    def __init__(self, fetched: bytes) -> None:
        self.partition: Any = None
        self.fetched_from = 0
        self.is_over = False
        """Behind a damaged batch nothing of a fetch is to be believed, beginning with where the next batch is."""
        self._fetched = memoryview(fetched)
        self._records = MemoryRecords(fetched)
        self._position = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    @property
    def place(self) -> str:
        """Of which partition, in words."""
        at = self.partition
        return "a batch" if at is None else f"{at.topic}:{at.partition}"

    def has_next(self) -> bool:
        """Whether there is one more batch."""
        return not self.is_over and bool(self._records.has_next())

    def next_batch(self) -> Any:
        """The next batch; None after the last."""
        batch = self._records.next_batch()
        if batch is None:
            return None
        begin = self._position
        (length,) = struct.unpack_from(">i", self._fetched, begin + _LENGTH_OFFSET)
        self._position = begin + _BATCH_OVERHEAD_BYTES + length
        if self._fetched[begin + _MAGIC_OFFSET] < _WITH_HEADERS:
            return batch
        return TolerantBatch(batch, self._fetched[begin : self._position], self)


class _Claims(NamedTuple):
    """What the header of a batch says of it, as far as it is asked."""

    base_offset: int
    last_offset: int
    records: int
    max_timestamp: int
    checksum: int

    @classmethod
    def of(cls, content: memoryview) -> _Claims:
        base, _, _, _, checksum, _, delta, _, latest, _, _, _, records = _HEADER.unpack_from(content)  # fmt: skip
        return cls(base, base + delta, records, latest, checksum)

    @property
    def are_whole(self) -> bool:
        """Every offset has its record: nothing was taken out since, and the header is not damaged itself."""
        return self.records == self.last_offset - self.base_offset + 1 > 0


class TolerantBatch:
    """A batch of which every record comes, or something in its place."""

    def __init__(self, batch: Any, content: memoryview, records: TolerantRecords) -> None:
        self._batch = batch
        self._content = content
        self._of = records
        self._damage: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    @property
    def is_control_batch(self) -> bool:
        """Whether it is a transaction's marker, of which nothing comes: not if that cannot be believed."""
        return self._damage is None and bool(self._batch.is_control_batch)

    def __next__(self) -> Any:
        """The marker itself, which aiokafka looks at."""
        return next(self._batch)

    @property
    def next_offset(self) -> int:
        """Where reading goes on behind it."""
        behind: int = self._batch.next_offset
        return behind if self._damage is None else self._last_damaged() + 1

    def validate_crc(self) -> bool:
        """True. Raises FetchAgain for a damaged one, until it has come so often that it will not become whole."""
        if self._batch.validate_crc():
            return True
        claims = _Claims.of(self._content)
        key = self._of.partition, claims.base_offset, claims.checksum
        if len(_damaged) >= _MOST_REMEMBERED:
            _damaged.clear()
        _damaged[key] += 1
        if _damaged[key] < DAMAGED_TRIES:
            log.warning(
                "%s: the batch at %d is damaged, fetching it again",
                self._of.place,
                claims.base_offset,
            )
            raise FetchAgain
        self._damage, self._of.is_over = "does not match its checksum: it is damaged", True
        return True

    def __iter__(self) -> Iterator[Any]:
        last, why = None, self._damage
        if why is None:
            try:
                batch, content = self._unpacked()
                try:
                    for last in batch:  # nothing else, it is done for every record
                        yield last
                except UnicodeDecodeError:
                    for record in _behind(last, records_of(content)):
                        yield (last := record)
                return
            except MemoryError:
                raise FetchAgain from None  # ours, not the batch's
            except Unreadable as error:
                why = str(error)
            except Exception as error:  # whatever it is, it comes again with the same bytes
                why = f"cannot be read ({type(error).__name__}: {error})"
        reached = self._batch.base_offset if last is None else last.offset + 1
        yield from self._in_their_place(reached, why)

    def _unpacked(self) -> tuple[Any, memoryview]:
        """The batch as aiokafka reads it, and its bytes, with its records as they are. Raises Unreadable."""
        codec = self._content[_ATTRIBUTES_OFFSET + 1] & _CODEC_MASK
        if not codec:
            return self._batch, self._content
        head = bytearray(self._content[: _HEADER.size])
        head[_ATTRIBUTES_OFFSET + 1] &= ~_CODEC_MASK
        content = unpacked(codec, self._content[_HEADER.size :], bytes(head))
        return DefaultRecordBatch(content), content

    def _in_their_place(self, reached: int, why: str) -> Iterator[Unpacked]:
        """A record for each that is left, or one for all of them."""
        claims = _Claims.of(self._content)
        last = claims.last_offset if self._damage is None else self._last_damaged()
        said = (
            f"value: not read, the batch it came in (offsets {claims.base_offset} to {last}) {why}; "
            "have its producer send smaller batches, and these events again"
        )
        offsets = range(reached, last + 1)
        if len(offsets) > MOST_RECORDS or not claims.are_whole:
            # The last, so that reading goes on behind all of them, also after a restart.
            said = f"{len(offsets)} records from offset {reached} on, of which this is the last: {said}"
            offsets = range(last, last + 1)
        log.error("%s: %s", self._of.place, said)
        # What lies before the place that was asked for has come already.
        for offset in offsets[max(0, self._of.fetched_from - offsets.start) :]:
            yield Unpacked(
                offset=offset,
                timestamp=claims.max_timestamp,
                timestamp_type=self._batch.timestamp_type,
                key=None,
                value=None,
                headers=[(UNREAD, said.encode())],
            )

    def _last_damaged(self) -> int:
        """The broker goes by the same header, so it is believed where it agrees with itself; else by small steps."""
        claims = _Claims.of(self._content)
        if claims.are_whole:
            return claims.last_offset
        least = min(claims.last_offset, claims.base_offset + claims.records - 1)
        return max(least, claims.base_offset, self._of.fetched_from)


def _behind(last: Any, records: Iterator[Unpacked]) -> Iterator[Unpacked]:
    return (record for record in records if last is None or record.offset > last.offset)
