"""Numbers of a JSON document as they are written: a double has fewer digits than money may need.

pydantic reads a JSON number as a double. Up to 15 digits that is exact at its shortest decimal (see `schemas.fields`);
the few documents that hold more are read once more: where amounts have names, with their fractions and exponents as
strings; where any member may be a number or a text, with numbers that know how they were written. Every other number
stays one: what asks for a text takes none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container
from typing import Any

_LONGEST_INT = 1_000
_is_long = re.compile(rb"[0-9][0-9.]{15}|[0-9][eE][+-]?[0-9]").search
_FOLDED = bytes.maketrans(b"123456789.E", b"0000000000e")
_SIXTEEN_DIGITS, _WITH_EXPONENT = b"0" * 16, b"0e"


def _might_be_long(value: bytes) -> bool:
    """Whether a number of it may be, or a text looks like one. The expression alone takes ten times as long."""
    folded = value.translate(_FOLDED)
    is_worth_it = _SIXTEEN_DIGITS in folded or _WITH_EXPONENT in folded
    return is_worth_it and _is_long(value) is not None


class _Written(float):
    """A number, and how it was written: its `repr`, as with any other."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def exactly(validate: Callable[[bytes], Any], amounts: Container[str]) -> Callable[[bytes], Any]:
    """The same validation, of the fields with these names as they are written. Raises what `validate` raises."""

    def named(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {
            name: value.text if isinstance(value, _Written) and name in amounts else value
            for name, value in pairs
        }

    def read(value: bytes) -> Any:
        if _might_be_long(value):
            try:
                written = json.loads(value, parse_float=_Written, object_pairs_hook=named)
                value = json.dumps(written, ensure_ascii=False).encode()
            except (ValueError, RecursionError):
                pass  # no JSON, which is for `validate` to say
        return validate(value)

    return read


def as_written(
    validate: Callable[[bytes], Any], validate_parsed: Callable[[Any], Any]
) -> Callable[[bytes], Any]:
    """The same validation, where every number says by its `repr` how it is written. Raises what `validate` raises.

    `validate_parsed` judges the document once it is parsed.
    """

    def read(value: bytes) -> Any:
        data = validate(value)  # is it JSON at all, and read as strictly as everything else?
        if not _might_be_long(value):
            return data
        return validate_parsed(json.loads(value, parse_float=_Written, parse_int=_whole))

    return read


def _whole(text: str) -> int | float:
    """One too long to be made an int of may stand where nobody looks."""
    return int(text) if len(text) <= _LONGEST_INT else _Written(text)
