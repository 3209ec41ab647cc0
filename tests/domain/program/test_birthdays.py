"""When birthdays begin, and which one it was that was noted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.birthdays import birthday_in, birthday_noted, next_birthday

ZONES = st.sampled_from(
    ["Pacific/Kiritimati", "Asia/Tokyo", "Europe/Vilnius", "UTC", "America/Los_Angeles", "Pacific/Niue"]
)  # fmt: skip
BORN = st.dates(date(1900, 1, 1), date(2025, 12, 31)) | st.sampled_from(
    [date(1990, 1, 1), date(1990, 12, 31), date(1988, 2, 29)]
)


@given(BORN, ZONES, ZONES, st.integers(2026, 2100))
def test_birthday_noted_is_the_same_one_in_any_zone(
    born: date, then: str, now: str, year: int
) -> None:
    """From one end of the world to the other, also around New Year: it is of the year that it was noted for."""
    noted = birthday_in(born, year, ZoneInfo(then))
    assert birthday_noted(born, now, noted) == (birthday_in(born, year, ZoneInfo(now)), year)


@given(BORN, ZONES, st.integers(1_770_000_000, 4_100_000_000))
def test_next_birthday_is_the_first_after_the_instant(born: date, zone: str, second: int) -> None:
    """Later than it, by a year or a leap day's difference at most; and that same one is found again."""
    after = datetime.fromtimestamp(second, UTC)
    begins = next_birthday(born, zone, after)
    assert timedelta() < begins - after <= timedelta(days=366, hours=1)
    assert birthday_noted(born, zone, begins)[0] == begins


@pytest.mark.parametrize("zone", ["Nowhere/Atlantis", "", "../etc/passwd"])
def test_birthday_in_a_zone_that_is_not_known_here_begins_by_utc(zone: str) -> None:
    """No name of a zone stops whoever asks."""
    after = datetime(2026, 3, 1, tzinfo=UTC)
    begins = datetime(2026, 5, 17, tzinfo=UTC)
    assert next_birthday(date(1990, 5, 17), zone, after) == begins
    assert birthday_noted(date(1990, 5, 17), zone, begins) == (begins, 2026)
