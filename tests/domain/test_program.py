"""A game's dates become an interval of instants in the partner's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from services.domain.program import Game, Program, window


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("zone", "first", "last", "starts_at", "ends_at"),
    [
        ("UTC", date(2026, 1, 1), date(2026, 1, 31), utc(2026, 1, 1), utc(2026, 2, 1)),
        ("Europe/Vilnius", date(2026, 1, 1), date(2026, 1, 31), utc(2025, 12, 31, 22), utc(2026, 1, 31, 22)),
        # The clocks go forward on 29 March 2026 and back on 25 October.
        ("Europe/Vilnius", date(2026, 3, 28), date(2026, 3, 29), utc(2026, 3, 27, 22), utc(2026, 3, 29, 21)),
        ("Europe/Vilnius", date(2026, 10, 25), date(2026, 10, 26), utc(2026, 10, 24, 21), utc(2026, 10, 26, 22)),
        # A leap day, and a year without one.
        ("UTC", date(2028, 2, 28), date(2028, 2, 29), utc(2028, 2, 28), utc(2028, 3, 1)),
        ("UTC", date(2026, 2, 27), date(2026, 2, 28), utc(2026, 2, 27), utc(2026, 3, 1)),
        # Midnight does not exist: Cairo goes from 24 April 2026 00:00 straight to 01:00.
        ("Africa/Cairo", date(2026, 4, 24), date(2026, 4, 25), utc(2026, 4, 23, 22), utc(2026, 4, 25, 21)),
        ("Asia/Kathmandu", date(2026, 1, 1), None, utc(2025, 12, 31, 18, 15), None),
        ("Pacific/Kiritimati", None, date(2026, 1, 1), None, utc(2026, 1, 1, 10)),
        ("UTC", None, None, None, None),
    ],
)  # fmt: skip
def test_window_is_whole_days_in_the_partners_zone(zone, first, last, starts_at, ends_at):
    """From the first midnight, inclusive, to the midnight after the last day, exclusive."""
    assert window(first, last, zone) == (starts_at, ends_at)


def test_program_hides_other_partners_games():
    """Another partner's game is as unknown as a missing one."""
    game = Game(
        id=5, partner_id=1, version=1, is_active=True, allow_multiple_active_coupons=True,
        coupon_validity_days=None, starts_at=None, ends_at=None, reward_description="x",
    )  # fmt: skip
    program = Program(games={5: game})

    assert program.game_of(1, 5) is game
    assert program.game_of(2, 5) is None
    assert program.game_of(1, 6) is None
