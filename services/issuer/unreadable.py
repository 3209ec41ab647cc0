"""Why a record is no event, and what can still be told of it: what the codec raises and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from aiokafka import ConsumerRecord

from schemas import envelope as cloudevents
from services.domain.letters import Stage
from services.issuer.advice import advice, is_structured, members

MAX_MESSAGE_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """Why a record is no event. `message` is one line of printable ASCII; the event's identity where readable."""

    stage: Stage
    exception: str
    message: str
    event_id: str | None = None
    event_source: str | None = None
    event_type: str | None = None


class UnreadableError(Exception):
    """HeaderError, DecodeError, SchemaError: which part of a record cannot be read; the message names the field.

    MisplacedError: all of it can be read, but who wrote it there may not.
    """

    stage: ClassVar[Stage]


class HeaderError(UnreadableError):
    """An attribute is missing or wrong, or the type or content type is not one we read."""

    stage = Stage.HEADER


class DecodeError(UnreadableError):
    """There is no value, or it is not JSON."""

    stage = Stage.DECODE


class SchemaError(UnreadableError):
    """The data are JSON, but not what the type asks for."""

    stage = Stage.SCHEMA


class MisplacedError(UnreadableError):
    """What we alone may tell stands on another topic than ours, or what others tell on ours."""

    stage = Stage.SOURCE


def poison(record: ConsumerRecord, error: UnreadableError) -> Poison:
    """The record's letter in short: what is wrong, what it looks like, and whose event it was."""
    # Escaped, because a message becomes a header, a log line and a cell of a table.
    said = str(error)
    if record.value is not None and (more := advice(dict(record.headers), record.value)):
        said = f"{said[: MAX_MESSAGE_CHARACTERS // 2]}; {more}"
    message = said.encode("unicode_escape").decode("ascii")
    event_id, source, type_ = _identity(record)
    return Poison(
        stage=error.stage,
        exception=type(error.__cause__ or error).__name__,
        message=message[:MAX_MESSAGE_CHARACTERS],
        event_id=event_id,
        event_source=source,
        event_type=type_,
    )


def _identity(record: ConsumerRecord) -> tuple[str | None, ...]:
    """Id, source and type, each where it can be read and stored; from the value if that is a structured event."""
    headers = dict(record.headers)
    attributes = members(record.value) if is_structured(headers) else {}
    return tuple(
        _storable(attributes.get(name, headers.get(cloudevents.PREFIX + name)))
        for name in ("id", "source", "type")
    )


def _storable(attribute: object) -> str | None:
    raw = attribute.encode() if isinstance(attribute, str) else attribute
    try:
        return cloudevents.attribute_text(raw) if isinstance(raw, bytes) else None
    except ValueError:
        return None
