"""Placeholders of a webhook: `{{name}}`, in exactly this form, in values. Anything else in double braces is refused."""

from __future__ import annotations

import re
from typing import Any, Final

from schemas.definitions import refusal

PLACEHOLDERS: Final = (
    "playerUniqueId", "value", "code", "type", "currency", "couponId", "expiryDate", "minOrderValue", "capping",
    "usageLimit", "amount", "discount_type",
)  # fmt: skip
"""The last two are other names for `value` and `type`."""
_split = re.compile(r"\{\{(?:" + "|".join(PLACEHOLDERS) + r")\}\}").split
_ALL: Final = ", ".join(f"{{{{{name}}}}}" for name in PLACEHOLDERS[:-2])
_SAYS: Final = f"Holds double braces that are no placeholder; there are {_ALL}"
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


def check_document(document: Any) -> None:
    """Of every text in a JSON document. Raises the refusal, and RecursionError for one too deep."""
    if isinstance(document, str):
        checked(document)
    elif isinstance(document, dict):
        for name, value in document.items():
            without(name)
            check_document(value)
    elif isinstance(document, list):
        for value in document:
            check_document(value)
