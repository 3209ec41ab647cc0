"""What every route of this dialect begins with: the call of a key that may read, or of one that may write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from services.api.edge.call import Call, admit
from services.api.gameball_v4.keys import Scope


def calling(scope: Scope) -> Callable[..., Awaitable[Call]]:
    """A dependency: the call of keys that may do this. Raises Problem 401, 429."""

    async def call(request: Request) -> Call:
        return await admit(request, scope)

    return call


Reading = Annotated[Call, Depends(calling("read"))]
Writing = Annotated[Call, Depends(calling("write"))]
