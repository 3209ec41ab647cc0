"""Codes that a partner brings for a group of coupons to issue, each kept and shown exactly as it is written."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import Field

from schemas.gameball_v4.reading import Part, Refused, settled
from schemas.gameball_v4.values import matching

MOST_CODES: Final = 10_000
"""Of one request."""
LONGEST_CODE: Final = 255
UNREADABLE: Final = f"Must be 1 to {LONGEST_CODE} visible characters"

_unseen = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
).search
"""Marks, letters and signs by Unicode's classes that nobody sees: fillers, joiners, selectors of variants."""


def is_pool_code(text: str) -> bool:
    """Whether a text can be a code: no white space, nothing that a customer could not see or type."""
    if text.isascii():
        is_visible = text.isprintable() and " " not in text
    else:
        is_visible = text.isprintable() and not any(map(str.isspace, text)) and not _unseen(text)
    return 1 <= len(text) <= LONGEST_CODE and is_visible


PoolCode = Annotated[
    str, matching(UNREADABLE, is_pool_code, {"minLength": 1, "maxLength": LONGEST_CODE})
]


class PoolCodes(Part):
    """Codes, in the order in which they are to be issued. A list of them alone is read too."""

    codes: Annotated[list[PoolCode], Field(min_length=1, max_length=MOST_CODES)]


def codes_sent(document: dict[str, Any] | list[Any]) -> list[str]:
    """The codes of a body. Raises InvalidDefinition, paths such as `codes.3`."""
    refused = Refused()
    sent: Any = document
    if isinstance(document, dict):
        sent = settled(PoolCodes, document, refused, strict=False).get("codes")
    at = refused.at("codes")
    if sent is None:
        at.add("The codes field is required.")
    elif not isinstance(sent, list):
        at.add("Must be a list")
    elif not 1 <= len(sent) <= MOST_CODES:
        at.add(f"Must hold at most {MOST_CODES}" if sent else "Must hold at least 1")
    else:
        for index, code in enumerate(sent):
            if type(code) is not str or not is_pool_code(code):
                at.at(index).add(UNREADABLE)
    refused.end()
    codes: list[str] = sent
    return codes
