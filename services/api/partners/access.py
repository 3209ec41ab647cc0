"""Who is calling: a partner's bearer token, verified and remembered for a short while.

Claims: `partner_id` (a JSON integer), `scope` (names separated by spaces, or a list of them), `exp`, and where the
configuration asks for them `iss` and `aud`; `sub` names the actor in the audit trail. A token without `scope` may
nothing. Whatever is wrong with a token, the answer is the same 401.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import jwt
from fastapi import Request

from services.api.edge.dialect import Caller
from services.api.edge.problems import Problem, Reason
from services.api.partners.keys import Keys
from services.api.partners.scopes import SCOPES
from services.runtime.settings import Settings

REMEMBERED = 10_000
REMEMBERED_SECONDS = 30.0
"""A partner that was removed, or a key that was withdrawn, is noticed this late at most."""
LONGEST_TOKEN = 8_192
MAX_ID = 2**63 - 1


class _Verified(NamedTuple):
    caller: Caller
    expires_at: float
    remembered_until: float


class Access:
    """Verifies tokens. `exists` says whether a partner does."""

    def __init__(
        self, settings: Settings, keys: Keys, exists: Callable[[int], Awaitable[bool]]
    ) -> None:
        self._keys = keys
        self._exists = exists
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._known: dict[str, _Verified] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """The caller behind this header. Raises Problem 401."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
            raise _unauthorized()
        now = time.time()
        known = self._known.get(token)
        if known is not None and now < known.remembered_until:
            if now >= known.expires_at:
                raise _unauthorized()
            return known.caller
        verified = await self._verified(token.strip(), now)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[token] = verified
        return verified.caller

    async def _verified(self, token: str, now: float) -> _Verified:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in self._keys.algorithms:
                raise _unauthorized()
            key = await self._keys.key(header.get("kid"))
            if key is None:
                raise _unauthorized()
            claims = jwt.decode(
                token,
                key,
                algorithms=list(self._keys.algorithms),
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["exp", "partner_id"], "verify_aud": bool(self._audience)},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise _unauthorized() from error
        partner_id = claims["partner_id"]
        if type(partner_id) is not int or not 1 <= partner_id <= MAX_ID:
            raise _unauthorized()
        if not await self._exists(partner_id):
            raise _unauthorized()
        caller = Caller(
            partner_id=partner_id,
            scopes=_scopes(claims.get("scope")),
            actor=_actor(claims.get("sub")),
            key=hashlib.blake2b(token.encode(), digest_size=12).hexdigest(),
        )
        return _Verified(caller, float(claims["exp"]), now + REMEMBERED_SECONDS)


async def authenticate(request: Request) -> Caller:
    """The caller of a request, by the `Access` of its application. Raises Problem 401."""
    access: Access = request.app.state.access
    return await access.caller(request.headers.get("authorization"))


def _scopes(claim: Any) -> frozenset[str]:
    names = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else ()
    return frozenset(name for name in names if name in SCOPES)


def _actor(subject: Any) -> str:
    return f"api:{subject[:200]}" if isinstance(subject, str) and subject else "api"


def _unauthorized() -> Problem:
    return Problem(Reason.UNAUTHENTICATED, headers={"www-authenticate": "Bearer"})


def development_token(
    secret: str, partner_id: int, scopes: list[str], ttl_seconds: int, settings: Settings
) -> str:
    """A token as `Access` takes it with `COUPONRY_JWT_SECRET`; a negative ttl makes an expired one."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "partner_id": partner_id,
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + ttl_seconds,
    }
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    return jwt.encode(claims, secret, algorithm="HS256")
