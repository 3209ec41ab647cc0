"""Records that must become dead letters, each with the stage at which reading stops.

The name says what is wrong with it; all else about the record is right. Also run through the whole pipeline, at the
first, middle and last place of a batch.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Headers = tuple[tuple[str, bytes | None], ...]

ATTRIBUTES = {
    "specversion": b"1.0",
    "id": b"poison-1",
    "source": b"/games/test",
    "type": b"game.completed",
    "time": b"2026-05-01T09:30:00Z",
}
DATA = {"partner_id": 1, "game_id": 22, "customer_id": "customer-1"}
STRUCTURED: Headers = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonRecord:
    name: str
    headers: Headers
    value: bytes | None
    stage: str


def headers(**changes: bytes | None) -> Headers:
    """Good binary headers, with some attributes changed."""
    return tuple((f"ce_{name}", text) for name, text in {**ATTRIBUTES, **changes}.items())


def headers_without(attribute: str) -> Headers:
    """Good binary headers but for one."""
    return tuple((name, text) for name, text in headers() if name != f"ce_{attribute}")


def value(**changes: Any) -> bytes:
    return json.dumps({**DATA, **changes}).encode()


def with_raw(field: str, raw: str) -> bytes:
    """Good data in which one field's JSON is written as given."""
    return value(**{field: "@"}).replace(b'"@"', raw.encode())


def event(**changes: Any) -> bytes:
    """A good structured event, with some members changed."""
    attributes = {name: text.decode() for name, text in ATTRIBUTES.items()}
    return json.dumps({**attributes, "data": DATA, **changes}).encode()


def event_without(member: str, **changes: Any) -> bytes:
    """A good structured event but for one member, and with some changed."""
    members = json.loads(event(**changes))
    return json.dumps({name: any_ for name, any_ in members.items() if name != member}).encode()


def _in_header(name: str, records: Headers, body: bytes = value()) -> PoisonRecord:
    return PoisonRecord(name=name, headers=records, value=body, stage="header")


def _in_value(name: str, body: bytes | None) -> PoisonRecord:
    return PoisonRecord(name=name, headers=headers(), value=body, stage="decode")


def _in_data(name: str, body: bytes) -> PoisonRecord:
    return PoisonRecord(name=name, headers=headers(), value=body, stage="schema")


def _structured(name: str, body: bytes | None, stage: str) -> PoisonRecord:
    return PoisonRecord(name=name, headers=STRUCTURED, value=body, stage=stage)


