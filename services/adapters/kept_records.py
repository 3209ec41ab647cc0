"""Records as rows keep them: whole, in the columns `topic` to `header_values`, texts as Postgres can hold them."""

from __future__ import annotations

import asyncpg
from aiokafka import ConsumerRecord

LOG_APPEND_TIME = 1
"""The type of a timestamp that the broker has given."""


def storable(text: str, most_characters: int | None = None) -> str:
    """Text of others as Postgres can keep it: no NUL, no lone surrogates, and of an endless one the beginning."""
    clean = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return clean[:most_characters]


def record_from(
    row: asyncpg.Record, timestamp_ms: int, timestamp_type: int = LOG_APPEND_TIME
) -> ConsumerRecord:
    """The record that a row keeps, as a consumer handed it over."""
    key, value = row["key"], row["value"]
    return ConsumerRecord(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        timestamp=timestamp_ms,
        timestamp_type=timestamp_type,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key or b""),
        serialized_value_size=len(value or b""),
        headers=tuple(zip(row["header_names"], row["header_values"], strict=True)),
    )
