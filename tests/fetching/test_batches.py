"""Whatever a fetch holds, every record of it comes, or something in its place, and reading goes on behind it."""

from __future__ import annotations

from itertools import chain
from typing import Any

import cramjam
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.memory_records import MemoryRecords

from services.adapters import kafka
from services.fetching import batches, unpacking
from services.fetching.batches import DAMAGED_TRIES, MOST_RECORDS, UNREAD, TolerantRecords
from services.fetching.unpacking import GZIP, ZSTD
from tests.stand.batches import CODECS, TIMESTAMP_MS, batch, packed, record, zeros

PLACE = TopicPartition("orders", 3)
STOPS = (CorruptRecordException, UnsupportedCodecError, cramjam.DecompressionError, EOFError)
"""What aiokafka raises of such a batch, each time it comes."""
VALUES = [b"a", b"b" * 100_000, b"c"]


def good(codec: int = 0, base: int = 0, values: list[bytes] = VALUES) -> bytes:
    """A batch that nothing is wrong with."""
    body = packed(codec, [b"".join(record(delta, value) for delta, value in enumerate(values))])
    return batch(codec, body, len(values), base=base)


def damaged(content: bytes, at: int = -1) -> bytes:
    """One bit of it is another."""
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)


def fetch(*contents: bytes, position: int = 0, reader: Any = TolerantRecords) -> Any:
    """The records of a response as the consumer goes through them."""
    assert kafka  # whoever connects has this
    arguments: Any = ([], position, None, None, True, fetcher.READ_COMMITTED)
    return fetcher.PartitionRecords(PLACE, reader(b"".join(contents)), *arguments)


def offsets(records: list[ConsumerRecord]) -> list[int]:
    return [one.offset for one in records]


def why(one: ConsumerRecord) -> str:
    """What stands in the place of a record: nothing but the reason."""
    assert (one.key, one.value, one.timestamp) == (None, None, TIMESTAMP_MS)
    ((name, said),) = one.headers
    assert name == UNREAD
    return str(said, "utf-8")


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_records_come_as_they_are(codec: int) -> None:
    """In every codec, from any position, also with a header's name that is not UTF-8."""
    found = [*fetch(good(codec), good(codec, 3))]
    assert [one.value for one in found] == VALUES * 2
    assert offsets(found) == [*range(6)]
    assert offsets([*fetch(good(codec), position=2)]) == [2]
    odd = record(0, b"x", [(b"\xff", b"v")])
    (one,) = fetch(batch(codec, packed(codec, [odd]), 1))
    assert (one.value, one.headers) == (b"x", (("\\xff", b"v"),))


@pytest.mark.parametrize("codec", [GZIP, ZSTD])
def test_batch_that_unpacks_to_too_much_is_passed_by(
    monkeypatch: pytest.MonkeyPatch, codec: int
) -> None:
    """One for each of its records, between those before and behind it."""
    monkeypatch.setattr(unpacking, "LARGEST_BYTES", 1024 * 1024)
    bomb = batch(codec, packed(codec, zeros(4, 512 * 1024)), 4, base=3)
    reading = fetch(good(), bomb, good(base=7))
    found = [*reading]
    assert offsets(found) == [*range(10)]
    assert reading.next_fetch_offset == 10
    for one in found[3:7]:
        assert "offsets 3 to 6) unpacks to more than 1 MiB" in why(one)
    assert offsets([*fetch(bomb, position=5)]) == [5, 6]