CORPUS: Sequence[PoisonRecord] = (
    # The envelope in headers.
    _in_header("no headers at all", ()),
    *(_in_header(f"without ce_{name}", headers_without(name)) for name in ATTRIBUTES),
    *(_in_header(f"null ce_{name}", headers(**{name: None})) for name in ATTRIBUTES),
    *(_in_header(f"empty ce_{name}", headers(**{name: b""})) for name in ATTRIBUTES),
    *(
        _in_header(f"bad UTF-8 in ce_{name}", headers(**{name: b"\xff\xfe" + text}))
        for name, text in ATTRIBUTES.items()
    ),
    *(
        _in_header(f"ce_{name} twice", (*headers(), (f"ce_{name}", text)))
        for name, text in ATTRIBUTES.items()
    ),
    _in_header("extension attribute twice", (*headers(), ("ce_shard", b"1"), ("ce_shard", b"2"))),
    _in_header("header names in upper case", tuple((n.upper(), v) for n, v in headers())),
    _in_header("specversion 0.3", headers(specversion=b"0.3")),
    _in_header("specversion 1.0.2", headers(specversion=b"1.0.2")),
    _in_header("specversion with a space", headers(specversion=b"1.0 ")),
    _in_header("NUL in ce_id", headers(id=b"a\0b")),
    _in_header("NUL in ce_source", headers(source=b"/a\0b")),
    _in_header("NUL in a header's name", (("ce\0_id", b"a"),)),
    _in_header("ce_id of 1025 bytes", headers(id=b"x" * 1025)),
    _in_header("ce_id of 1026 bytes, 513 characters", headers(id="é".encode() * 513)),
    _in_header("ce_source of 1025 bytes", headers(source=b"/" * 1025)),
    _in_header("ce_id of a megabyte", headers(id=b"x" * 900_000)),
    _in_header("surrogate as UTF-8 in ce_id", headers(id=b"\xed\xa0\x80")),
    _in_header("unknown type", headers(type=b"game.started")),
    _in_header("type in upper case", headers(type=b"GAME.COMPLETED")),
    _in_header("an outgoing type", headers(type=b"coupon.issued")),
    *(
        _in_header(f"ce_time {text!r}", headers(time=text.encode()))
        for text in (
            "yesterday",
            "2026-05-01",
            "2026-05-01T09:30:00",
            "2026-05-01 09:30:00Z",
            "2026-05-01T09:30Z",
            "20260501T093000Z",
            "2026-W18-5T09:30:00Z",
            "2026-05-01T09:30:00,5Z",
            "2026-05-01T09:30:00.Z",
            "2026-05-01T09:30:00+0200",
            "2026-05-01T09:30:00+02",
            "2026-05-01T09:30:00+24:00",
            "2026-05-01T09:30:00+02:60",
            "2026-05-01T24:00:00Z",
            "2026-05-01T09:60:00Z",
            "2026-05-01T09:30:60Z",
            "2026-05-01T09:30:61Z",
            "2026-02-30T09:30:00Z",
            "2026-13-01T09:30:00Z",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "+02026-05-01T09:30:00Z",
            "-2026-05-01T09:30:00Z",
            " 2026-05-01T09:30:00Z",
            "2026-05-01T09:30:00Z\n",
            "٢٠٢٦-05-01T09:30:00Z",
            "1777627800",
            "2026-05-01T09:30:00." + "1" * 1000 + "Z",
        )
    ),
    # Content types.
    *(
        _in_header(f"content type {text!r}", (*headers(), ("content-type", text)))
        for text in (
            b"",
            b"json",
            b"application/xml",
            b"application/jsonp",
            b"text/plain; format=json",
            b"application/octet-stream",
            b"\xff\xff",
            b"application/json; padding=" + b"x" * 2000,
            b"application/cloudevents",
            b"application/cloudevents+avro",
            b"application/cloudevents-batch+json",
        )
    ),
    _in_header(
        "content-type twice",
        (*headers(), ("content-type", b"application/json"), ("content-type", b"application/json")),
    ),
    # The value.
    _in_value("tombstone", None),
    PoisonRecord(name="tombstone without headers", headers=(), value=None, stage="decode"),
    _in_value("empty value", b""),
    _in_value("white space", b" \n"),
    _in_value("no JSON", b"partner_id=1"),
    _in_value("cut off", value()[:-1]),
    _in_value("something after the object", value() + b" x"),
    _in_value("two objects", value() + value()),
    _in_value("byte order mark", b"\xef\xbb\xbf" + value()),
    _in_value("UTF-16", value().decode().encode("utf-16")),
    _in_value("bad UTF-8 in a string", value().replace(b"customer-1", b"customer-\xff")),
    _in_value("bad UTF-8 in an unknown field", value(x="@").replace(b"@", b"\xc3\x28")),
    _in_value("surrogate as UTF-8", value().replace(b"customer-1", b"\xed\xa0\x80")),
    _in_value("lone leading surrogate", with_raw("customer_id", r'"a\ud800"')),
    _in_value("lone trailing surrogate", with_raw("session_id", r'"\udc00a"')),
    _in_value("lone surrogate in an unknown field", with_raw("x", r'"\ud83d-"')),
    _in_value("control character in a string", with_raw("customer_id", '"a\nb"')),
    _in_value("raw NUL", value().replace(b"customer-1", b"customer\0")),
    _in_value("single quotes", value().replace(b'"', b"'")),
    _in_value("trailing comma", value()[:-1] + b",}"),
    _in_value("comment", b"/* x */" + value()),
    _in_value("leading zero", with_raw("partner_id", "01")),
    _in_value("plus sign", with_raw("partner_id", "+1")),
    _in_value("hexadecimal", with_raw("partner_id", "0x1")),
    _in_value("NaN in an unknown field", with_raw("x", "NaN")),
    *(
        _in_value(f"score {raw}", with_raw("score", raw))
        for raw in ("NaN", "Infinity", "-Infinity")
    ),
    *(
        _in_data(f"customer {end}", value(customer_id=end.format("anna")))
        for end in (" {}", "{} ", "{}\u00a0", "\u3000{}", "{}\n", "\u2028", " ", "\x85{}")
    ),
    _in_value("Infinity in an unknown field", with_raw("x", "[-Infinity]")),
    _in_value("nested 1,000 deep", with_raw("x", "[" * 1000 + "]" * 1000)),
    _in_value("nested 100,000 deep, never closed", b"[" * 100_000),
    _in_value("an integer of 5,000 digits", with_raw("x", "9" * 5000)),
    _in_value("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00"),
    _in_value("Avro as the schema registry frames it", b"\x00\x00\x00\x00\x01\x02\x2c\x02"),
    # Customers, and what we alone may tell.
    *(
        PoisonRecord(
            name=f"{type_}: {name}",
            headers=headers(type=type_.encode()),
            value=value(**data),
            stage=stage,
        )
        for type_, name, data, stage in (
            ("customer.created", "51 tags", {"tags": ["x"] * 51}, "schema"),
            ("customer.created", "no such day", {"birthday": "2026-02-30"}, "schema"),
            ("customer.updated", "an object among attributes", {"attributes": {"x": {}}}, "schema"),
            ("customer.event", "a name of ours", {"name": "sign_up"}, "schema"),
            (
                "customer.event",
                "a number too long",
                {"name": "x", "metadata": {"x": 10**40}},
                "schema",
            ),
            ("referral.completed", "elsewhere", {"friend_id": "bert"}, "source"),
            ("customer.birthday", "elsewhere", {"year": 2026}, "source"),
        )
    ),
    # The data.
    _in_data("an array", b"[" + value() + b"]"),
    _in_data("null", b"null"),
    _in_data("a string", json.dumps(value().decode()).encode()),
    _in_data("a number", b"1"),
    _in_data("an empty object", b"{}"),
    *(
        _in_data(f"{field} = {raw}", with_raw(field, raw))
        for field in ("partner_id", "game_id")
        for raw in ("1.0", "1e0", '"1"', "true", "null", "0", "-0", "-1", "[1]", "{}")
    ),
    _in_data("game_id of 2^63", with_raw("game_id", str(2**63))),
    _in_data("game_id of -2^63 - 1", with_raw("game_id", str(-(2**63) - 1))),
    _in_data("game_id of 400 digits", with_raw("game_id", "9" * 400)),
    _in_data("game_id with a huge exponent", with_raw("game_id", "1e999999999")),
    _in_data("the last of two partner_ids is wrong", value()[:-1] + b', "partner_id": "1"}'),
    *(
        _in_data(f"customer_id = {raw[:20]}", with_raw("customer_id", raw))
        for raw in ('""', "null", "17", "true", '["a"]', r'"a\u0000"', f'"{"x" * 129}"')
    ),
    _in_data("without customer_id", json.dumps({"partner_id": 1, "game_id": 22}).encode()),
    _in_data("field names in camel case", b'{"partnerId":1,"gameId":22,"customerId":"c"}'),
    _in_data("session_id with NUL", with_raw("session_id", r'"\u0000"')),
    _in_data("session_id a number", with_raw("session_id", "5")),
    *(
        _in_data(f"result = {raw}", with_raw("result", raw))
        for raw in ("null", '""', '"WON"', '"draw"', "true", "1")
    ),
    *(
        _in_data(f"score = {raw[:20]}", with_raw("score", raw))
        for raw in ('"87"', "true", "[]", "1e400", "-1e999999999", "9" * 400)
    ),
    # Structured events.
    _structured("structured tombstone", None, "decode"),
    _structured("structured, empty value", b"", "decode"),
    _structured("structured, byte order mark", b"\xef\xbb\xbf" + event(), "decode"),
    _structured("structured, bad UTF-8", event().replace(b"poison-1", b"\xff"), "decode"),
    _structured("structured, an array (a batch)", b"[" + event() + b"]", "decode"),
    _structured("structured, null", b"null", "decode"),
    _structured("structured, only the data", value(), "header"),
    *(
        _structured(f"structured without {name}", event_without(name), "header")
        for name in ATTRIBUTES
    ),
    *(
        _structured(f"structured, null {name}", event(**{name: None}), "header")
        for name in ATTRIBUTES
    ),
    _structured("structured, specversion 0.3", event(specversion="0.3"), "header"),
    _structured("structured, specversion a number", event(specversion=1.0), "header"),
    _structured("structured, id a number", event(id=1), "header"),
    _structured("structured, empty id", event(id=""), "header"),
    _structured("structured, NUL in the id", event(id="a\0"), "header"),
    _structured("structured, lone surrogate in the id", event(id="\ud800"), "decode"),
    _structured("structured, id of 1026 bytes", event(id="é" * 513), "header"),
    _structured("structured, time a number", event(time=1777627800), "header"),
    _structured("structured, time without a zone", event(time="2026-05-01T09:30:00"), "header"),
    _structured("structured, unknown type", event(type="game.started"), "header"),
    _structured("structured, XML inside", event(datacontenttype="text/xml", data="<a/>"), "header"),
    _structured("structured without data", event_without("data"), "schema"),
    _structured("structured, data null", event(data=None), "schema"),
    _structured("structured, data in a string", event(data=json.dumps(DATA)), "schema"),
    _structured(
        "structured, partner_id a string", event(data={**DATA, "partner_id": "1"}), "schema"
    ),
    _structured("structured, score NaN", event(data={**DATA, "score": float("nan")}), "decode"),
    _structured("structured, NaN in an extension", event(x=float("nan")), "decode"),
    _structured("structured, no base64", event_without("data", data_base64="%%"), "decode"),
    _structured(
        "structured, base64 of no JSON",
        event_without("data", data_base64=b64encode(b"x").decode()),
        "decode",
    ),
    _structured(
        "structured, base64 of wrong data",
        event_without("data", data_base64=b64encode(b"{}").decode()),
        "schema",
    ),
    _structured(
        "structured, data and base64", event(data_base64=b64encode(value()).decode()), "decode"
    ),
)
