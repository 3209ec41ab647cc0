"""Numbers of a JSON document as they are written: a double has fewer digits than money may need.

pydantic reads a JSON number as a double. Up to 15 digits that is exact at its shortest decimal (see `schemas.fields`);
the few documents that hold more are read once more, their fractions and exponents as strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

_might_be_long = re.compile(rb"[0-9][0-9.]{15}|[0-9][eE][+-]?[0-9]").search


def exactly(validate: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """The same validation, of numbers as they are written. Raises what `validate` raises."""

    def read(value: bytes) -> Any:
        if _might_be_long(value) is not None:
            try:
                written = json.loads(value, parse_float=str)
                value = json.dumps(written, ensure_ascii=False).encode()
            except (ValueError, RecursionError):
                pass  # no JSON, which is for `validate` to say
        return validate(value)

    return read
