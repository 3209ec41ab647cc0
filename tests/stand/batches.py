"""Record batches made by hand, byte by byte, as no well-behaved producer sends them."""

from __future__ import annotations

import asyncio
import gzip
import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache

import cramjam
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c

from services.adapters.kafka import client_options
from services.fetching.unpacking import GZIP, LZ4, SNAPPY, ZSTD
from services.runtime.settings import Settings

CODECS = {"none": 0, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}
TIMESTAMP_MS = 1_777_627_800_123
_BEHIND_CRC = struct.Struct(">hiqqqhii")
_CHUNK = bytes(8 * 1024 * 1024)


def varint(number: int) -> bytes:
    """Zigzag-encoded, seven bits a byte."""
    rest, found = (number << 1) ^ (number >> 63), bytearray()
    while rest >= 0x80:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*found, rest])


def record(
    delta: int,
    value: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
    key: bytes | None = None,
) -> bytes:
    """One record."""
    named = varint(-1) if key is None else varint(len(key)) + key
    pairs = [varint(len(n)) + n + varint(len(v)) + v for n, v in headers]
    body = b"\0" + varint(0) + varint(delta) + named + varint(len(value)) + value + varint(len(pairs)) + b"".join(pairs)  # fmt: skip
    return varint(len(body)) + body


def zeros(records: int, bytes_each: int) -> Iterator[bytes]:
    """Records whose values are nothing but zeros, piece by piece."""
    for delta in range(records):
        head = b"\0" + varint(0) + varint(delta) + varint(-1) + varint(bytes_each)
        yield varint(len(head) + bytes_each + 1) + head
        yield from (_CHUNK[: min(len(_CHUNK), bytes_each - at)] for at in range(0, bytes_each, len(_CHUNK)))  # fmt: skip
        yield varint(0)


def packed(codec: int, pieces: Iterable[bytes]) -> bytes:
    """Compressed, without ever having all of it in memory where the codec knows streams behind each other."""
    if codec in (GZIP, ZSTD):
        return b"".join(_packed(codec, piece) for piece in pieces)
    whole = b"".join(pieces)
    if codec == SNAPPY:
        return bytes(cramjam.snappy.compress_raw(whole))
    return bytes(cramjam.lz4.compress(whole)) if codec == LZ4 else whole


@lru_cache(maxsize=16)  # a gigabyte of zeros is the same piece again and again
def _packed(codec: int, piece: bytes) -> bytes:
    return gzip.compress(piece) if codec == GZIP else bytes(cramjam.zstd.compress(piece))


def batch(codec: int, body: bytes, records: int, *, base: int = 0, last: int | None = None) -> bytes:  # fmt: skip
    """The bytes of a batch whose body is packed already; `last` is the last offset that it claims."""
    delta = (base + records - 1 if last is None else last) - base
    behind = _BEHIND_CRC.pack(codec, delta, TIMESTAMP_MS, TIMESTAMP_MS, -1, -1, -1, records) + body
    checked = struct.pack(">ibI", 0, 2, calc_crc32c(behind)) + behind
    return struct.pack(">qi", base, len(checked)) + checked


async def produce(settings: Settings, topic: str, content: bytes, partition: int = 0) -> int:
    """Send these bytes as they are; the offset that the broker gave the first record."""
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        client, at = producer.client, TopicPartition(settings.topic(topic), partition)
        await client.set_topics([at.topic])
        request = ProduceRequest(None, -1, 60_000, [(at.topic, [(partition, content)])])
        while True:
            answer = await client.send(client.cluster.leader_for_partition(at), request)
            ((_, ((_, code, offset, *_),)),) = answer.topics
            if not for_code(code).retriable:
                break
            await asyncio.sleep(0.1)  # a leader that was just elected does not know it yet
        assert code == 0, for_code(code)
        return int(offset)
