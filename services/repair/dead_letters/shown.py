"""One dead letter for people: its bytes decoded as far as they can be, the error explained, what was done about it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord

from services.adapters.kept_records import record_from
from services.adapters.postgres.dead_letters import topic_name
from services.domain.arrival import Incoming
from services.domain.letters import Stage
from services.issuer.codec import PassedOver, read_record
from services.issuer.unreadable import Poison

EXPLAINED: Mapping[str, str] = {
    Stage.HEADER: (
        "The envelope cannot be read: an attribute is missing or wrong, or its type is none of ours. It will die"
        " again until this release reads it. If the producer is at fault, have it send the event again, and discard."
    ),
    Stage.DECODE: (
        "The value is missing or is not JSON. It will die again. Have the producer send the event again, and discard."
    ),
    Stage.SCHEMA: (
        "The value is JSON, but not what its type asks for: the message names the field. It will die again until"
        " this release reads it. If the producer is at fault, have it send the event again, and discard."
    ),
    Stage.SOURCE: (
        "It comes from a source that may not speak for its partner. If it may, add the source with `couponry partners"
        " set` and redrive it; if not, somebody sends in this partner's name: discard, and find out who."
    ),
    Stage.TIME: (
        "The event's own time was more than 5 minutes in the future: the producer's clock is ahead. Nothing is wrong"
        " with the event: redrive it once its time has come."
    ),
    Stage.DECIDE: (
        "Our rules failed on it: that is a bug of ours, and the event is good. Redrive it when the bug is fixed."
    ),
    Stage.STORE: (
        "The database refused what was decided, for this event alone and more than once. Redrive it when what the"
        " message names is mended."
    ),
}
"""By stage: what it means, and what to do."""


GONE = "not at all: what the record said was kept for a time (COUPONRY_DEAD_LETTER_RETENTION_DAYS), and is gone"


def document(row: asyncpg.Record, actions: list[dict[str, Any]]) -> dict[str, Any]:
    """A letter, whole, as JSON has it."""
    plain = ("id", "topic", "partition", "offset", "stage", "exception", "message", "created_at", "state",
             "attempts", "closed_at", "emptied_at", "record_time", "event_id")  # fmt: skip
    return {
        **{name: row[name] for name in plain},
        "topic": topic_name(row["topic"]),
        "source": row["event_source"],
        "type": row["event_type"],
        "explained": EXPLAINED[row["stage"]],
        "reads_now": GONE if row["emptied_at"] else _now(read_record(record_of(row))),
        "key": shown_bytes(row["key"]),
        "value": shown_bytes(row["value"]),
        "headers": [
            {"name": name, **(shown_bytes(value) or {"text": None})}
            for name, value in zip(row["header_names"], row["header_values"], strict=True)
        ],
        "actions": actions,
    }


def _now(read: Incoming | PassedOver | Poison) -> str:
    match read:
        case Incoming():
            return "as an event"
        case PassedOver():
            return f"as nobody's business ({read.reason})"
        case Poison():
            return f"{read.stage}: {read.message}"


def shown_bytes(raw: bytes | None) -> dict[str, Any] | None:
    """Length, and the most that can be made of them: `json`, else `text`, else `base64`. None stays None."""
    if raw is None:
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return {"bytes": len(raw), "base64": b64encode(raw).decode()}
    try:
        decoded = json.loads(text, parse_constant=_refuse)
        # What could not be printed again: lone surrogates, and numbers too large for a double.
        json.dumps(decoded, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return {"bytes": len(raw), "text": text}
    return {"bytes": len(raw), "text": text, "json": decoded}


def record_of(row: asyncpg.Record) -> ConsumerRecord:
    """The record as a consumer handed it over."""
    return record_from(row, round(row["record_time"].timestamp() * 1000))


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
