"""Who is calling: a partner's token, verified as for the partners' own dialect, and with it the id of their store.

Whatever is wrong with either, the answer is the same 401.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

import asyncpg
from fastapi import Request

from services.adapters.postgres.partners import store_id_of
from services.api.edge import tenant
from services.api.edge.dialect import Caller
from services.api.edge.problems import Problem, Reason

STORE_ID: Final = "storeId"
"""Name of the header."""
REMEMBERED: Final = 10_000
REMEMBERED_SECONDS: Final = 30.0
"""A store that was given another id is noticed this late at most."""

Find = Callable[[int], Awaitable[str | None]]


class Tokens(Protocol):
    """Verifies tokens, for every dialect that takes them; found at `app.state.access`."""

    async def caller(self, authorization: str | None) -> Caller:
        """The caller behind this header. Raises Problem 401."""


class _Known(NamedTuple):
    store_id: str | None
    remembered_until: float


class Stores:
    """Whose store has which id. `find` says the id of a partner's store."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._known: dict[int, _Known] = {}

    async def is_of(self, partner_id: int, store_id: str | None) -> bool:
        """Whether the partner's store has this id."""
        now = time.monotonic()
        known = self._known.get(partner_id)
        if known is None or now >= known.remembered_until:
            known = _Known(await self._find(partner_id), now + REMEMBERED_SECONDS)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[partner_id] = known
        return store_id is not None and store_id == known.store_id


def looking_up(pool: asyncpg.Pool) -> Find:
    """Stores' ids, on this pool (see `tenant.open_tenant_pool`)."""

    async def find(partner_id: int) -> str | None:
        async with tenant.reading(pool, partner_id) as connection:
            return await store_id_of(connection, partner_id)

    return find


async def authenticate(request: Request) -> Caller:
    """The caller of a request, by the `Tokens` and `Stores` of its application. Raises Problem 401."""
    tokens: Tokens = request.app.state.access
    stores: Stores = request.app.state.stores
    caller = await tokens.caller(request.headers.get("authorization"))
    if not await stores.is_of(caller.partner_id, request.headers.get(STORE_ID)):
        raise Problem(Reason.UNAUTHENTICATED, headers={"www-authenticate": "Bearer"})
    return caller
