"""The codec: what a record must look like to become an event, and what becomes of all others."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord
from hypothesis import example, given
from hypothesis import strategies as st

from services.adapters.event_keys import event_key, event_keys_of
from services.domain.arrival import Incoming
from services.domain.events import Cause, GameCompleted, Position
from services.issuer.codec import read_record
from services.issuer.traces import trace_of
from services.issuer.unreadable import Poison
from tests.issuer.poison_corpus import (
    CORPUS,
    DATA,
    STRUCTURED,
    Headers,
    PoisonRecord,
    event,
    event_without,
    headers,
    headers_without,
    value,
    with_raw,
)

ORDER = {"partner_id": 1, "order_id": "o", "customer_id": "c", "currency": "EUR", "total": 1}


def record(record_headers: Headers, record_value: bytes | None) -> ConsumerRecord:
    return ConsumerRecord(
        topic="game-completed",
        partition=3,
        offset=1042,
        timestamp=1777627800123,
        timestamp_type=0,
        key=b"anything",
        value=record_value,
        checksum=None,
        serialized_key_size=8,
        serialized_value_size=len(record_value or b""),
        headers=record_headers,
    )


def read(record_headers: Headers, record_value: bytes | None) -> GameCompleted:
    incoming = read_record(record(record_headers, record_value))
    assert isinstance(incoming, Incoming), incoming
    assert isinstance(incoming.event, GameCompleted)
    return incoming.event


def test_codec_reads_everything_of_a_binary_record() -> None:
    """All attributes and fields arrive, together with the record's place and time."""
    data = {**DATA, "session_id": "s-1", "result": "lost", "score": 87.5}
    incoming = read_record(record(headers(), json.dumps(data).encode()))
    assert incoming == Incoming(
        event=GameCompleted(
            cause=Cause(source="/games/test", id="poison-1", type="game.completed"),
            occurred_at=datetime(2026, 5, 1, 9, 30, tzinfo=UTC),
            partner_id=1,
            game_id=22,
            customer_id="customer-1",
            won=False,
            session_id="s-1",
            score=87.5,
        ),
        event_key=event_key("/games/test", "poison-1"),
        position=Position(topic="game-completed", partition=3, offset=1042),
        timestamp_ms=1777627800123,
    )


@pytest.mark.parametrize(
    ("record_headers", "record_value"),
    [
        pytest.param(headers(), value(), id="binary without content type"),
        pytest.param(
            (*headers(), ("content-type", b"application/json; charset=utf-8")), value(), id="JSON"
        ),
        pytest.param((*headers(), ("content-type", b"Text/JSON")), value(), id="text/json"),
        pytest.param((*headers(), ("content-type", b"a/vnd.x+json")), value(), id="+json"),
        pytest.param((*headers(), ("content-type", None)), value(), id="null content type"),
        pytest.param(tuple(reversed(headers())), value(), id="headers in another order"),
        pytest.param((*headers(), ("trace", b"\xff"), ("trace", b"")), value(), id="other headers"),
        pytest.param((*headers(), ("ce_shard", b"\xff")), value(), id="extension attribute"),
        pytest.param((*headers(), ("CE_ID", b"other")), value(), id="header in upper case"),
        pytest.param(STRUCTURED, event(), id="structured"),
        pytest.param(
            (("content-type", b"Application/CloudEvents+JSON"),), event(), id="mixed case"
        ),
        pytest.param(
            STRUCTURED, event(datacontenttype="application/json", subject=None), id="optional ones"
        ),
        pytest.param((*headers(id=b"other"), *STRUCTURED), event(), id="structured beside headers"),
        pytest.param(
            STRUCTURED,
            event_without("data", data_base64=b64encode(value()).decode()),
            id="structured in base64",
        ),
        pytest.param(headers(), b" \n" + value() + b"\r\n", id="white space around"),
        pytest.param(headers(), value(session_id=None, score=None), id="nulls"),
        pytest.param(headers(), value(x={"partner_id": "\0"}), id="unknown field with anything"),
        pytest.param(headers(), value(x="NaN and Infinity"), id="NaN in a text"),
        pytest.param(headers(), with_raw("x", "[" * 100 + "]" * 100), id="nested 100 deep"),
        pytest.param(
            headers(), b'{"partner_id":"x",' + value()[1:], id="the last of two names counts"
        ),
    ],
)
def test_codec_reads_the_same_event(record_headers: Headers, record_value: bytes) -> None:
    """Every accepted way to write this event gives this event."""
    assert read(record_headers, record_value) == read(headers(), value())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-01T09:30:00Z", "2026-05-01T09:30:00"),
        ("2026-05-01t09:30:00z", "2026-05-01T09:30:00"),
        ("2026-05-01T11:30:00+02:00", "2026-05-01T09:30:00"),
        ("2026-05-01T09:30:00-00:00", "2026-05-01T09:30:00"),
        ("2026-05-01T09:30:00.5Z", "2026-05-01T09:30:00.500000"),
        ("2026-05-01T09:30:00.123456789Z", "2026-05-01T09:30:00.123456"),
        ("2026-05-01T09:30:00.999999999Z", "2026-05-01T09:30:00.999999"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00"),
        ("2017-01-01T00:59:60.25+01:00", "2017-01-01T00:00:00.250000"),
    ],
)
def test_codec_reads_the_time(text: str, expected: str) -> None:
    """RFC 3339 in all its forms becomes a UTC instant, in both modes."""
    for occurred_at in (
        read(headers(time=text.encode()), value()).occurred_at,
        read(STRUCTURED, event(time=text)).occurred_at,
    ):
        assert occurred_at.isoformat() == expected + "+00:00"
        assert occurred_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("field", "raw", "attribute", "expected"),
    [
        ("partner_id", "9223372036854775807", "partner_id", 2**63 - 1),
        ("customer_id", json.dumps("x" * 128), "customer_id", "x" * 128),
        ("customer_id", json.dumps("😀" * 128), "customer_id", "😀" * 128),
        ("customer_id", r'"a\nb\ud83d\ude00"', "customer_id", "a\nb😀"),
        ("customer_id", '"a b"', "customer_id", "a b"),
        ("session_id", '""', "session_id", ""),
        ("result", '"won"', "won", True),
        ("result", '"lost"', "won", False),
        ("score", "5", "score", 5.0),
        ("score", "-0.5e1", "score", -5.0),
        ("score", "1" + "0" * 30, "score", 1e30),
        ("score", "1e-999", "score", 0.0),
    ],
)
def test_codec_reads_the_limits(field: str, raw: str, attribute: str, expected: Any) -> None:
    """The outermost values that are still right are taken as they are."""
    assert getattr(read(headers(), with_raw(field, raw)), attribute) == expected


