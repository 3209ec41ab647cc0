"""Exact arithmetic: multiply first, divide once, round once, last. Nothing here is a float."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact
from functools import reduce
from typing import Final, NamedTuple

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
MOST: Final = 10**12
"""Points and score of one customer: earning stops there."""

_NO_MINOR_UNIT: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_MINOR_DIGITS: Final = {
    **dict.fromkeys(_NO_MINOR_UNIT.split(), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


_EXACT: Final = Context(prec=400, traps=[Inexact])
"""For amounts of as many digits as an event may write, times quantities and factors: the usual one cuts at 28."""


def plus(one: Decimal, other: Decimal) -> Decimal:
    """Their sum, every digit of it."""
    return _EXACT.add(one, other)


def minus(one: Decimal, other: Decimal) -> Decimal:
    """Their difference, every digit of it."""
    return _EXACT.subtract(one, other)


def times(one: Decimal, other: Decimal | int) -> Decimal:
    """Their product, every digit of it."""
    return _EXACT.multiply(one, other)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Of all of them, every digit of it."""
    return reduce(plus, amounts, ZERO)


class Quotient(NamedTuple):
    """`over` divided by `under`, which is above 0; not rounded yet."""

    over: int
    under: int

    def down(self) -> int:
        """The whole number not above it."""
        return self.over // self.under

    def up(self) -> int:
        """The whole number not below it."""
        return -(-self.over // self.under)

    def half_up(self, places: int = 0) -> Decimal:
        """Rounded to so many places, halves away from 0."""
        scaled = abs(self.over) * 10**places * 2
        rounded = (scaled // self.under + 1) // 2
        return Decimal(-rounded if self.over < 0 else rounded).scaleb(-places, _EXACT)

    def cut(self, places: int) -> Decimal:
        """Without what comes after so many places; of something not below 0."""
        return Decimal(self.over * 10**places // self.under).scaleb(-places, _EXACT)


AS_IT_IS: Final = Quotient(1, 1)
"""Times 1."""


def product(*factors: Decimal | int) -> Quotient:
    """All of them multiplied."""
    return quotient(factors)


def quotient(
    factors: tuple[Decimal | int, ...], divisors: tuple[Decimal | int, ...] = ()
) -> Quotient:
    """The product of the factors divided by that of the divisors, none of which is 0 or below."""
    over = under = 1
    for factor in factors:
        n, d = factor.as_integer_ratio()
        over *= n
        under *= d
    for divisor in divisors:
        n, d = divisor.as_integer_ratio()
        over *= d
        under *= n
    return Quotient(over, under)


def minor_digits(currency: str | None) -> int:
    """Places of an amount in this currency (ISO 4217); two where none is named."""
    return 2 if currency is None else _MINOR_DIGITS.get(currency, 2)


def text_of(amount: Decimal) -> str:
    """The shortest way to write it, never with an exponent."""
    text = format(amount, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def text_or_none(amount: Decimal | None) -> str | None:
    """Likewise, where there is an amount."""
    return None if amount is None else text_of(amount)
