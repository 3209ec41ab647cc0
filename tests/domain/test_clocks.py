"""When the database's clock is believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.domain.clocks import MAX_CLOCK_DISTANCE, apart

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LITTLE = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("others", "distance"),
    [
        ([], None),  # nothing to compare it with
        ([timedelta()], None),
        ([MAX_CLOCK_DISTANCE], None),
        ([-MAX_CLOCK_DISTANCE], None),
        ([MAX_CLOCK_DISTANCE + LITTLE], -MAX_CLOCK_DISTANCE - LITTLE),
        ([-MAX_CLOCK_DISTANCE - LITTLE], MAX_CLOCK_DISTANCE + LITTLE),
        ([HOUR, timedelta()], None),  # one that agrees is enough
        ([HOUR, -HOUR, LITTLE], None),
        ([HOUR, 2 * HOUR], -HOUR),  # of several that do not, the nearest
        ([-2 * HOUR, 3 * HOUR], 2 * HOUR),
    ],
)
def test_clock_is_apart_only_from_all_others(
    others: list[timedelta], distance: timedelta | None
) -> None:
    """`others`: how far each other clock is ahead of the database's."""
    assert apart(NOW, [NOW + other for other in others]) == distance
