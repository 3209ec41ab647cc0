"""When a birthday begins: at midnight where the partner is; that of 29 February on the 28th in other years."""

from __future__ import annotations

from calendar import isleap
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.domain.program import midnight


def next_birthday(born: date, time_zone: str, after: datetime) -> datetime:
    """The first midnight of a birthday after that instant; in UTC where the zone is not known here."""
    try:
        zone: tzinfo = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = UTC
    year = after.astimezone(zone).year
    while (begins := birthday_in(born, year, zone)) <= after:
        year += 1
    return begins


def birthday_in(born: date, year: int, zone: tzinfo) -> datetime:
    """When the birthday of that year begins."""
    is_leap_day = (born.month, born.day) == (2, 29)
    day = 28 if is_leap_day and not isleap(year) else born.day
    return midnight(date(year, born.month, day), zone)
