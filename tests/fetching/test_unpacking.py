"""Batches are unpacked within a bound: to exactly what was packed, or not at all."""

from __future__ import annotations

import gzip
import os
import resource

import cramjam
import pytest
from aiokafka.codec import snappy_encode

from services.fetching import unpacking
from services.fetching.unpacking import GZIP, LZ4, SNAPPY, ZSTD, Unreadable, unpacked
from tests.stand.batches import CODECS, packed

CODEC_NUMBERS = [GZIP, SNAPPY, LZ4, ZSTD]
LIMIT = 3 * 1024 * 1024


@pytest.fixture
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound that a test reaches in no time."""
    monkeypatch.setattr(unpacking, "LARGEST_BYTES", LIMIT)


@pytest.mark.parametrize("codec", CODEC_NUMBERS)
@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 2_000_000, LIMIT])
def test_what_was_packed_comes_out(low_limit: None, codec: int, size: int) -> None:
    """Of any ratio, with the head before it, up to the limit itself."""
    for content in (bytes(size), os.urandom(min(size, 100_000))):
        found = unpacked(codec, memoryview(packed(codec, [content])), b"head")
        assert bytes(found) == b"head" + content


@pytest.mark.parametrize("codec", CODEC_NUMBERS)
def test_one_byte_more_than_the_limit_is_refused(low_limit: None, codec: int) -> None:
    """This also pins how cramjam says that its room is too small."""
    with pytest.raises(Unreadable, match="unpacks to more than 3 MiB"):
        unpacked(codec, memoryview(packed(codec, [bytes(LIMIT + 1)])))


@pytest.mark.parametrize("codec", CODEC_NUMBERS)
def test_gigabyte_is_refused_before_it_is_there(codec: int) -> None:
    """What a codec says or streams, no more than the limit is ever held."""
    piece = packed(codec, [bytes(32 * 1024 * 1024)])
    if codec == SNAPPY:
        blocks = [len(piece).to_bytes(4, "big") + piece] * 32
        bomb = b"\x82SNAPPY\0" + bytes([0, 0, 0, 1, 0, 0, 0, 1]) + b"".join(blocks)
    else:
        bomb = piece * 32
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Unreadable, match="more than 64 MiB"):
        unpacked(codec, memoryview(bomb))
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) // 1024
    assert grown_mb < 200


def test_snappy_in_blocks_comes_out() -> None:
    """As Kafka's Java client writes it."""
    content = os.urandom(100_000)
    assert bytes(unpacked(SNAPPY, memoryview(snappy_encode(content)))) == content


def test_streams_behind_each_other_come_out() -> None:
    """As gzip, zstd and lz4 allow; gzip also with zeros behind."""
    for codec in (GZIP, ZSTD, LZ4):
        twice = packed(codec, [b"one"]) + packed(codec, [b"two"])
        assert bytes(unpacked(codec, memoryview(twice))) == b"onetwo"
    padded = gzip.compress(b"one") + bytes(8)
    assert bytes(unpacked(GZIP, memoryview(padded))) == b"one"


@pytest.mark.parametrize("codec", CODEC_NUMBERS)
@pytest.mark.parametrize("change", ["cut", "junk before", "one bit"])
def test_what_does_not_unpack_is_unreadable(codec: int, change: str) -> None:
    """Said in one line; nothing else is raised, whatever the bytes are."""
    whole = bytearray(packed(codec, [os.urandom(5_000)]))
    if change == "one bit":
        whole[3] ^= 0x40
    content = {"cut": whole[:-9], "junk before": b"junk" + whole}.get(change, whole)
    with pytest.raises(Unreadable) as error:
        unpacked(codec, memoryview(bytes(content)))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("does not unpack")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xff\xff\xff\xff\x0fabc", id="says 4 GiB"),
        pytest.param(b"\x82SNAPPY\0" + bytes(8) + b"\x7f\xff\xff\xffabc", id="a block too long"),
        pytest.param(b"\x82SNAPPY\0" + bytes(8) + b"\xff\xff\xff\xff", id="a negative block"),
        pytest.param(b"\x82SNAPPY\0" + bytes(8) + b"\0\0", id="half a length"),
    ],
)
def test_snappy_that_lies_is_unreadable(content: bytes) -> None:
    """No room is made for what a length only says."""
    with pytest.raises(Unreadable):
        unpacked(SNAPPY, memoryview(content))


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_codec_that_nobody_knows_is_unreadable(codec: int) -> None:
    """A newer producer may have one."""
    assert codec not in CODECS.values()
    with pytest.raises(Unreadable, match=f"codec {codec}"):
        unpacked(codec, memoryview(b"x"))


def test_cramjam_itself_has_no_bound() -> None:
    """Else this module would not be needed."""
    assert len(cramjam.zstd.decompress(packed(ZSTD, [bytes(LIMIT)]))) == LIMIT
