"""Numbers of a JSON document as they are written: a double has fewer digits than money may need.

pydantic reads a JSON number as a double. Up to 15 digits that is exact at its shortest decimal (see `schemas.fields`);
the few documents that hold more are read once more, the fractions and exponents of their amounts as strings. Every
other number stays one: what asks for a text takes none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container
from typing import Any

_might_be_long = re.compile(rb"[0-9][0-9.]{15}|[0-9][eE][+-]?[0-9]").search


class _Written(float):
    """A number, and how it was written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class _Everything:
    """All names there are."""

    def __contains__(self, _name: object) -> bool:
        return True


EVERY_NUMBER = _Everything()
"""Where anything may be a number, and a text that writes one down counts as it: conditions compare both alike."""


def exactly(validate: Callable[[bytes], Any], amounts: Container[str]) -> Callable[[bytes], Any]:
    """The same validation, of the fields with these names as they are written. Raises what `validate` raises."""

    def named(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {
            name: value.text if isinstance(value, _Written) and name in amounts else value
            for name, value in pairs
        }

    def read(value: bytes) -> Any:
        if _might_be_long(value) is not None:
            try:
                written = json.loads(value, parse_float=_Written, object_pairs_hook=named)
                value = json.dumps(written, ensure_ascii=False).encode()
            except (ValueError, RecursionError):
                pass  # no JSON, which is for `validate` to say
        return validate(value)

    return read