def test_codec_takes_header_values_literally() -> None:
    """Percent signs mean nothing in Kafka, and 1,024 bytes of any script make an id."""
    got = read(headers(id="é".encode() * 512, source=b"/a%20b?c=%41"), value())
    assert got.cause.id == "é" * 512
    assert got.cause.source == "/a%20b?c=%41"


@pytest.mark.parametrize("poison", CORPUS, ids=[poison.name for poison in CORPUS])
def test_codec_turns_poison_away_at_its_stage(poison: PoisonRecord) -> None:
    """Every record of the corpus is poison, with one printable line that names a field."""
    answer = read_record(record(poison.headers, poison.value))
    assert isinstance(answer, Poison), answer
    assert answer.stage == poison.stage
    field, colon, problem = answer.message.partition(": ")
    assert field
    assert colon
    assert problem
    assert answer.message.isascii()
    assert answer.message.isprintable()
    assert answer.exception.isidentifier()


def test_corpus_is_large_and_names_are_unique() -> None:
    """At least 40 different records."""
    names = [poison.name for poison in CORPUS]
    assert len(set(names)) == len(names) >= 40


@pytest.mark.parametrize(
    ("record_headers", "record_value", "stage", "exception", "message"),
    [
        (headers(), value(game_id="7"), "schema", "ValidationError",
         "data.game_id: Input should be a valid integer"),
        (STRUCTURED, event(data={**DATA, "game_id": "7"}), "schema", "ValidationError",
         "data.game_id: Input should be a valid integer"),
        (headers(), b"[]", "schema", "ValidationError", "data: Input should be an object"),
        (headers(), b"{", "decode", "ValidationError",
         "value: Invalid JSON: EOF while parsing an object at line 1 column 1"),
        (headers(), None, "decode", "DecodeError",
         "value: null (a tombstone), an event needs data"),
        (headers(time=b"now"), value(), "header", "ValueError",
         "ce_time: not RFC 3339 with a zone, such as 2026-05-01T09:30:00Z"),
        (STRUCTURED, event(time="now"), "header", "ValidationError",
         "time: not RFC 3339 with a zone, such as 2026-05-01T09:30:00Z"),
        (headers(type=b"a"), value(), "header", "HeaderError",
         ("ce_type: unknown type 'a', known are game.completed, order.placed, order.cancelled, order.refunded, "
          "customer.created, customer.updated, customer.event, points.redeem-requested, points.undo-requested, "
          "referral.completed, customer.birthday; "
          "name it in COUPONRY_IGNORED_TYPES to pass such events over")),
        (headers(type=b"order.placed"), json.dumps(ORDER | {"lines": {}}).encode(), "schema", "ValidationError",
         "data.lines: Input should be a valid array"),
        (headers(type=b"order.placed"), json.dumps(ORDER | {"coupon_codes": ["x"] * 21}).encode(), "schema",
         "ValidationError", "data.coupon_codes: Array should have at most 20 items after validation, not 21"),
        ((*headers(), ("ce_id", b"2")), value(), "header", "HeaderError", "ce_id: comes 2 times"),
        (headers_without("source"), value(), "header", "HeaderError", "ce_source: missing"),
    ],
)  # fmt: skip
def test_poison_says_what_is_wrong(
    record_headers: Headers, record_value: bytes | None, stage: str, exception: str, message: str
) -> None:
    """Stage, class and message, as they reach the dead letter."""
    answer = read_record(record(record_headers, record_value))
    assert isinstance(answer, Poison)
    assert (answer.stage, answer.exception, answer.message) == (stage, exception, message)


