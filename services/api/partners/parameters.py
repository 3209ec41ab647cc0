"""Query parameters that several resources share, read as strictly as bodies are, and what is said of wrong ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Query
from pydantic import BeforeValidator

MOST_PER_PAGE: Final = 100
PER_PAGE: Final = 20
LAST_PAGE_NUMBER: Final = 2**53 - 1
"""Of any list: its rows can still be counted in a bigint."""

MESSAGES: Final[Mapping[str, str]] = {
    "page": "Must be a number from 1 up",
    "per_page": f"Must be between 1 and {MOST_PER_PAGE}",
    "active": "Must be true or false",
    "is_active": "Must be true or false",
    "dry_run": "Must be true or false",
    "game_type": "Invalid game type provided",
    "shop_id": "Must be a shop id",
    "game_id": "Must be a game id",
    "customer_id": "Must be between 1 and 128 characters",
    "status": "Must be active, reserved (or pending), redeemed (or used), expired, cancelled or all",
    "from": "Must be a day, like 2026-03-01",
    "to": "Must be a day, like 2026-03-01",
}
"""By parameter; whatever has none here gets a general sentence."""
FALLBACK: Final = "Invalid value"

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
DryRun = Annotated[
    Flag, Query(description="Check and count as if it were done, and change nothing.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list is asked for."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size

    def body(self, total: int) -> dict[str, int]:
        """`pagination` of an answer; an empty list has one page."""
        return {
            "current_page": self.number,
            "per_page": self.size,
            "total": total,
            "last_page": max(1, -(-total // self.size)),
        }


def _page(
    page: Annotated[int, Query(ge=1, le=LAST_PAGE_NUMBER), Whole] = 1,
    per_page: Annotated[int, Query(ge=1, le=MOST_PER_PAGE), Whole] = PER_PAGE,
) -> Page:
    return Page(number=page, size=per_page)


PageAsked = Annotated[Page, Depends(_page)]
