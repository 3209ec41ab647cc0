"""A record that cannot be decided, kept whole with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.domain.events import Position


class Stage(StrEnum):
    """Where on its way a record was given up."""

    HEADER = "header"
    DECODE = "decode"
    SCHEMA = "schema"
    SOURCE = "source"
    TIME = "time"
    DECIDE = "decide"
    STORE = "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """The original record and why it is dead. Texts carry no NUL; id, source and type where readable."""

    position: Position
    timestamp_ms: int
    stage: Stage
    exception: str
    message: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    event_id: str | None = None
    event_source: str | None = None
    event_type: str | None = None
