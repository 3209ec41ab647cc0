"""JSON whose numbers keep every digit: a fraction is read as a Decimal and written as it stands, never by a float."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring
from typing import Any, Final, NoReturn

LONGEST_WHOLE: Final = 100
"""Digits of a whole number that are read as an int; a longer one fits no field and costs too much."""
FARTHEST: Final = 1_000
"""Places from the point that a first digit may stand. Arithmetic, and whoever writes it out, would fail beyond."""
_BEYOND: Final = Decimal(f"1E+{FARTHEST}")


def read(text: bytes | str) -> Any:
    """The document. Raises ValueError for what is no JSON, `NaN` among it, and RecursionError for one too deep."""
    if isinstance(text, bytes):
        text = text.decode()
    return json.loads(text, parse_float=_fraction, parse_int=_whole, parse_constant=_no_number)


def write(document: Any, *, indent: int | None = None) -> str:
    """The document as JSON, in the order of its names; with `indent` laid out for people."""
    return _written(document, indent, "\n")


def digits(number: Decimal) -> str:
    """The shortest way to write it, without an exponent."""
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= LONGEST_WHOLE else _fraction(text)


def _fraction(text: str) -> Decimal:
    """The number; of one too large or too small for any field another such."""
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent of more digits than it can have
        return _BEYOND
    if abs(number.adjusted()) <= FARTHEST:
        return number
    return _BEYOND if number else Decimal(0)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _written(value: Any, indent: int | None, line: str) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if type(value) is int:
        return str(value)
    if isinstance(value, Decimal):
        return digits(value)
    if value is None:
        return "null"
    if not isinstance(value, (dict, list, tuple)):
        return json.dumps(value, allow_nan=False)
    inside = line if indent is None else line + " " * indent
    if isinstance(value, dict):
        parts = [
            f"{encode_basestring(name)}: {_written(each, indent, inside)}"
            for name, each in value.items()
        ]
        opens, closes = "{", "}"
    else:
        parts = [_written(each, indent, inside) for each in value]
        opens, closes = "[", "]"
    if indent is None or not parts:
        return f"{opens}{', '.join(parts)}{closes}"
    return f"{opens}{inside}{f',{inside}'.join(parts)}{line}{closes}"
