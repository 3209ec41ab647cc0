"""What every route of this dialect begins with: the call of a token for redemption, which reads and writes."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Request

from services.api.edge.call import Call, admit

SCOPE: Final = "redemption"


async def _call(request: Request) -> Call:
    return await admit(request, SCOPE)


Calling = Annotated[Call, Depends(_call)]
"""Raises Problem 401, 403, 429."""
