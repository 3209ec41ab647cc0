"""Letters of records that look like another tool's: they say what to do, beside what is wrong."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from services.issuer.codec import read_record
from services.issuer.unreadable import Poison
from tests.issuer.poison_corpus import ATTRIBUTES, STRUCTURED, Headers, event, headers, value
from tests.stand.records import raw

QUOTED = tuple((f"ce_{name}", b'"' + text + b'"') for name, text in ATTRIBUTES.items())
DASHED = tuple((f"ce-{name}", text) for name, text in ATTRIBUTES.items())
OLD = tuple((f"cloudEvents:{name}", text) for name, text in ATTRIBUTES.items())

SEEN = {
    "quoted header values": (QUOTED, value(), "header", "send header values as plain text"),
    "a quoted version": (headers(specversion=b'"1.0"'), value(), "header", "plain text"),
    "single quotes round a version": (headers(specversion=b"'1.0'"), value(), "header", "plain text"),
    "a quoted content type": (
        (*headers(), ("content-type", b'"application/json"')), value(), "header", "content-type is in quotes"),
    "a whole event beside headers": (headers(), event(), "schema", "in its 'data' alone"),
    "a whole event in a whole event": (STRUCTURED, event(data=json.loads(event())), "schema", "in its 'data' alone"),
    "a whole event without a header": ((), event(), "header", "content-type: application/cloudevents+json"),
    "names as over HTTP": (DASHED, value(), "header", "its name is ce_specversion"),
    "names of an old binding": (OLD, value(), "header", "its name is ce_specversion"),
    "structured by name only": (
        (*headers(), *STRUCTURED), value(), "header", "content-type: application/json instead of"),
    "encoded twice": (headers(), json.dumps(value().decode()).encode(), "schema", "encoded twice"),
    "encoded three times": (
        headers(), json.dumps(json.dumps(value().decode())).encode(), "schema", "encoded twice or more"),
    "data encoded twice": (STRUCTURED, event(data=value().decode()), "schema", "encoded twice"),
    "base64": (headers(), b64encode(value()), "decode", "base64"),
    "base64 in a string": (headers(), b'"' + b64encode(value()) + b'"', "schema", "base64"),
    "a byte order mark": (headers(), b"\xef\xbb\xbf" + value(), "decode", "byte order mark"),
    "UTF-16": (headers(), value().decode().encode("utf-16"), "decode", "UTF-16: send UTF-8"),
    "UTF-16 without a mark": (headers(), value().decode().encode("utf-16-le"), "decode", "UTF-16"),
    "UTF-16, the other way round": (headers(), value().decode().encode("utf-16-be"), "decode", "UTF-16"),
    "zlib": (headers(), b"\x78\x9c" + value(), "decode", "zlib"),
    "lz4": (headers(), b"\x04\x22\x4d\x18" + value(), "decode", "lz4"),
    "Java's own": (headers(), b"\xac\xed\x00\x05t" + value(), "decode", "Java"),
    "gzip": (headers(), b"\x1f\x8b\x08\x00" + value(), "decode", "gzip"),
    "a schema registry's": (headers(), b"\0\0\0\0\x07" + value(), "decode", "schema registry"),
    "single quotes": (headers(), b"{'partner_id': 1}", "decode", "single quotes"),
    "XML": (headers(), b"<order/>", "decode", "XML"),
    "a list": (headers(), b"[" + value() + b"]", "schema", "one record for each"),
    "Connect's converter": (headers(), b'{"schema":null,"payload":' + value() + b"}", "schema", "schemas.enable"),
    "wrapped": (headers(), b'{"data":' + value() + b"}", "schema", "send the object inside"),
}  # fmt: skip


@pytest.mark.parametrize("seen", SEEN)
def test_letter_says_what_to_do(seen: str) -> None:
    """What is wrong first, at its stage; then what the record looks like."""
    record_headers, record_value, stage, words = SEEN[seen]
    answer = read_record(raw(record_headers, record_value))
    assert isinstance(answer, Poison)
    assert answer.stage == stage
    wrong, _, todo = answer.message.partition("; ")
    assert wrong
    assert words in todo


@pytest.mark.parametrize(
    ("record_headers", "record_value"),
    [
        (headers(time=b"now"), value()),
        (headers(), b""),
        (headers(), b"no JSON at all"),
        (headers(), b"[" * 100_000),
        (headers(), b'{"partner_id": "1"}'),
        ((), value()),
        (STRUCTURED, b"{}"),
    ],
)
def test_letter_guesses_nothing_else(record_headers: Headers, record_value: bytes) -> None:
    """Of what looks like nothing known only the fault is told."""
    answer = read_record(raw(record_headers, record_value))
    assert isinstance(answer, Poison)
    assert "; " not in answer.message
