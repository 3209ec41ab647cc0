"""`traceparent` of W3C Trace Context: the trace that an event belongs to, passed on as it came.

A trace decides nothing, so one that is not valid, or comes twice, is dropped and the event is read all the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

CE_TRACEPARENT: Final = "ce_traceparent"
"""As CloudEvents' Distributed Tracing extension has it; wins over the bare one, which tracing libraries add."""
TRACEPARENT: Final = "traceparent"
MAX_CHARACTERS: Final = 512
"""Of a version of the future, which may say more than the 55 characters of version 00."""

_is_valid = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"(?P<more>-[!-~]*)?"
).fullmatch


def valid(text: str) -> str | None:
    """The argument, if it is a `traceparent` of a version that is known or of one to come."""
    match = _is_valid(text) if len(text) <= MAX_CHARACTERS else None
    if match is None or (match["more"] is not None and match["version"] == "00"):
        return None
    return text


def told(value: object) -> str | None:
    """The same of a member of a structured event, which may be anything."""
    return valid(value) if isinstance(value, str) else None


def in_headers(headers: Mapping[str, bytes | None]) -> str | None:
    """The first valid one, by the names above."""
    extension, bare = headers.get(CE_TRACEPARENT), headers.get(TRACEPARENT)
    if extension is None and bare is None:
        return None
    return _in_header(extension) or _in_header(bare)


def repeated(pairs: Iterable[tuple[str, bytes | None]]) -> dict[str, None]:
    """Those of the names that come more than once, as absent: which one counts would be a guess."""
    times = Counter(name for name, _ in pairs)
    return {name: None for name in (CE_TRACEPARENT, TRACEPARENT) if times[name] > 1}


def _in_header(raw: bytes | None) -> str | None:
    return None if raw is None else valid(raw.decode("latin-1"))
