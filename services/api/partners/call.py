"""What every route of this dialect begins with: `Annotated[Call, Depends(calling("games"))]`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Path, Request

from services.api.edge.call import Call, admit
from services.api.partners.scopes import Scope

Locale = Annotated[
    str, Path(pattern=r"^[a-z]{2}$", description="Language of texts; two lower-case letters.")
]


def calling(scope: Scope) -> Callable[..., Awaitable[Call]]:
    """A dependency: the call of a token that has this scope. Raises Problem 401, 403, 429."""

    async def call(request: Request, locale: Locale) -> Call:
        return await admit(request, scope)

    return call
