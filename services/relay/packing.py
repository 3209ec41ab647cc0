"""From outbox rows to Kafka record batches: topic, key, value, headers and partition of each message.

The hot loop of the relay: everything that is the same for many rows is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from schemas.topics import FOLLOW_UPS, FOLLOW_UPS_SOURCE
from services.adapters.traceparent import CE_TRACEPARENT, TRACEPARENT
from services.adapters.wire import instant
from services.relay.outbox import Batch
from services.relay.partitions import partition_of
from services.relay.progress import name_of

LARGEST_MESSAGE_BYTES = 4 * 1024 * 1024 + 64 * 1024
"""What no topic of ours takes: their limit, and room for the headers. A broker drops the connection of a client
that sends far more than it reads at once, which would look like an outage for ever."""

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

Header = tuple[str, bytes | None]

SPEC_VERSION: Header = ("ce_specversion", b"1.0")
CONTENT_TYPE: Header = ("content-type", b"application/json")
REPUBLISHED: Header = ("couponry_republished", b"true")
"""Added to an event that was published before: its id and data are those of the first time."""


class Builder(Protocol):
    """What is used of aiokafka's BatchBuilder."""

    def append(
        self,
        *,
        timestamp: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header],
    ) -> object | None: ...


@dataclass(slots=True, kw_only=True)
class Parcel:
    """One Kafka record batch for one partition, and the outbox ids and names of its messages in order."""

    topic: str
    partition: int
    builder: Builder
    ids: list[int] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Packed:
    """A batch ready to send. `unfit` are rows that can never be sent, and why."""

    parcels: list[Parcel] = field(default_factory=list)
    unfit: dict[int, str] = field(default_factory=dict)

    @property
    def ids(self) -> list[int]:
        return [id for parcel in self.parcels for id in parcel.ids]

    @property
    def names(self) -> list[bytes]:
        """What those rows say, in the same order; see `progress`."""
        return [name for parcel in self.parcels for name in parcel.names]


class EventHeaders:
    """The headers of events, with what many of them share encoded once."""

    def __init__(self, source: str) -> None:
        self._source: Header = ("ce_source", source.encode())
        self._types: dict[str, Header] = {}
        self._microseconds = -1
        self._time: Header = ("ce_time", b"")

    def event(
        self, type: str, id: str, subject: str | None, microseconds: int, trace: str | None
    ) -> list[Header]:
        """Of one event; its time is in microseconds since 2000."""
        if microseconds != self._microseconds:
            at = POSTGRES_EPOCH + timedelta(microseconds=microseconds)
            self._microseconds, self._time = microseconds, ("ce_time", instant(at).encode())
        type_header = self._types.get(type)
        if type_header is None:
            type_header = self._types[type] = ("ce_type", type.encode())
        headers: list[Header]
        id_header = ("ce_id", id.encode())
        if subject is None:
            headers = [SPEC_VERSION, id_header, self._source, type_header, self._time, CONTENT_TYPE]
        else:
            about = ("ce_subject", subject.encode())
            headers = [
                SPEC_VERSION, id_header, self._source, type_header, self._time, about, CONTENT_TYPE
            ]  # fmt: skip
        if trace is not None:
            traced = trace.encode()
            headers += [(CE_TRACEPARENT, traced), (TRACEPARENT, traced)]
        return headers


class HeadersOf(dict[str, EventHeaders]):
    """By source: ours, and those of partners whose events we pass on."""

    def __missing__(self, source: str) -> EventHeaders:
        headers = self[source] = EventHeaders(source)
        return headers


def pack(
    batch: Batch,
    *,
    event_source: str,
    partitions: Mapping[str, int],
    new_builder: Callable[[], Builder],
    alone: Collection[int] = (),
) -> Packed:
    """Pack rows into parcels, the rows of one partition in the order of their ids.

    `partitions` is the number of partitions of each topic; ids in `alone` get a parcel of their own, so that
    Kafka's refusal tells which row it means.
    """
    packed = Packed()
    filling: dict[tuple[str, int], Parcel] = {}
    headers_of = HeadersOf()
    key: bytes | None
    value: bytes | None
    for row in batch.to_unpack():
        id, topic, type, ce_id, subject, key_text, value_text, ce_time, letter_id, again, trace, by = row  # fmt: skip
        if letter_id is None:
            assert ce_id is not None and value_text is not None  # a rule of the table
            if type is None or ce_time is None:
                packed.unfit[id] = "an event needs ce_type and ce_time"
                continue
            key = None if key_text is None else key_text.encode()
            value = value_text.encode()
            name = name_of(ce_id.encode())
            source = by or (FOLLOW_UPS_SOURCE if topic == FOLLOW_UPS else event_source)
            headers = headers_of[source].event(type, ce_id, subject, ce_time, trace)
            if again:
                headers.append(REPUBLISHED)
        else:
            letter = batch.letters.get(letter_id)
            if letter is None:
                packed.unfit[id] = f"dead letter {letter_id} does not exist"
                continue
            key, value, headers = letter.key, letter.value, letter.headers
            name = name_of(letter.place.encode())
        if (size := len(value or b"") + len(key or b"")) > LARGEST_MESSAGE_BYTES:
            packed.unfit[id] = f"{size} bytes are more than any topic takes"
            continue
        # A dead letter may have no key; any partition will do, and the same one every time is easiest to find.
        count = partitions[topic]
        target = (topic, partition_of(key, count) if key is not None else id % count)
        parcel = filling.get(target)
        if (
            parcel is None
            or id in alone
            or parcel.builder.append(timestamp=None, key=key, value=value, headers=headers) is None
        ):
            parcel = Parcel(topic=topic, partition=target[1], builder=new_builder())
            packed.parcels.append(parcel)
            filling[target] = parcel
            parcel.builder.append(timestamp=None, key=key, value=value, headers=headers)
            if id in alone:
                del filling[target]
        parcel.ids.append(id)
        parcel.names.append(name)
    return packed
