"""Records made by hand, as a consumer hands them over."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aiokafka import ConsumerRecord

Headers = tuple[tuple[str, bytes | None], ...]

_offset = itertools.count()
_BEGAN_MS = time.time_ns() // 1_000_000


def completed(
    event_id: str,
    customer_id: str = "anna",
    *,
    partner_id: int,
    game_id: int,
    source: str = "/games",
    at: datetime | None = None,
    **data: Any,
) -> ConsumerRecord:
    """A `game.completed` in binary mode; `at` is its own time (now), `data` what else it says."""
    values = {"partner_id": partner_id, "game_id": game_id, "customer_id": customer_id} | data
    return raw(headers(event_id, source, at), json.dumps(values).encode(), key=customer_id)


def headers(event_id: str, source: str = "/games", at: datetime | None = None) -> Headers:
    """Good headers of a `game.completed`."""
    time = (at or datetime.now(UTC)).isoformat()
    texts = {"specversion": "1.0", "id": event_id, "source": source, "type": "game.completed"}
    return tuple((f"ce_{name}", text.encode()) for name, text in (texts | {"time": time}).items())


def raw(
    record_headers: Headers,
    value: bytes | None,
    *,
    key: str = "anna",
    partition: int = 0,
    timestamp_ms: int | None = None,
) -> ConsumerRecord:
    """Any record, at an offset no other one made here has."""
    offset = next(_offset)
    return ConsumerRecord(
        topic="game-completed",
        partition=partition,
        offset=offset,
        timestamp=_BEGAN_MS + offset if timestamp_ms is None else timestamp_ms,
        timestamp_type=1,
        key=key.encode(),
        value=value,
        checksum=None,
        serialized_key_size=len(key),
        serialized_value_size=len(value or b""),
        headers=record_headers,
    )


def again(record: ConsumerRecord, **changes: Any) -> ConsumerRecord:
    """The same content in another place, as a producer that retries sends it."""
    return raw(changes.get("record_headers", record.headers), record.value, key=record.key.decode())


def poison(count: int = 1) -> Sequence[ConsumerRecord]:
    """Records that cannot be read."""
    return [raw(headers(f"poison-{n}"), b"no JSON") for n in range(count)]
