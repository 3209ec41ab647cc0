"""One request, once it is known who asks: what every route of the API begins with.

`Annotated[Call, Depends(calling("games"))]` judges token, scope, rate and locale in one step, and gives the route its
transactions and its body.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Any

import asyncpg
import orjson
from fastapi import Path, Request

from services.api.edge import tenant
from services.api.edge.asgi import HEADERS, REQUEST_ID
from services.api.edge.limits import Limits, too_many
from services.api.partners.access import Access, Caller
from services.api.partners.envelope import Problem
from services.decisions.manner import Manner
from services.runtime.settings import Settings

Locale = Annotated[
    str, Path(pattern=r"^[a-z]{2}$", description="Language of texts; two lower-case letters.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What all requests share; made once by `app.py`, found at `app.state.api`."""

    settings: Settings
    pool: asyncpg.Pool
    access: Access
    limits: Limits
    manner: Manner


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request by a verified caller."""

    api: Api
    caller: Caller
    request: Request
    request_id: str

    @property
    def partner_id(self) -> int:
        """Whose data this is about."""
        return self.caller.partner_id

    def reading(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """A read-only transaction that sees this partner's rows only."""
        return tenant.reading(self.api.pool, self.caller.partner_id)

    def writing(
        self, *, wakes_relay: bool = False, keeps: bool = True
    ) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """A transaction of this partner: it commits at the end of the block, and an exception rolls it back.

        `wakes_relay` where the outbox is written to; `keeps=False` for a dry run, which is always rolled back.
        `idempotency.once` is the usual way in.
        """
        return tenant.writing(
            self.api.pool, self.caller.partner_id, wakes_relay=wakes_relay, keeps=keeps
        )

    async def json_object(self) -> dict[str, Any]:
        """The body. Raises Problem 400 unless it is one JSON object."""
        try:
            body = orjson.loads(await self.request.body())
        except orjson.JSONDecodeError as error:
            raise Problem(400, f"The body is not valid JSON: {error}") from None
        if not isinstance(body, dict):
            raise Problem(400, "The body must be a JSON object")
        return body


def calling(scope: str) -> Callable[..., Awaitable[Call]]:
    """A dependency: the call of a token that has this scope. Raises Problem 401, 403, 429."""

    async def call(request: Request, locale: Locale) -> Call:
        api: Api = request.app.state.api
        caller = await api.access.caller(request.headers.get("authorization"))
        standing = api.limits.request(caller.key)
        if standing is not None:
            request.scope[HEADERS].extend(standing.headers())
            if standing.exceeded:
                raise too_many(standing)
        if scope not in caller.scopes:
            raise Problem(403, f"Forbidden. The token lacks the scope {scope}.")
        return Call(api=api, caller=caller, request=request, request_id=request.scope[REQUEST_ID])

    return call
