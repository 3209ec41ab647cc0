"""Unpack the records of a compressed batch within a bound, whatever the batch claims.

A megabyte that a broker takes may unpack to thirty gigabytes, and aiokafka unpacks a batch whole. Here the room is
given first: a little, then more, and never above the limit.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import cramjam

LARGEST_BYTES: Final = 64 * 1024 * 1024
"""What a batch may unpack to. A broker takes batches of 1 MiB (`max.message.bytes`, as sent) unless somebody raised
that, we fetch 8 MiB at once, and events as JSON shrink to a tenth, seldom to a fiftieth: this is for 1 MiB of the best,
and for 8 MiB of the usual. As much may be held for each partition that is being read."""
USUAL_RATIO: Final = 8
"""Room for the first try; where it is too small, the next has as many times more."""
LEAST_ROOM_BYTES: Final = 64 * 1024

_STEP_BYTES: Final = 1024 * 1024

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
"""As the protocol numbers them."""
_XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES: Final = 16
"""Snappy in blocks, each behind its length, as Kafka's own clients write it; others send one bare block."""
_NO_ROOM: Final = "failed to write whole buffer"
"""How cramjam says it. A test pins the words."""


class Unreadable(Exception):
    """Packed records that do not unpack, or to more than the limit. The message is one line."""


class _NoRoom(Exception):
    """More comes out than there is room for."""


def unpacked(codec: int, packed: memoryview, head: bytes = b"") -> memoryview:
    """`head`, and behind it what was packed. Raises Unreadable."""
    room = max(LEAST_ROOM_BYTES, USUAL_RATIO * len(packed))
    while True:
        room = min(room, LARGEST_BYTES)
        out = bytearray(len(head) + room)
        out[: len(head)] = head
        try:
            with memoryview(out) as whole, whole[len(head) :] as behind:
                size = _unpack(codec, packed, behind)
            return memoryview(out)[: len(head) + size]
        except _NoRoom:
            if room == LARGEST_BYTES:
                raise Unreadable(f"unpacks to more than {LARGEST_BYTES // 1024**2} MiB") from None
            room *= USUAL_RATIO
        except (cramjam.DecompressionError, zlib.error, struct.error) as error:
            said = " ".join(str(error).split())
            raise Unreadable(f"does not unpack ({type(error).__name__}: {said})") from None


def _unpack(codec: int, packed: memoryview, out: memoryview) -> int:
    """How many bytes that were. Raises _NoRoom, or what the codec raises."""
    if codec == GZIP:
        return _gunzip(packed, out)
    if codec == SNAPPY:
        return _unsnap(packed, out)
    if codec not in (LZ4, ZSTD):
        raise Unreadable(f"is packed with codec {codec}, which is not known here")
    decompress_into = cramjam.lz4.decompress_into if codec == LZ4 else cramjam.zstd.decompress_into
    try:
        return int(decompress_into(packed, out))
    except cramjam.DecompressionError as error:
        if _NO_ROOM in str(error):
            raise _NoRoom from None
        raise


def _gunzip(packed: memoryview, out: memoryview) -> int:
    """One stream behind the other, as the format allows, in steps: zlib itself knows no buffer to fill."""
    size, rest = 0, bytes(packed)
    while rest:
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not stream.eof:
            part = stream.decompress(rest, _STEP_BYTES)
            if size + len(part) > len(out):
                raise _NoRoom
            out[size : size + len(part)] = part
            size += len(part)
            rest = stream.unconsumed_tail
            if not part and not rest and not stream.eof:
                raise zlib.error("it ends too early")
        rest = stream.unused_data.lstrip(b"\0")
    return size


def _unsnap(packed: memoryview, out: memoryview) -> int:
    """Each block says first what it unpacks to, and is refused if it does not."""
    size = 0
    for block in _blocks(packed):
        if size + cramjam.snappy.decompress_raw_len(block) > len(out):
            raise _NoRoom
        size += cramjam.snappy.decompress_raw_into(block, out[size:])
    return size


def _blocks(packed: memoryview) -> list[memoryview]:
    if bytes(packed[: len(_XERIAL_MAGIC)]) != _XERIAL_MAGIC:
        return [packed]
    blocks, at = [], _XERIAL_HEADER_BYTES
    while at < len(packed):
        (length,) = struct.unpack_from(">i", packed, at)
        if length < 0 or at + 4 + length > len(packed):
            raise struct.error(f"a block of {length} bytes where {len(packed) - at - 4} are left")
        blocks.append(packed[at + 4 : at + 4 + length])
        at += 4 + length
    return blocks
