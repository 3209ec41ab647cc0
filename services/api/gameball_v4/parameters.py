"""Query parameters and headers that several resources share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Query


def _lang(
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