@pytest.mark.parametrize(
    ("record_headers", "record_value", "identity"),
    [
        (headers(), b"", ("poison-1", "/games/test", "game.completed")),
        (headers(), None, ("poison-1", "/games/test", "game.completed")),
        (headers(id=b"\xff"), b"", (None, "/games/test", "game.completed")),
        (headers(id=b"a\0", source=b"", type=b"x" * 1025), b"", (None, None, None)),
        ((), b"", (None, None, None)),
        (STRUCTURED, event(data={}), ("poison-1", "/games/test", "game.completed")),
        (STRUCTURED, event(id=[1], source=0), (None, None, "game.completed")),
        (STRUCTURED, b"{", (None, None, None)),
        ((*headers(), *STRUCTURED), b"{", ("poison-1", "/games/test", "game.completed")),
    ],
)
def test_poison_carries_the_identity_that_can_be_read(
    record_headers: Headers, record_value: bytes | None, identity: tuple[str | None, ...]
) -> None:
    """What can be stored of id, source and type is kept, so that the record can be found again."""
    answer = read_record(record(record_headers, record_value))
    assert isinstance(answer, Poison)
    assert (answer.event_id, answer.event_source, answer.event_type) == identity


def test_event_key_is_made_of_id_and_source() -> None:
    """10 bytes of the id and 6 of the source, so that an id alone is a range of keys. Stored for ever."""
    key = event_key("/games/test", "e-1")
    assert UUID(key).bytes == (
        blake2b(b"e-1", digest_size=10).digest() + blake2b(b"/games/test", digest_size=6).digest()
    )
    low, high = event_keys_of("e-1")
    assert low <= key <= high
    assert not low <= event_key("/games/test", "e-2") <= high


NAMES = st.one_of(
    st.sampled_from([f"ce_{name}" for name in ("specversion", "id", "source", "type", "time")]),
    st.just("content-type"),
    st.text(max_size=10),
)
HEADER_VALUES = st.one_of(
    st.none(),
    st.binary(max_size=30),
    st.sampled_from([b"1.0", b"game.completed", b"2026-05-01T09:30:00Z", b"application/json",
                     b"application/cloudevents+json"]),
)  # fmt: skip
MEMBERS = st.sampled_from(["specversion", "id", "source", "type", "time", "data", "data_base64",
                           "partner_id", "game_id", "customer_id", "score", "x"])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=6),
    max_leaves=15,
)
VALUES = st.one_of(
    st.none(), st.binary(max_size=60), JSON.map(lambda anything: json.dumps(anything).encode())
)


@given(st.lists(st.tuples(NAMES, HEADER_VALUES), max_size=9).map(tuple), VALUES)
@example((), b"\xff")
def test_read_record_never_raises(record_headers: Headers, record_value: bytes | None) -> None:
    """Arbitrary headers and bytes get an answer."""
    assert isinstance(read_record(record(record_headers, record_value)), Incoming | Poison)


@given(st.dictionaries(MEMBERS, JSON))
def test_read_record_never_raises_for_structured_events(changes: dict[str, Any]) -> None:
    """A structured event with anything in any member gets an answer."""
    assert isinstance(read_record(record(STRUCTURED, event(**changes))), Incoming | Poison)


