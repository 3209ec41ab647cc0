"""`traceparent`: what is valid by W3C Trace Context, which of several counts, and that nothing else is let through."""

from __future__ import annotations

import pytest

from services.adapters.traceparent import MAX_CHARACTERS, in_headers, repeated, told, valid

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"
OTHER = f"00-{TRACE}-{SPAN}-00"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD, id="version 00, sampled"),
        pytest.param(OTHER, id="not sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-ff", id="flags of any kind"),
        pytest.param(f"00-{'0' * 31}1-{'0' * 15}1-01", id="ids of almost nothing but zeros"),
        pytest.param(f"01-{TRACE}-{SPAN}-01", id="a version to come"),
        pytest.param(f"fe-{TRACE}-{SPAN}-01", id="the last version"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-what.the-future=brings", id="a version that says more"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-", id="a version that says nothing more"),
    ],
)
def test_traceparent_is_valid(text: str) -> None:
    """It is passed on, unchanged."""
    assert valid(text) == text
    assert told(text) == text
    assert in_headers({"traceparent": text.encode()}) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("x", id="something else"),
        pytest.param(GOOD[:-1], id="too short"),
        pytest.param(f"{GOOD}0", id="too long"),
        pytest.param(f"{GOOD}-more", id="version 00 that says more"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01.more", id="more of a version to come, without a dash"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-{'x' * MAX_CHARACTERS}", id="endless"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-a b", id="white space in what is more"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-\x00", id="NUL in what is more"),
        pytest.param(f"ff-{TRACE}-{SPAN}-01", id="version ff"),
        pytest.param(f"0-{TRACE}-{SPAN}-01", id="version of one digit"),
        pytest.param(f"00-{'0' * 32}-{SPAN}-01", id="a trace of zeros"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", id="a parent of zeros"),
        pytest.param(f"00-{TRACE.upper()}-{SPAN}-01", id="upper case"),
        pytest.param(f"00-{TRACE}-{SPAN}-0g", id="flags that are not hexadecimal"),
        pytest.param(f"00-{TRACE[:-1]}٣-{SPAN}-01", id="digits that are not ASCII"),
        pytest.param(f"00_{TRACE}_{SPAN}_01", id="no dashes"),
        pytest.param(f" {GOOD}", id="white space before"),
        pytest.param(f"{GOOD}\n", id="a line end behind"),
    ],
)
def test_traceparent_is_not_valid(text: str) -> None:
    """It is as if it were not there."""
    assert valid(text) is None
    assert told(text) is None
    assert in_headers({"ce_traceparent": text.encode()}) is None


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        ({"traceparent": GOOD}, GOOD),
        ({"ce_traceparent": GOOD}, GOOD),
        ({"ce_traceparent": GOOD, "traceparent": OTHER}, GOOD),
        ({"ce_traceparent": "x", "traceparent": OTHER}, OTHER),
        ({"ce_traceparent": None, "traceparent": OTHER}, OTHER),
        ({"ce_traceparent": "x", "traceparent": "y"}, None),
        ({"Traceparent": GOOD, "ce_tracestate": "a=b"}, None),
    ],
)
def test_first_valid_header_counts(headers: dict[str, str | None], found: str | None) -> None:
    """That of CloudEvents, else the bare one; Kafka's header names know no case folding."""
    assert in_headers({n: v if v is None else v.encode() for n, v in headers.items()}) == found


def test_header_that_comes_twice_counts_as_absent() -> None:
    """Whatever it says; the other name still counts."""
    pairs: list[tuple[str, bytes | None]] = [("traceparent", b"a"), ("x", b""), ("x", b""), ("traceparent", b"a"), ("ce_traceparent", GOOD.encode())]  # fmt: skip
    assert repeated(pairs) == {"traceparent": None}
    assert in_headers(dict(pairs) | repeated(pairs)) == GOOD


@pytest.mark.parametrize("value", [None, 1, True, [GOOD], {"traceparent": GOOD}])
def test_member_that_is_no_text_is_none(value: object) -> None:
    """A structured event may say anything."""
    assert told(value) is None
