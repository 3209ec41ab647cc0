"""Keys that tokens are verified with: the development secret, or a key set fetched from a URL and kept for a while.

The configuration pins the algorithms: with a key set RS256 and EdDSA, with a secret HS256, never both and never `none`.
A public key can therefore not be used as an HMAC secret, whatever a token's header says.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any, Protocol

from jwt import PyJWK, PyJWKError
from jwt.exceptions import InvalidKeyError

from services.api.edge.problems import unavailable
from services.runtime.settings import Settings, SettingsError
from services.runtime.web import open_url

SECRET_ALGORITHMS = ("HS256",)
KEY_SET_ALGORITHMS = ("RS256", "EdDSA")
SHORTEST_SECRET_BYTES = 32
KEEP_SECONDS = 600.0
"""How long a key set is used before it is fetched again."""
ASK_AGAIN_SECONDS = 10.0
"""At most this often is the set fetched because of a key id nobody knows: tokens come from strangers."""
FETCH_SECONDS = 5.0
LARGEST_SET_BYTES = 1024 * 1024

log = logging.getLogger(__name__)


class Keys(Protocol):
    """Where keys come from."""

    algorithms: tuple[str, ...]

    async def key(self, key_id: str | None) -> Any:
        """The key of this id to verify with; None when there is none."""


class Secret:
    """One shared secret, for development."""

    algorithms: tuple[str, ...] = SECRET_ALGORITHMS

    def __init__(self, secret: str) -> None:
        if len(secret.encode()) < SHORTEST_SECRET_BYTES:
            raise SettingsError(
                f"COUPONRY_JWT_SECRET is shorter than {SHORTEST_SECRET_BYTES} bytes: choose a longer one"
            )
        self._secret = secret

    async def key(self, key_id: str | None) -> str:
        return self._secret


class KeySet:
    """A JSON Web Key Set behind a URL. When it cannot be fetched, the keys known last stay in use.

    Before it was fetched once nobody can be judged: Problem 503.
    """

    algorithms: tuple[str, ...] = KEY_SET_ALGORITHMS

    def __init__(self, url: str) -> None:
        if not url.startswith(("https://", "http://")):
            raise SettingsError("COUPONRY_JWT_JWKS_URL must begin with https:// or http://")
        self._url = url
        self._keys: dict[str | None, PyJWK] = {}
        self._asked_at = float("-inf")
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str | None) -> PyJWK | None:
        if self._is_due(key_id):
            async with self._fetching:
                if self._is_due(key_id):
                    await self._fetch()
        if self._fetched_at == float("-inf"):
            raise unavailable()
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    def _is_due(self, key_id: str | None) -> bool:
        now = time.monotonic()
        if now - self._asked_at < ASK_AGAIN_SECONDS:
            return False
        return key_id not in self._keys or now - self._fetched_at > KEEP_SECONDS

    async def _fetch(self) -> None:
        self._asked_at = time.monotonic()
        try:
            self._keys = _usable(await asyncio.to_thread(_get, self._url))
            self._fetched_at = time.monotonic()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("COUPONRY_JWT_JWKS_URL: cannot fetch keys: %s", error)


def _get(url: str) -> Any:
    with open_url(url, timeout_seconds=FETCH_SECONDS) as answer:
        return json.loads(answer.read(LARGEST_SET_BYTES))


def _usable(document: Any) -> dict[str | None, PyJWK]:
    """Keys by id; those of other kinds than ours are left out."""
    found: dict[str | None, PyJWK] = {}
    for entry in document["keys"]:
        if entry.get("use", "sig") != "sig":
            continue
        try:
            key = PyJWK(entry)
        except (PyJWKError, InvalidKeyError):
            continue
        if key.algorithm_name in KEY_SET_ALGORITHMS:
            found[key.key_id] = key
    return found


def keys_by(settings: Settings) -> Keys:
    """The keys this configuration names; a key set wins over a secret. Raises SettingsError without either."""
    if settings.jwt_jwks_url:
        return KeySet(settings.jwt_jwks_url)
    if settings.jwt_secret:
        return Secret(settings.jwt_secret)
    raise SettingsError(
        "COUPONRY_JWT_SECRET is not set: give a secret (or COUPONRY_JWT_JWKS_URL), or use `couponry up`"
    )