@pytest.mark.parametrize("position", [0, MOST_RECORDS - 1, MOST_RECORDS])
def test_batch_of_too_many_records_has_one_for_all(
    monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    """The last, wherever reading begins: a header may claim two thousand million."""
    monkeypatch.setattr(unpacking, "LARGEST_BYTES", 1024)
    for records in (MOST_RECORDS + 1, 2**31 - 1):
        bomb = batch(GZIP, packed(GZIP, [bytes(100_000)]), records)
        reading = fetch(bomb, position=position)
        (one,) = reading
        assert (one.offset, reading.next_fetch_offset) == (records - 1, records)
        assert f"{records} records from offset 0 on, of which this is the last" in why(one)


def test_batch_with_gaps_has_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compaction took records out, and nobody knows which."""
    monkeypatch.setattr(unpacking, "LARGEST_BYTES", 1024)
    bomb = batch(GZIP, packed(GZIP, [bytes(100_000)]), 2, base=5, last=9)
    reading = fetch(bomb, position=5)
    assert (offsets([*reading]), reading.next_fetch_offset) == ([9], 10)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(batch(ZSTD, b"no zstd", 2, base=3), "does not unpack", id="junk"),
        pytest.param(batch(GZIP, packed(GZIP, [b""]), 2, base=3), "cannot be read", id="empty"),
        pytest.param(batch(GZIP, b"", 2, base=3), "cannot be read", id="nothing"),
        pytest.param(batch(5, b"x", 2, base=3), "codec 5", id="a codec to come"),
        pytest.param(batch(0, b"\xff" * 50, 2, base=3), "cannot be read", id="no records"),
        pytest.param(batch(0, record(0, b"x")[:-2], 2, base=3), "cannot be read", id="cut"),
    ],
)
def test_batch_that_cannot_be_read_is_passed_by(content: bytes, said: str) -> None:
    """Its checksum is right, so it comes again like this."""
    reading = fetch(good(), content, good(base=5))
    found = [*reading]
    assert (offsets(found), reading.next_fetch_offset) == ([*range(8)], 8)
    assert all(said in why(one) for one in found[3:5])
    with pytest.raises(STOPS):
        list(fetch(content, position=3, reader=MemoryRecords))


def test_records_before_what_cannot_be_read_come() -> None:
    """A batch that goes wrong in its middle."""
    body = record(0, b"a") + record(1, b"b") + b"\x07junk"
    reading = fetch(batch(0, body, 4), good(base=4))
    found = [*reading]
    assert offsets(found) == [*range(7)]
    assert [one.value for one in found] == [b"a", b"b", None, None, *VALUES]
    assert "cannot be read" in why(found[2])


def test_damaged_batch_is_fetched_again_before_it_is_passed_by() -> None:
    """What comes before it comes once; nothing behind it is believed; at the third time it is there to stay."""
    batches._damaged.clear()
    bad = damaged(good(base=3))
    for number in range(1, DAMAGED_TRIES):
        reading = fetch(good(), bad, good(base=6))
        assert (number, offsets([*reading]), reading.next_fetch_offset) == (number, [0, 1, 2], 3)
    reading = fetch(good(), bad, good(base=6))
    found = [*reading]
    assert (offsets(found), reading.next_fetch_offset) == ([*range(6)], 6)
    assert all("it is damaged" in why(one) for one in found[3:])
    whole = fetch(good(base=3), position=3)
    assert [one.value for one in whole] == VALUES


def test_damaged_marker_of_a_transaction_is_passed_by() -> None:
    """It is a batch like any other, of one record that nobody sees."""
    batches._damaged.clear()
    marker = batch(0x30, record(0, bytes(6), key=b"\0\0\0\1"), 1, base=3)
    assert offsets([*fetch(good(), marker, good(base=4))]) == [0, 1, 2, 4, 5, 6]
    for _ in range(1, DAMAGED_TRIES):
        assert offsets([*fetch(good(), damaged(marker), good(base=4))]) == [0, 1, 2]
    assert offsets([*fetch(good(), damaged(marker), good(base=4))]) == [0, 1, 2, 3]


def test_damaged_header_is_passed_in_small_steps() -> None:
    """Where it does not agree with itself, no offset is skipped that may be another batch's."""
    batches._damaged.clear()
    bad = good(base=3)
    for at in range(57, 61):  # how many records it has
        assert bad[at] == (3 if at == 60 else 0)
    worse = damaged(damaged(bad, 23), 60)  # its last offset, beyond any; two records
    position = 3
    passed = []
    for _ in range(DAMAGED_TRIES + 4):
        reading = fetch(worse, position=position)
        passed.append(offsets([*reading]))
        position = reading.next_fetch_offset
    steps = list(chain.from_iterable(passed))
    assert steps == list(range(steps[0], steps[0] + len(steps)))
    assert position == steps[-1] + 1 < 12


def test_too_little_memory_is_not_the_batchs_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched again, and no record is given up."""

    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(batches, "unpacked", no_memory)
    reading = fetch(good(), good(GZIP, 3))
    assert (offsets([*reading]), reading.next_fetch_offset) == ([0, 1, 2], 3)


def test_aiokafka_alone_loses_what_was_read_beside_a_damaged_batch() -> None:
    """Why none of this may raise: the poll is thrown away, and the batch is there again."""
    reading = fetch(good(), damaged(good(base=3)), reader=MemoryRecords)
    with pytest.raises(CorruptRecordException):
        list(reading)
