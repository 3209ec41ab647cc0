"""Between wire and domain: a Kafka record in, an event or the reason why there is none out.

`read_record` is total: whatever bytes arrive, it answers. The checks stand in the order of the stages that a dead
letter names (`HeaderError`, `DecodeError`, `SchemaError`, `MisplacedError`), so the stage says how far a record came. A
null value is the one exception: it is `decode` whatever its headers say, because a tombstone has none.

The type decides what is read, not the topic: `TYPES` is the table. Only what we tell ourselves has a topic of its own,
on which nothing else is passed over. `schemas.envelope` records how the Kafka binding of CloudEvents was read where it
leaves a choice.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, get_args

from aiokafka import ConsumerRecord
from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from schemas import envelope as cloudevents
from schemas.envelope import CONTENT_TYPE, Envelope, Mode
from schemas.topics import FOLLOW_UPS
from services.adapters import traceparent
from services.adapters.event_keys import event_key
from services.domain.arrival import Incoming
from services.domain.events import Cause, Event, FollowUp, Position
from services.fetching.batches import UNREAD
from services.issuer.advice import is_structured, members
from services.issuer.event_types import TYPES, EventType
from services.issuer.unreadable import (
    DecodeError,
    HeaderError,
    MisplacedError,
    Poison,
    SchemaError,
    UnreadableError,
    poison,
)

NOTHING_IGNORED: Final[frozenset[str]] = frozenset()
_CUSTOMERS: Final = ("customer_id", "referred_by")
_OURS: Final = get_args(FollowUp)
"""Of every event it is asked whether it is one of these, and a union takes three times as long to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A record that concerns nobody here: no event for the rules, and nothing wrong with it."""

    reason: Reason
    type: str


class Reason(StrEnum):
    """Why a record is passed over; the label of the metric."""

    IGNORED_TYPE = "ignored_type"
    NO_CUSTOMER = "no_customer"


def read_record(
    record: ConsumerRecord, ignored: Container[str] = NOTHING_IGNORED
) -> Incoming | PassedOver | Poison:
    """The event a record carries, or why there is none. Never raises. Of an `ignored` type only the type is read."""
    try:
        headers = dict(record.headers)
        value = record.value
        has_repeats = len(headers) != len(record.headers)
        is_ours = record.topic.endswith(FOLLOW_UPS)  # behind the prefix, if there is one
        if is_ours:
            ignored = NOTHING_IGNORED
        # Of a structured event the value says the type, headers are copies.
        if ignored and not is_structured(headers):
            type_ = (headers.get("ce_type") or b"").decode("utf-8", "replace")
            if type_ in ignored:
                if has_repeats:
                    _refuse_repeats(record)
                return PassedOver(reason=Reason.IGNORED_TYPE, type=type_)
        if value is None:
            raise DecodeError(_why_null(headers.get(UNREAD)))
        if has_repeats:
            _refuse_repeats(record)
            headers |= traceparent.repeated(record.headers)
        if _mode(headers.get(CONTENT_TYPE)) is Mode.BINARY:
            event, trace = _read_binary(headers, value), None
        else:
            event, trace = _read_structured(value, ignored)
        if is_ours or isinstance(event, _OURS):
            _refuse_misplaced(event, is_ours)
    except UnreadableError as error:
        return poison(record, error)
    if isinstance(event, PassedOver):
        return event
    return Incoming(
        event=event,
        event_key=event_key(event.cause.source, event.cause.id),
        position=Position(topic=record.topic, partition=record.partition, offset=record.offset),
        timestamp_ms=record.timestamp,
        traceparent=trace or traceparent.in_headers(headers),
    )


def _refuse_misplaced(event: Event | PassedOver, on_our_topic: bool) -> None:
    """What we tell ourselves comes on the topic for that, and nothing else does."""
    if not isinstance(event, FollowUp):
        type_ = event.type if isinstance(event, PassedOver) else event.cause.type
        raise MisplacedError(
            f"ce_type: {type_} does not belong on {FOLLOW_UPS}, to which only Couponry writes: send it to its own topic"
        )
    if not on_our_topic:
        raise MisplacedError(
            f"ce_type: {event.cause.type} is told by Couponry itself, on the topic {FOLLOW_UPS} alone: for an event of "
            "your own send customer.event under another name"
        )


def _why_null(unread: bytes | None) -> str:
    if unread is None:
        return "value: null (a tombstone), an event needs data"
    return unread.decode("utf-8", "replace")


def _mode(content_type: bytes | None) -> Mode:
    try:
        return cloudevents.mode_of(content_type)
    except ValueError as error:
        raise HeaderError(f"{CONTENT_TYPE}: {error}") from error


def _refuse_repeats(record: ConsumerRecord) -> None:
    for name, times in Counter(name for name, _ in record.headers).items():
        if name == traceparent.CE_TRACEPARENT:
            continue  # dropped, see there
        if times > 1 and (name == CONTENT_TYPE or name.startswith(cloudevents.PREFIX)):
            raise HeaderError(f"{name}: comes {times} times")


def _read_binary(headers: Mapping[str, bytes | None], value: bytes) -> Event | PassedOver:
    version = headers.get("ce_specversion")
    if version != cloudevents.SPEC_VERSION:
        raise HeaderError(
            "ce_specversion: missing" if version is None else "ce_specversion: must be 1.0"
        )
    event_id = _attribute(headers, "ce_id")
    source = _attribute(headers, "ce_source")
    type_ = _attribute(headers, "ce_type")
    try:
        occurred_at = cloudevents.parse_time(_attribute(headers, "ce_time"))
    except ValueError as error:
        raise HeaderError(f"ce_time: {error}") from error
    known = _known("ce_type", type_)
    data = _read_data(known.binary, value, "data")
    return _event(known, Cause(source=source, id=event_id, type=type_), occurred_at, data)


def _event(known: EventType, cause: Cause, occurred_at: datetime, data: Any) -> Event | PassedOver:
    if data.customer_id is None:
        return PassedOver(reason=Reason.NO_CUSTOMER, type=cause.type)
    return known.event(cause, occurred_at, data)


def _attribute(headers: Mapping[str, bytes | None], name: str) -> str:
    raw = headers.get(name)
    if raw is None:
        raise HeaderError(f"{name}: missing")
    try:
        return cloudevents.attribute_text(raw)
    except ValueError as error:
        raise HeaderError(f"{name}: {error}") from error


def _known(name: str, type_: str) -> EventType:
    known = TYPES.get(type_)
    if known is None:
        raise HeaderError(
            f"{name}: unknown type {type_[:100]!r}, known are {', '.join(TYPES)}; name it in "
            "COUPONRY_IGNORED_TYPES to pass such events over"
        )
    return known


def _read_structured(
    value: bytes, ignored: Container[str]
) -> tuple[Event | PassedOver, str | None]:
    """The event and the trace it names itself.

    Parsed twice, since only the envelope says which data to expect: the common way in is binary.
    """
    try:
        envelope = Envelope.model_validate_json(value)
    except ValidationError as error:
        type_ = members(value).get("type") if ignored else None
        if isinstance(type_, str) and type_ in ignored:
            return PassedOver(reason=Reason.IGNORED_TYPE, type=type_), None
        _refuse_constants(value)
        first = _first(error)
        kind = DecodeError if first["type"] == "json_invalid" or not first["loc"] else HeaderError
        raise kind(_line(first, "")) from error
    if envelope.type in ignored:
        return PassedOver(reason=Reason.IGNORED_TYPE, type=envelope.type), None
    known = _known("type", envelope.type)
    if envelope.data_base64 is None:
        data = _read_data(known.structured, value, "").data
    else:
        data = _read_data(known.binary, _decoded(envelope.data_base64, value), "data")
    cause = Cause(source=envelope.source, id=envelope.id, type=envelope.type)
    return _event(known, cause, envelope.time, data), traceparent.told(envelope.traceparent)


def _decoded(data_base64: str, value: bytes) -> bytes:
    if "data" in from_json(value):
        raise DecodeError("data_base64: comes beside data, an event has one of them")
    try:
        return b64decode(data_base64, validate=True)
    except ValueError as error:
        raise DecodeError(f"data_base64: {error}") from error


def _read_data(validate: Callable[[bytes], Any], value: bytes, prefix: str) -> Any:
    try:
        data = validate(value)
    except ValidationError as error:
        first = _first(error)
        if first["type"] == "json_invalid":
            raise DecodeError(_line(first, prefix)) from error
        _refuse_constants(value)
        raise SchemaError(_line(first, prefix)) from error
    _refuse_constants(value)
    return data


def _refuse_constants(value: bytes) -> None:
    """pydantic's parser lets NaN and Infinity pass; JSON knows neither. Of what cannot be parsed nothing is said."""
    if b"NaN" in value or b"Infinity" in value:
        try:
            json.loads(value, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return


def _refuse_constant(name: str) -> None:
    raise DecodeError(f"value: {name} is not JSON")


def _first(error: ValidationError) -> ErrorDetails:
    return error.errors(include_url=False, include_context=False, include_input=False)[0]


def _line(error: ErrorDetails, prefix: str) -> str:
    steps = [prefix, *error["loc"]] if prefix and error["type"] != "json_invalid" else error["loc"]
    field = ".".join(str(step) for step in steps) or "value"
    if error["type"] == "string_pattern_mismatch" and error["loc"][-1] in _CUSTOMERS:
        return f"{field}: must not begin or end with white space, nor contain NUL"
    said = error["msg"].removeprefix("Value error, ")
    # Who sends JSON has arrays and objects: how they are kept here is no business of theirs.
    return f"{field}: {said.replace('Tuple', 'Array').replace('Dictionary', 'Object')}"
