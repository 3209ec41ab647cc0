"""When a birthday begins: at midnight where the partner is; that of 29 February on the 28th in other years."""

from __future__ import annotations

from calendar import isleap
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.domain.program import midnight


def next_birthday(born: date, time_zone: str, after: datetime) -> datetime:
    """The first midnight of a birthday after that instant; in UTC where the zone is not known here."""
    zone = _zone(time_zone)
    year = after.astimezone(zone).year
    while (begins := birthday_in(born, year, zone)) <= after:
        year += 1
    return begins


def birthday_noted(born: date, time_zone: str, noted: datetime) -> tuple[datetime, int]:
    """When the birthday that was noted for that instant begins in this zone, and of which year it is.

    The zone may be another one than it was noted in, up to 26 hours away: around New Year the instant alone does not
    say the year, the birthday nearest to it does.
    """
    zone = _zone(time_zone)
    year = noted.astimezone(zone).year
    days = [(birthday_in(born, each, zone), each) for each in (year - 1, year, year + 1)]
    return min(days, key=lambda day: abs(day[0] - noted))


def birthday_in(born: date, year: int, zone: tzinfo) -> datetime:
    """When the birthday of that year begins."""
    is_leap_day = (born.month, born.day) == (2, 29)
    day = 28 if is_leap_day and not isleap(year) else born.day
    return midnight(date(year, born.month, day), zone)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
