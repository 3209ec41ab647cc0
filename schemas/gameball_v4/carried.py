"""What is kept for those who sent it and judged by nobody: any JSON, within bounds, exactly as it came.

Stored as one text, so that its numbers keep their digits.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import ValidationInfo

from schemas.definitions import refusal
from schemas.gameball_v4.exact_json import read
from schemas.gameball_v4.reading import refused_at
from schemas.gameball_v4.values import LONGEST_TEXT, Circumstances, Reads, storable

MOST_NAMES: Final = 100
MOST_ITEMS: Final = 1_000
DEEPEST: Final = 5
_SAYS: Final = (
    f"Must hold texts of up to {LONGEST_TEXT} characters, lists of up to {MOST_ITEMS}, "
    f"objects of up to {MOST_NAMES} names, {DEEPEST} deep"
)


def _read(value: Any, info: ValidationInfo) -> dict[str, Any]:
    if (
        isinstance(value, str)
        and isinstance(info.context, Circumstances)
        and info.context.is_stored
    ):
        return dict(read(value))
    if not isinstance(value, dict) or len(value) > MOST_NAMES:
        raise refusal(_SAYS)
    if not all(_fits(name, 0) for name in value):
        raise refusal(_SAYS)  # by the whole: an answer could not name the place
    wrong = {name: _SAYS for name, each in value.items() if not _fits(each, DEEPEST)}
    if wrong:
        raise refused_at(wrong)
    return value


def _fits(value: Any, depth: int) -> bool:
    if depth < 0:
        return False
    match value:
        case dict():
            return len(value) <= MOST_NAMES and all(
                _fits(name, depth) and _fits(each, depth - 1) for name, each in value.items()
            )
        case list():
            return len(value) <= MOST_ITEMS and all(_fits(each, depth - 1) for each in value)
        case str():
            return len(storable(value, _SAYS)) <= LONGEST_TEXT
        case Decimal():
            return abs(value.adjusted()) <= 30 and len(value.as_tuple().digits) <= 38
        case int() | None:
            return True
        case _:
            return False


Carried = Annotated[dict[str, Any], Reads(_read, {"type": "object"})]
