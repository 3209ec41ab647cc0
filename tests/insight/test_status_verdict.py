"""What counts as a problem: each limit from both sides."""

from __future__ import annotations

from typing import Any

import pytest

from services.insight.status.verdict import (
    LAG_SECONDS,
    OUTBOX_AGE_SECONDS,
    OVERDUE_SECONDS,
    problems,
    span,
)

SWEPT = {
    "overdue": 0,
    "overdue_seconds": 0.0,
    "overdue_lots": 0,
    "overdue_lots_seconds": 0.0,
    "overdue_birthdays": 0,
    "overdue_birthdays_seconds": 0.0,
}
WELL: dict[str, Any] = {
    "clock_ahead_seconds": 0.0,
    "total_lag": 0,
    "lag_per_second": 0.0,
    "paused": [],
    "decisions_per_second": 10.0,
    "outbox": {"depth": 0, "oldest_age_seconds": 0.0},
    "unpublishable": 0,
    "unpublishable_reason": None,
    "dead_letters": {"open": 0},
    "open_dead_letters": {"oldest_age_seconds": 0.0},
    "sweeper": SWEPT,
    "deliveries": [],
    "operations": [],
    "sessions": {"issuer": 2, "relay": 2, "sweeper": 1, "webhooks": 1, "api": 1},
    "versions": {"schema_missing": []},
    "servers": {"kafka": None, "postgres": None, "redis": None},
}
WAITING = {"partner_id": 3, "pending": 2, "held": 1, "overdue_seconds": OVERDUE_SECONDS, "failing": 0, "error": None, "dead": 0, "dead_error": None}  # fmt: skip
NOBODY = {"sessions": dict.fromkeys(WELL["sessions"], 0)}
RUNNING = {"id": 1, "command": "replay", "actor": "a", "is_running": True}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        NOBODY,
        {"clock_ahead_seconds": 300.0},
        {"total_lag": 600},
        {"total_lag": 10_000, "lag_per_second": -1.0},
        {"outbox": {"depth": 5_000, "oldest_age_seconds": OUTBOX_AGE_SECONDS}},
        {"sweeper": SWEPT | {"overdue": 5, "overdue_seconds": OVERDUE_SECONDS}},
        {"sweeper": SWEPT | {"overdue_lots": 5, "overdue_lots_seconds": OVERDUE_SECONDS}},
        {"deliveries": [WAITING]},
        {"operations": [RUNNING]},
    ],
)
def test_verdict_lets_pass_what_passes(changes: dict[str, Any]) -> None:
    """A backlog that shrinks or is short, work in progress, and nobody there where nothing waits."""
    assert problems(WELL | changes) == []


@pytest.mark.parametrize(
    ("changes", "what", "do"),
    [
        ({"servers": {"kafka": "why", "redis": None}, "total_lag": None, "lag_per_second": None, "paused": None}, "Kafka is away", "bring it back"),
        ({"servers": {"kafka": None, "redis": "why"}}, "Redis is away", "“Redis is gone”"),
        ({"clock_ahead_seconds": -301.0}, "5 minutes behind", "“The database's clock is wrong”"),
        ({"clock_ahead_seconds": 7200.0}, "2 hours ahead of", "“The database's clock is wrong”"),
        ({"versions": {"schema_missing": ["0007_x"]}}, "the schema lacks 0007_x", "couponry migrate"),
        ({"paused": [{"topic": "orders", "partition": 3, "open": 700}]}, "orders:3 is paused, 700", "“A bad deploy filled the dead letters”"),
        (NOBODY | {"total_lag": 1}, "1 record waiting and no issuer", "couponry issuer"),
        ({"unpublishable": 1, "unpublishable_reason": "too large"}, "too large", "“The outbox grows”"),
        ({"total_lag": int(10 * LAG_SECONDS) + 1}, "601 records waiting", "more issuers"),
        ({"outbox": {"depth": 7, "oldest_age_seconds": 31.0}}, "7 events waiting to be published, the oldest for 31 s", "“The outbox grows”"),
        ({"sweeper": SWEPT | {"overdue": 7, "overdue_seconds": 61.0}}, "7 coupons due", "couponry sweeper"),
        ({"sweeper": SWEPT | {"overdue_lots": 1, "overdue_lots_seconds": 61.0}}, "1 lot due", "points end without it"),
        ({"sweeper": SWEPT | {"overdue_birthdays": 2, "overdue_birthdays_seconds": 61.0}}, "2 birthdays due", "couponry sweeper"),
        ({"deliveries": [WAITING | {"overdue_seconds": 61.0}]}, "2 coupons to be told to partner 3's own system, the first due for 61 s", "couponry webhooks"),
        (NOBODY | {"deliveries": [WAITING | {"overdue_seconds": 61.0}]}, "and no webhooks process connected", "couponry webhooks"),
        ({"deliveries": [WAITING | {"failing": 1, "error": "status 503"}]}, "partner 3's own system takes no coupons of 1 customer: status 503", "“A partner's own system takes no coupons”"),
        ({"deliveries": [WAITING | {"dead": 4, "dead_error": "no_code 200"}]}, "4 coupons given up within a day, not taken by partner 3's own system: no_code 200", "“A partner's own system takes no coupons”"),
        ({"dead_letters": {"open": 2}, "open_dead_letters": {"oldest_age_seconds": 7200.0}}, "the oldest for 2 hours", "“A bad deploy filled the dead letters”"),
        ({"operations": [RUNNING | {"is_running": False}]}, "replay 1 of a was interrupted", "couponry replay --resume"),
    ],
)  # fmt: skip
def test_verdict_names_what_is_wrong(changes: dict[str, Any], what: str, do: str) -> None:
    """One problem each, and what to do about it."""
    (problem,) = problems(WELL | changes)
    assert what in problem.what
    assert do in problem.do


def test_span_has_two_of_its_unit() -> None:
    """119 seconds are seconds, 120 are minutes, and so on."""
    spans = [span(seconds) for seconds in (0.4, 119, 120, 7_199, 7_200, 172_799, 172_800)]
    assert spans == ["0 s", "119 s", "2 minutes", "120 minutes", "2 hours", "48 hours", "2 days"]
