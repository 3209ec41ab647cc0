"""Query parameters and headers that several resources share."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Header, Path, Query
from pydantic import AfterValidator, StringConstraints

from services.api.edge.parameters import Whole
from services.api.edge.slashes import id_of

MOST_PER_PAGE: Final = 200
PER_PAGE: Final = 50

PageLimit = Annotated[int, Query(alias="limit", ge=1, le=MOST_PER_PAGE), Whole]
"""How many rows a page has at most; `PER_PAGE` where nothing is asked for."""


async def _lang(
    of_query: Annotated[
        str | None, Query(alias="lang", description="Language of texts, such as en.")
    ] = None,
    of_header: Annotated[
        str | None, Header(alias="lang", description="The same, where the query has none.")
    ] = None,
) -> str | None:
    return of_query or of_header


Lang = Annotated[str | None, Depends(_lang)]
"""Texts that have no such language are as they are."""

CustomerOfPath = Annotated[
    str,
    Path(alias="customerId", min_length=1, max_length=128, description="Percent-encoded."),
    AfterValidator(id_of),
]
CouponOfPath = Annotated[UUID, Path(alias="couponId")]
CustomerId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
CustomerAsked = Annotated[
    CustomerId | None, Query(alias="customerId", description="What concerns them.")
]
"""Somebody unknown is a new customer."""
