"""Parameters that several resources share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Path, Query

from services.api.edge.parameters import Flag, Whole
from services.api.edge.slashes import id_of

MOST_PER_PAGE: Final = 100
PER_PAGE: Final = 20
LAST_PAGE_NUMBER: Final = 2**53 - 1
"""Of any list: its rows can still be counted in a bigint."""

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


async def _page(
    page: Annotated[int, Query(ge=1, le=LAST_PAGE_NUMBER), Whole] = 1,
    per_page: Annotated[int, Query(ge=1, le=MOST_PER_PAGE), Whole] = PER_PAGE,
) -> Page:
    return Page(number=page, size=per_page)


PageAsked = Annotated[Page, Depends(_page)]


async def _customer_of_path(
    customer_id: Annotated[str, Path(min_length=1, max_length=128, description="Percent-encoded.")],
) -> str:
    return id_of(customer_id)


CustomerOfPath = Annotated[str, Depends(_customer_of_path)]
