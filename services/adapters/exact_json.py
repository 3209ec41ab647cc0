"""JSON whose numbers keep every digit: a fraction is read as a Decimal, and written as a number as it stands."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson

from services.domain.exact import text_of


def encoded(document: Any) -> bytes:
    """The document as JSON."""
    return orjson.dumps(document, default=_number)


def decoded(text: str) -> Any:
    """What we have stored."""
    return json.loads(text, parse_float=Decimal)


def _number(value: Any) -> orjson.Fragment:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} has no place in JSON")
    return orjson.Fragment(text_of(value))
