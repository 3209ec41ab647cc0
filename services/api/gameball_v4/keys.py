"""Who is calling: a partner's API key, with its secret key where something is changed, remembered for a short while.

An API key alone may read; with the secret key of the same partner it may write. Whatever is wrong with an API key, the
answer is the same 401.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal, NamedTuple

import asyncpg
from fastapi import Request

from services.adapters.postgres.partners import KnownByKeys, partner_of_keys
from services.api.edge import tenant
from services.api.edge.dialect import Caller
from services.api.edge.problems import Problem, Reason

API_KEY: Final = "apiKey"
SECRET_KEY: Final = "secretKey"  # noqa: S105 - the name of a header
"""Names of headers."""
Scope = Literal["read", "write"]
REMEMBERED: Final = 10_000
REMEMBERED_SECONDS: Final = 30.0
"""A partner that was removed, or a key that was withdrawn, is noticed this late at most."""
LONGEST_KEY: Final = 256
NOBODY: Final = 0
"""In whose name partners are looked up: together they have as many connections as one partner may."""

Find = Callable[[str, str | None], Awaitable[KnownByKeys | None]]


class _Verified(NamedTuple):
    caller: Caller
    remembered_until: float


class PartnerKeys:
    """Verifies keys. `find` says whose an API key is."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._known: dict[str, _Verified] = {}

    async def caller(self, api_key: str | None, secret_key: str | None) -> Caller:
        """The caller behind these headers. Raises Problem 401."""
        if not api_key or len(api_key) > LONGEST_KEY:
            raise Problem(Reason.UNAUTHENTICATED)
        if secret_key is not None and len(secret_key) > LONGEST_KEY:
            secret_key = None
        given = _digest(f"{api_key}\n{secret_key or ''}")
        now = time.monotonic()
        known = self._known.get(given)
        if known is not None and now < known.remembered_until:
            return known.caller
        found = await self._find(api_key, secret_key or None)
        if found is None:
            raise Problem(Reason.UNAUTHENTICATED)
        scopes: set[Scope] = {"read", "write"} if found.has_secret else {"read"}
        caller = Caller(
            partner_id=found.partner_id,
            scopes=frozenset(scopes),
            actor="api",
            key=_digest(api_key),
        )
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[given] = _Verified(caller, now + REMEMBERED_SECONDS)
        return caller


def looking_up(pool: asyncpg.Pool) -> Find:
    """Partners by their keys, on this pool (see `tenant.open_tenant_pool`)."""

    async def find(api_key: str, secret_key: str | None) -> KnownByKeys | None:
        async with tenant.lent(pool, NOBODY) as connection:
            return await partner_of_keys(connection, api_key, secret_key)

    return find


async def authenticate(request: Request) -> Caller:
    """The caller of a request, by the `PartnerKeys` of its application. Raises Problem 401."""
    keys: PartnerKeys = request.app.state.partner_keys
    return await keys.caller(request.headers.get(API_KEY), request.headers.get(SECRET_KEY))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
