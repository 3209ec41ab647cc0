"""The trace that a record belongs to, also one that cannot be read: for what logs and `explain` say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from services.adapters import traceparent
from services.issuer.advice import is_structured, members

Headers = Iterable[tuple[str, bytes | None]]

MOST_NAMED: Final = 20
"""Of a log line about many records."""


def trace_of(headers: Headers, value: bytes | None) -> str | None:
    """As the codec finds it for an event that can be read. Never raises."""
    pairs = tuple(headers)
    single = dict(pairs) | traceparent.repeated(pairs)
    own = members(value) if is_structured(single) else {}
    return traceparent.told(own.get(traceparent.TRACEPARENT)) or traceparent.in_headers(single)


def said_of(records: Iterable[tuple[Headers, bytes | None]]) -> Mapping[str, Any]:
    """What a log line about records says beside its message: `traceparent` of the first that has one, and of how many
    more, at most 20, as `traceparents`; nothing where none has."""
    traces = (trace for headers, value in records if (trace := trace_of(headers, value)))
    found = [*islice(dict.fromkeys(traces), MOST_NAMED)]
    if not found:
        return {}
    return {"traceparent": found[0]} | ({"traceparents": found} if len(found) > 1 else {})
