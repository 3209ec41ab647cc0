"""Log lines: JSON, and no secret in them wherever it came from."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from services.runtime.logs import JsonLines, masked


def line(record: logging.LogRecord) -> dict[str, str]:
    """What would be written."""
    text = JsonLines("issuer").format(record)
    assert "\n" not in text
    parsed: dict[str, str] = json.loads(text)
    return parsed


def test_log_line_carries_instant_process_message_and_fields() -> None:
    """Each line is one JSON object with the extra fields beside the fixed ones."""
    record = logging.LogRecord("couponry", logging.INFO, __file__, 1, "batch of %d", (7,), None)
    record.partition = 3
    record.created = 1_700_000_000.25
    assert line(record) == {
        "at": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "process": "issuer",
        "logger": "couponry",
        "message": "batch of 7",
        "partition": 3,
    }


def test_log_line_carries_the_traceback() -> None:
    """An exception is on the same line, with its traceback."""
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    assert "ValueError: broken" in line(record)["error"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("issued 0123-4567-89AB-CDEF", "issued ***"),
        ("issued SUMMER-0123-4567-89AB-CDEF!", "issued SUMMER-***!"),
        ("Key (code)=(0123456789ABCDEF) already exists.", "Key (code)=(***) already exists."),
        ("token eyJhbGciOi.eyJwYXJ0.c2ln-_x", "token ***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("postgresql://couponry:p4ss@db:5432/x", "postgresql://***@db:5432/x"),
        ("redis://:p4ss@cache", "redis://***@cache"),
        ("0190a0b0-1111-7222-8333-444455556666", "0190a0b0-1111-7222-8333-444455556666"),
        ("http://127.0.0.1:8080/livez", "http://127.0.0.1:8080/livez"),
        ("2026-11-22T11:49:42.967Z", "2026-11-22T11:49:42.967Z"),
    ],
)
def test_log_masks_secrets_and_nothing_else(text: str, expected: str) -> None:
    """Codes, tokens and passwords are masked; ids, addresses and instants stay readable."""
    assert masked(text) == expected
