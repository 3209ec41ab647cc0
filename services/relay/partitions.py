"""Which partition a key belongs to: the same answer as the Java client's default.

aiokafka has the function too, byte by byte; this one reads four bytes at a time, in two thirds of the time, and
remembers recent keys. `tests/relay/test_partitions.py` holds the two equal.
"""

from __future__ import annotations

import struct
from functools import lru_cache

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_32_BITS = 0xFFFFFFFF

REMEMBERED_KEYS = 16_384
"""Enough for the customers of a few batches; about 3 MB."""


@lru_cache(maxsize=64)
def _words(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")


def murmur2(data: bytes) -> int:
    """MurmurHash2 with Kafka's seed; 0 … 2^32 − 1."""
    length = len(data)
    whole = length & ~3
    value = _SEED ^ length
    for word in _words(whole >> 2).unpack_from(data):
        word = word * _MULTIPLIER & _32_BITS
        value = (value * _MULTIPLIER & _32_BITS) ^ ((word ^ word >> 24) * _MULTIPLIER & _32_BITS)
    if whole != length:
        tail = int.from_bytes(data[whole:], "little")
        value = (value ^ tail) * _MULTIPLIER & _32_BITS
    value = (value ^ value >> 13) * _MULTIPLIER & _32_BITS
    return value ^ value >> 15


@lru_cache(maxsize=REMEMBERED_KEYS)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition (0 … partitions − 1) of a record with this key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
