"""The envelope: CloudEvents 1.0 and its Kafka protocol binding, as far as incoming events need them.

Decisions, where the binding leaves a choice or producers often differ:

* The mode follows from the `content-type` header alone: a value that begins with `application/cloudevents`
  (any case) is structured, and only the JSON format of one event is read; all else, or none, is binary.
  Parameters (`; charset=utf-8`) are ignored: JSON is UTF-8.
* Header names are matched exactly. Kafka's header names know no case folding and attribute names are lower
  case by specification, so `CE_ID` is somebody else's header.
* Header values are the plain UTF-8 text of the attribute. Percent-encoding belongs to the HTTP binding: a
  `%41` here is three characters.
* A header with a null value counts as absent, as a null attribute does in structured mode. A `ce_` or
  `content-type` header that comes twice is refused: which one counts would be a guess.
* In structured mode the value is the event; `ce_` headers beside it are copies and are not compared.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

PREFIX = "ce_"
CONTENT_TYPE = "content-type"
STRUCTURED_JSON = "application/cloudevents+json"
SPEC_VERSION = b"1.0"
MAX_ATTRIBUTE_BYTES = 1024
"""Limit of `id` and `source` (contract) and, for want of a better one, of every other text of the envelope."""

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]"
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|(60))(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
).fullmatch
_MAX_TIME_CHARACTERS = 64


class Mode(StrEnum):
    """Where an event's attributes stand: in headers, or in the value beside the data."""

    BINARY = "binary"
    STRUCTURED = "structured"


@lru_cache(maxsize=256)  # producers use a handful; the bound is against one that makes them up
def mode_of(content_type: bytes | None) -> Mode:
    """The content mode that a record's `content-type` announces. Raises ValueError for one we cannot read."""
    if content_type is None:
        return Mode.BINARY
    if len(content_type) > MAX_ATTRIBUTE_BYTES:
        raise ValueError(f"{len(content_type)} bytes, must be at most {MAX_ATTRIBUTE_BYTES}")
    text = content_type.decode("utf-8", "replace")
    media_type = _media_type(text)
    if media_type == STRUCTURED_JSON:
        return Mode.STRUCTURED
    if media_type.startswith("application/cloudevents"):
        raise ValueError(f"{media_type[:80]!r} is not read, send {STRUCTURED_JSON}")
    json_media_type(text)
    return Mode.BINARY


def json_media_type(content_type: str) -> str:
    """The argument, if it says JSON: `*/json` or `*/*+json`, parameters allowed. Raises ValueError."""
    kind, _, subtype = _media_type(content_type).partition("/")
    if not kind or not (subtype == "json" or subtype.endswith("+json")):
        raise ValueError(f"{content_type[:80]!r} is not JSON, send application/json")
    return content_type


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def attribute_text(raw: bytes) -> str:
    """The text of `id`, `source` or `type`: 1-1024 bytes of UTF-8 without NUL. Raises ValueError."""
    if not 0 < len(raw) <= MAX_ATTRIBUTE_BYTES:
        raise ValueError(f"{len(raw)} bytes, must be 1 to {MAX_ATTRIBUTE_BYTES}")
    if b"\0" in raw:
        raise ValueError("contains NUL")
    return raw.decode()


def parse_time(text: str) -> datetime:
    """An RFC 3339 instant, in UTC; digits beyond microseconds are cut off. Raises ValueError.

    `fromisoformat` accepts far more (weeks, no zone, commas), hence the pattern first. A leap second, which
    Python cannot hold, is the second after it, as POSIX clocks count; it may stand only at 23:59:60 UTC.
    """
    match = _RFC3339(text) if len(text) <= _MAX_TIME_CHARACTERS else None
    if match is None:
        raise ValueError("not RFC 3339 with a zone, such as 2026-05-01T09:30:00Z")
    try:
        if match.group(1):
            return _leap_second(text)
        at = datetime.fromisoformat(text.upper())
        return at if at.tzinfo is UTC else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"no such instant: {error}") from None


def _leap_second(text: str) -> datetime:
    before = datetime.fromisoformat(text.upper().replace(":60", ":59", 1)).astimezone(UTC)
    if (before.hour, before.minute) != (23, 59):
        raise ValueError("a leap second is 23:59:60 in UTC")
    return before + timedelta(seconds=1)


def _attribute(text: str) -> str:
    return attribute_text(text.encode())


def _time(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return parse_time(value)


Attribute = Annotated[
    str, Field(min_length=1, max_length=MAX_ATTRIBUTE_BYTES), AfterValidator(_attribute)
]
Time = Annotated[
    datetime, PlainValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})
]


class Envelope(BaseModel):
    """The attributes of a structured event; `data` is read by the model of its type, extensions are ignored.

    All but `traceparent`, the trace it belongs to: one that is not valid is dropped, and refuses nothing.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    specversion: Literal["1.0"]
    id: Attribute
    source: Attribute
    type: Attribute
    time: Time
    datacontenttype: Annotated[str, AfterValidator(json_media_type)] | None = None
    data_base64: str | None = None
    traceparent: Any = None


Data = TypeVar("Data")


class WithData(BaseModel, Generic[Data]):
    """A structured event once more, for its data."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    data: Data
