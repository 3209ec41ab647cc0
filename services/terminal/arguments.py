"""Types of command-line arguments: what they accept, and the one line they refuse the rest with."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import available_timezones

import click

from schemas.envelope import parse_time
from schemas.fields import MAX_ID

IDENTIFIER = click.IntRange(1, MAX_ID)

# Files of the zone database that name no place's time, or that of this machine.
_NO_ZONES = frozenset({"localtime", "Factory", "posixrules"})


def name_text(value: str) -> str:
    """1–255 characters after trimming."""
    text = value.strip()
    if not 1 <= len(text) <= 255:
        raise click.BadParameter("must be between 1 and 255 characters")
    return utf8_text(text)


def utf8_text(value: str) -> str:
    """Anything but bytes that the terminal could not read as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise click.BadParameter("must be UTF-8") from None
    return value


def time_zone(value: str) -> str:
    """A name of the IANA time zone database."""
    if value not in available_timezones() - _NO_ZONES:
        raise click.BadParameter(f"{value!r} is no time zone such as Europe/Vilnius")
    return value


def instant(value: str) -> datetime:
    """An RFC 3339 instant, in UTC."""
    try:
        return parse_time(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not RFC 3339 with a zone, such as 2026-05-01T09:30:00Z"
        ) from None