@given(JSON)
def test_read_record_answers_alike_in_both_modes(data: Any) -> None:
    """Arbitrary data inside a good envelope get the same answer, the reason included."""
    binary = read_record(record(headers(), json.dumps(data).encode()))
    assert binary == read_record(record(STRUCTURED, event(data=data)))


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=200
)
IDS = st.integers(1, 2**63 - 1)


@given(
    cause=st.builds(Cause, source=TEXT, id=TEXT, type=st.just("game.completed")),
    # Two days from the ends of Python's time, so that every offset has a local time.
    occurred_at=st.timedeltas(timedelta(days=1 - 719_161), timedelta(days=2_932_894)).map(
        lambda since: datetime(1970, 1, 3, tzinfo=UTC) + since
    ),
    offset=st.integers(-23 * 60, 23 * 60),
    data=st.fixed_dictionaries(
        {
            "partner_id": IDS,
            "game_id": IDS,
            "customer_id": TEXT.map(lambda text: f"c{text[:126]}c"),
        },
        optional={
            "session_id": st.none() | TEXT,
            "result": st.sampled_from(["won", "lost"]),
            "score": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        },
    ),
)
def test_codec_returns_what_was_sent(
    cause: Cause, occurred_at: datetime, offset: int, data: dict[str, Any]
) -> None:
    """A valid event written in either mode, at any offset from UTC, is read back equal."""
    expected = GameCompleted(
        cause=cause,
        occurred_at=occurred_at,
        partner_id=data["partner_id"],
        game_id=data["game_id"],
        customer_id=data["customer_id"],
        won=data.get("result", "won") == "won",
        session_id=data.get("session_id"),
        score=data.get("score"),
    )
    zone = timedelta(minutes=offset)
    sign, minutes = "-" if offset < 0 else "+", abs(offset)
    local = (occurred_at + zone).replace(tzinfo=None).isoformat(timespec="microseconds")
    time = f"{local}{sign}{minutes // 60:02}:{minutes % 60:02}"
    binary = headers(id=cause.id.encode(), source=cause.source.encode(), time=time.encode())
    assert read(binary, json.dumps(data, ensure_ascii=False).encode()) == expected
    assert (
        read(STRUCTURED, event(id=cause.id, source=cause.source, time=time, data=data)) == expected
    )


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
BARE, EXTENSION = ("traceparent", TRACE.encode()), ("ce_traceparent", TRACE.encode())


@pytest.mark.parametrize(
    ("record_headers", "record_value", "trace"),
    [
        pytest.param(headers(), value(), None, id="none"),
        pytest.param((*headers(), BARE), value(), TRACE, id="bare"),
        pytest.param((*headers(), EXTENSION), value(), TRACE, id="CloudEvents"),
        pytest.param(
            (*headers(), ("traceparent", OTHER.encode()), EXTENSION), value(), TRACE, id="both"
        ),
        pytest.param((*headers(), ("traceparent", b"\xff")), value(), None, id="not valid"),
        pytest.param((*headers(), ("ce_traceparent", None)), value(), None, id="null"),
        pytest.param((*headers(), BARE, BARE), value(), None, id="twice"),
        pytest.param((*headers(), EXTENSION, EXTENSION, BARE), value(), TRACE, id="one twice"),
        pytest.param(STRUCTURED, event(traceparent=TRACE), TRACE, id="structured"),
        pytest.param(
            (*STRUCTURED, ("ce_traceparent", OTHER.encode())), event(traceparent=TRACE), TRACE,
            id="structured beside headers",
        ),
        pytest.param((*STRUCTURED, BARE), event(), TRACE, id="structured, in a header alone"),
        pytest.param((*STRUCTURED, BARE), event(traceparent=7), TRACE, id="structured, no text"),
        pytest.param(STRUCTURED, event(traceparent="00"), None, id="structured, not valid"),
    ],
)  # fmt: skip
def test_trace_is_read_and_never_refuses_an_event(
    record_headers: Headers, record_value: bytes, trace: str | None
) -> None:
    """The event is the same with any, and logs say the same of its record as its decision does."""
    incoming = read_record(record(record_headers, record_value))
    assert isinstance(incoming, Incoming)
    assert (incoming.event, incoming.traceparent) == (read(headers(), value()), trace)
    assert trace_of(record_headers, record_value) == trace


def test_trace_is_read_of_what_cannot_be_read() -> None:
    """No JSON, no value, another event format."""
    assert trace_of((BARE,), None) == TRACE
    assert trace_of((*STRUCTURED, BARE), b"{") == TRACE
    assert trace_of((*STRUCTURED, BARE), b"[]") == TRACE
    assert trace_of((), b"\xff") is None
