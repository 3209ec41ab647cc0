"""Parameters read as strictly as bodies are."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

_digits = re.compile(r"[0-9]{1,19}").fullmatch
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


def _whole(value: Any) -> Any:
    """Digits only: no `+1`, `1.0` or `1_0`."""
    if isinstance(value, str) and not _digits(value):
        raise ValueError("not a whole number")
    return value


def _flag(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return _FLAGS[value]
        except KeyError:
            raise ValueError("not true or false") from None
    return value


Whole = BeforeValidator(_whole)
"""Stands behind the bounds of a number: before them it would hide them from the description."""
Flag = Annotated[bool, BeforeValidator(_flag)]
