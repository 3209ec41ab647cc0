"""The partition of a key is the one that every other Kafka client would choose."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from services.relay.partitions import murmur2, partition_of


@pytest.mark.parametrize(
    ("data", "expected"),
    [  # from the Java client's own UtilsTest, as signed integers
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_agrees_with_the_java_client(data: bytes, expected: int) -> None:
    """The values that Kafka's own test expects."""
    assert murmur2(data) == expected % 2**32


@given(st.binary(max_size=200))
def test_murmur2_agrees_with_aiokafka(data: bytes) -> None:
    """Any bytes, every length of tail."""
    assert murmur2(data) == aiokafka_murmur2(data)


@given(st.text(max_size=128), st.integers(min_value=1, max_value=500))
def test_partition_agrees_with_aiokafkas_partitioner(key: str, count: int) -> None:
    """Any customer id, any number of partitions."""
    everyone = list(range(count))
    assert partition_of(key.encode(), count) == DefaultPartitioner()(
        key.encode(), everyone, everyone
    )
