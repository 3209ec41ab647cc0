"""Placeholders of a webhook: `{{name}}`, in exactly this form, in values. Anything else in double braces is refused."""

from __future__ import annotations

import json
import re
from typing import Final

from schemas.definitions import refusal

PLACEHOLDERS: Final = (
    "playerUniqueId", "value", "code", "type", "currency", "couponId", "expiryDate", "minOrderValue", "capping",
    "usageLimit", "amount", "discount_type",
)  # fmt: skip
"""The last two are other names for `value` and `type`."""
_split = re.compile(r"\{\{(?:" + "|".join(PLACEHOLDERS) + r")\}\}").split
_literal = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?')
"""A text of a JSON document, and the colon behind one that is a name."""
_ALL: Final = ", ".join(f"{{{{{name}}}}}" for name in PLACEHOLDERS[:-2])
_SAYS: Final = f"Holds double braces that are no placeholder; there are {_ALL}"
_HALF: Final = "Holds half of a surrogate pair, which is no text"
_PLACE: Final = "Placeholders can stand in values only"


def checked(text: str) -> str:
    """The text. Raises the refusal."""
    if any("{{" in part or "}}" in part for part in _split(text)):
        raise refusal(_SAYS)
    return text


def without(text: str) -> str:
    """The text, in which none can stand. Raises the refusal."""
    if "{{" in text or "}}" in text:
        raise refusal(_PLACE)
    return text


def check_payload(text: str) -> None:
    """Of every text in a JSON document, as it is once it is read, however it is written. Raises the refusal.

    Those of a name that is there twice are all judged: whoever sends it sends them all.
    """
    for found in _literal.finditer(text):
        read = json.loads(found[1])
        if any("\ud800" <= sign <= "\udfff" for sign in read):
            raise refusal(_HALF)
        if found[2]:
            without(read)
        else:
            checked(read)
