"""One request, once it is known who asks: what every route of the API begins with.

A dialect makes its dependency of `admit`, with the path parameters that all its paths share; a route gets from it who
calls, its transactions and its body.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import orjson
from fastapi import Request

from schemas.gameball_v4 import exact_json
from services.adapters import traceparent
from services.api.edge import tenant
from services.api.edge.asgi import HEADERS, REQUEST_ID
from services.api.edge.dialect import DIALECT, Caller, Dialect
from services.api.edge.limits import Limits, too_many
from services.api.edge.problems import Problem, Reason
from services.api.edge.reply import Reply
from services.decisions.manner import Manner
from services.runtime.settings import Settings

MOST_NAMES: Final = 1_000
"""Of all objects of a body together: a card in fifty languages has some two hundred."""
MOST_COMMAS: Final = 100_000
"""Ten thousand ids in each of its lists, and texts of any kind."""
_names = re.compile(rb'"\s*:').findall


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What all requests share; made once by `app.py`, found at `app.state.api`."""

    settings: Settings
    pool: asyncpg.Pool
    limits: Limits
    manner: Manner
    stopping: asyncio.Event
    """Set once the process is to stop: nobody waits any longer then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request by a verified caller."""

    api: Api
    dialect: Dialect
    caller: Caller
    request: Request
    request_id: str

    @property
    def partner_id(self) -> int:
        """Whose data this is about."""
        return self.caller.partner_id

    @property
    def traceparent(self) -> str | None:
        """The trace it belongs to, if the request names one, and only one."""
        named = self.request.headers.getlist(traceparent.TRACEPARENT)
        return traceparent.valid(named[0]) if len(named) == 1 else None

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
            self.api.pool,
            self.caller.partner_id,
            wakes_relay=wakes_relay,
            keeps=keeps,
            guard=self.api.manner.guard,
        )

    async def body(self, most_names: int = MOST_NAMES) -> bytes:
        """The body as it came. Raises Problem 413 for one of too many parts."""
        raw = await self.request.body()
        # Before it is read: a hundred thousand names of one byte are a small body, and seconds of work.
        if raw.count(b":") > most_names and len(_names(raw)) > most_names:
            raise Problem(Reason.BODY_TOO_WIDE, f"{most_names} names")
        if raw.count(b",") > MOST_COMMAS:
            raise Problem(Reason.BODY_TOO_WIDE, f"{MOST_COMMAS} commas")
        return raw

    async def json_object(self) -> dict[str, Any]:
        """The body. Raises Problem 400 unless it is one JSON object, and 413 for one of too many parts."""
        raw = await self.body()
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise Problem(Reason.BODY_NOT_JSON, str(error)) from None
        if not isinstance(body, dict):
            raise Problem(Reason.BODY_NO_OBJECT)
        return body

    async def exact_json(self, most_names: int = MOST_NAMES) -> Any:
        """The body, in which no number is a float: fractions are Decimals. Raises Problem 400, 413."""
        raw = await self.body(most_names)
        try:
            return exact_json.read(raw)
        except RecursionError:
            raise Problem(Reason.BODY_NOT_JSON, "it is too deep") from None
        except ValueError as error:
            raise Problem(Reason.BODY_NOT_JSON, str(error)) from None

    async def exact_object(self) -> dict[str, Any]:
        """The same of one JSON object, taken as strictly as `json_object` does. Raises Problem 400, 413."""
        await self.json_object()
        body: dict[str, Any] = await self.exact_json()
        return body

    def failure(self, problem: Problem) -> Reply:
        """The problem as an answer, where raising it would undo what is to be kept."""
        return self.dialect.answer(problem, self.request_id)


async def admit(request: Request, scope: str) -> Call:
    """The call of somebody who has this scope. Raises Problem 401, 403, 429."""
    api: Api = request.app.state.api
    dialect: Dialect = request.scope[DIALECT]
    caller = await dialect.authenticate(request)
    standing = api.limits.request(caller.key)
    if standing is not None:
        request.scope[HEADERS].extend(standing.headers())
        if standing.exceeded:
            raise too_many(standing)
    if scope not in caller.scopes:
        raise Problem(Reason.SCOPE_MISSING, scope)
    return Call(
        api=api,
        dialect=dialect,
        caller=caller,
        request=request,
        request_id=request.scope[REQUEST_ID],
    )
