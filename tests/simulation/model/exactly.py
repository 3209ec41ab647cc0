"""Numbers without an end: fractions, rounded once."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

MOST = 10**12
PLACES = {"JPY": 0, "KWD": 3}
"""Of the currencies that a simulation pays in; two otherwise."""


def number(value: Any) -> Fraction:
    """Of a JSON number or text; nothing is 0."""
    return Fraction(0) if value is None else Fraction(str(value))


def down(value: Fraction) -> int:
    return math.floor(value)


def up(value: Fraction) -> int:
    return math.ceil(value)


def half_up(value: Fraction, places: int) -> Fraction:
    """Of what is not below 0."""
    return Fraction(math.floor(value * 10**places + Fraction(1, 2)), 10**places)


def money(value: Fraction, currency: str) -> Fraction:
    """To the currency's minor unit."""
    return half_up(value, PLACES.get(currency, 2))


def as_number(value: Any) -> Fraction | None:
    """The number that it is or writes down; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, Decimal, Fraction)):
        return Fraction(value)
    try:
        return Fraction(value) if "/" not in value and "_" not in value else None
    except ValueError:
        return None


def moment(text: str | None) -> datetime | None:
    """An instant of a document."""
    return None if text is None else datetime.fromisoformat(text)
