"""What the partner API's tests stand on: partners who talk to the application in HTTP, each with its own token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from schemas.gameball_v4.exact_json import write
from services.adapters.postgres.partners import add_partner
from services.api.partners.access import development_token
from services.api.partners.scopes import SCOPES
from services.runtime.settings import Settings

SECRET = "of the tests, and 32 bytes at the least"
URL = "http://api.test"


def token(settings: Settings, partner_id: int, *scopes: str, ttl_seconds: int = 600) -> str:
    """A signed token; without scopes it may everything."""
    return development_token(SECRET, partner_id, list(scopes or SCOPES), ttl_seconds, settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """A partner with its keys to the API. Paths are below `/en/partners`, those of `v3` and `v4` below their bases."""

    id: int
    shop_id: int
    store_id: str
    token: str
    api_key: str
    secret_key: str
    http: httpx.AsyncClient
    database: asyncpg.Connection

    async def ask(
        self, method: str, path: str, body: Any = None, *, locale: str = "en", **more: Any
    ) -> httpx.Response:
        """One request with this partner's token."""
        headers = {"authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        return await self.http.request(method, f"/{locale}/partners{path}", headers=headers, **more)

    async def v4(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """One request of the v4 dialect with both keys; `version` and `base` say where else, a key of None is left out."""
        keys = {"apiKey": self.api_key, "secretKey": self.secret_key} | more.pop("headers", {})
        more["headers"] = {name: value for name, value in keys.items() if value is not None}
        if body is not None:
            more["content"] = write(body)
        base = f"/api/{more.pop('version', 'v4')}/integrations{more.pop('base', '/configurations')}"
        return await self.http.request(method, f"{base}{path}", **more)

    async def v3(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """One request of the v3 dialect below `/redemption`; a header of None is left out, `version` says where else."""
        known = {"authorization": f"Bearer {self.token}", "storeId": self.store_id}
        headers = known | more.pop("headers", {})
        more["headers"] = {name: value for name, value in headers.items() if value is not None}
        if body is not None:
            more["content"] = write(body)
        base = f"/api/{more.pop('version', 'v3')}/integrations/client/redemption"
        return await self.http.request(method, f"{base}{path}", **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return await self.ask("POST", path, body, **more)

    async def put(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return await self.ask("PUT", path, body, **more)


async def a_tenant(
    settings: Settings,
    http: httpx.AsyncClient,
    database: asyncpg.Connection,
    time_zone: str = "Europe/Vilnius",
) -> Partner:
    """A new partner with one shop."""
    added = await add_partner(database, "Café Nord", time_zone)
    return Partner(
        id=added.id,
        shop_id=added.default_shop_id,
        store_id=added.store_id,
        token=token(settings, added.id),
        api_key=added.api_key,
        secret_key=added.secret_key,
        http=http,
        database=database,
    )
