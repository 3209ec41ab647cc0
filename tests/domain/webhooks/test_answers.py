"""What an answer of a partner's system means, and when it is asked again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.webhooks.answers import (
    Answer,
    AttemptError,
    DeliveryKind,
    Outcome,
    verdict,
)
from services.domain.webhooks.schedule import (
    RETRY_SECONDS,
    pause_after,
    schedule_of,
    seconds_asked_for,
)

_E = AttemptError


@pytest.mark.parametrize(
    ("status", "document", "outcome", "code", "error"),
    [
        (200, {"code": "A"}, Outcome.DONE, "A", None),
        (201, {"couponCode": "B"}, Outcome.DONE, "B", None),
        (200, {"couponCode": "B", "code": "A"}, Outcome.DONE, "B", None),
        (200, {"couponCode": None, "code": "A"}, Outcome.DONE, "A", None),
        (200, {"code": "ü " * 127 + "x"}, Outcome.DONE, "ü " * 127 + "x", None),
        (200, {"code": "x" * 256}, Outcome.FAILED, None, _E.NO_CODE),
        (200, {"code": ""}, Outcome.FAILED, None, _E.NO_CODE),
        (200, {"code": " A"}, Outcome.FAILED, None, _E.NO_CODE),
        (200, {"code": "A\n"}, Outcome.FAILED, None, _E.NO_CODE),
        (200, {"code": "A\0B"}, Outcome.FAILED, None, _E.NO_CODE),
        (200, {"code": "\ud800"}, Outcome.FAILED, None, _E.NO_CODE),
        (200, {"code": 17}, Outcome.FAILED, None, _E.NO_CODE),
        (200, {}, Outcome.FAILED, None, _E.NO_CODE),
        (200, ["A"], Outcome.FAILED, None, _E.NOT_JSON),
        (202, None, Outcome.PROMISED, None, None),
        (204, {"code": "A"}, Outcome.FAILED, None, _E.STATUS),
        (302, {"code": "A"}, Outcome.FAILED, None, _E.STATUS),
        (404, {"code": "A"}, Outcome.FAILED, None, _E.STATUS),
        (410, {"code": "A"}, Outcome.GONE, None, _E.GONE),
        (500, None, Outcome.FAILED, None, _E.STATUS),
    ],
)
def test_answer_means(
    status: int, document: Any, outcome: Outcome, code: str | None, error: AttemptError | None
) -> None:
    """A code by 200 or 201, in an object, in one of two names; a promise; a farewell; and failures."""
    got = verdict(Answer(status=status, document=document))
    assert (got.outcome, got.code, got.error) == (outcome, code, error)


@pytest.mark.parametrize("error", [_E.TOO_LARGE, _E.NOT_JSON])
def test_body_that_could_not_be_read_fails_where_one_is_needed(error: AttemptError) -> None:
    """With 200 it is why; with another status that says enough."""
    assert verdict(Answer(status=200, error=error)).error is error
    assert verdict(Answer(status=500, error=error)).error is _E.STATUS
    assert verdict(Answer(status=202, error=error)).outcome is Outcome.PROMISED


def test_attempt_without_an_answer_says_why() -> None:
    """Whatever kept it from coming."""
    assert verdict(Answer(error=_E.TLS)).error is _E.TLS


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.DONE),
        (204, Outcome.DONE),
        (202, Outcome.DONE),
        (404, Outcome.FAILED),
        (410, Outcome.GONE),
    ],
)
def test_cancellation_asks_for_no_code(status: int, outcome: Outcome) -> None:
    """Any success is one."""
    assert verdict(Answer(status=status), DeliveryKind.CANCELLED).outcome is outcome


def test_schedule_by_default_is_three_days() -> None:
    """Fourteen attempts, the first at once."""
    assert (len(RETRY_SECONDS), RETRY_SECONDS[0]) == (14, 0)
    assert 2.9 < sum(RETRY_SECONDS) / 86_400 < 3.0


@given(draw=st.floats(0, 1, exclude_max=True), tries=st.integers(1, 20))
def test_pause_is_that_of_the_schedule_within_a_tenth(draw: float, tries: int) -> None:
    """Short ones exactly; behind the last attempt there is none."""
    pause = pause_after(RETRY_SECONDS, tries, draw=draw)
    if tries >= len(RETRY_SECONDS):
        assert pause is None
    else:
        wanted = RETRY_SECONDS[tries]
        assert pause is not None
        most = (
            0.1 * wanted * (1 + 1e-9) if wanted > 60 else 0
        )  # the last digit of a float is nobody's
        assert abs(pause - wanted) <= most


@pytest.mark.parametrize(
    ("status", "error", "tries", "goes_on"),
    [
        *((status, _E.STATUS, 2, True) for status in (400, 404, 409, 413, 422)),
        *((status, _E.STATUS, 3, False) for status in (400, 404, 409, 413, 422)),
        (200, _E.CODE_TAKEN, 2, True),
        (200, _E.CODE_TAKEN, 3, False),
        (200, _E.NO_CODE, 3, True),
        (401, _E.STATUS, 3, True),
        (500, _E.STATUS, 13, True),
        (500, _E.STATUS, 14, False),
        (None, _E.TIMEOUT, 3, True),
    ],
)
def test_answer_that_will_not_change_is_asked_for_three_times(
    status: int | None, error: AttemptError, tries: int, goes_on: bool
) -> None:
    """What may change as often as the schedule says."""
    pause = pause_after(RETRY_SECONDS, tries, draw=0.5, status=status, error=error)
    assert (pause is not None) is goes_on


@pytest.mark.parametrize(
    ("status", "asked", "pause"),
    [
        (429, 12.0, 12.0),
        (503, 20.0, 20.0),
        (503, 500.0, 20.0),
        (429, 1.0, 5.0),
        (500, 12.0, 5.0),
        (429, None, 5.0),
    ],
)
def test_who_asks_for_time_gets_it_within_reason(
    status: int, asked: float | None, pause: float
) -> None:
    """Up to four times the pause that would have come, never less than it, and only with 429 and 503."""
    assert pause_after(RETRY_SECONDS, 1, draw=0.5, status=status, retry_after=asked) == pause


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("Sat, 28 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 28 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("Sat, 28 Nov 2026 12:00:30", None),
        ("9" * 20, None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_an_instant(text: str | None, seconds: float | None) -> None:
    """And nothing where it is neither."""
    assert seconds_asked_for(text, datetime(2026, 11, 28, 12, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("text", ["", "1,5", "0,-5", "0,5.5", "0,x", "0,,5", "0,99999999"])
def test_schedule_that_is_none_is_refused(text: str) -> None:
    """Whole seconds, the first of them 0."""
    with pytest.raises(ValueError, match="whole seconds"):
        schedule_of(text)


def test_schedule_is_as_long_as_its_numbers() -> None:
    """A single 0 is one attempt; what is a schedule already stays."""
    assert schedule_of("0, 5,30") == (0, 5, 30)
    assert schedule_of("0") == (0,)
    assert schedule_of(RETRY_SECONDS) is RETRY_SECONDS
