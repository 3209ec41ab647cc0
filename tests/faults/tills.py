"""Staff at the tills: they issue coupons by hand and reserve them, and ask again until they are answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from services.api.partners.access import development_token
from services.api.partners.scopes import SCOPES
from services.runtime.settings import Settings
from tests.faults.ledger import Ledger
from tests.faults.load import Games

JWT_SECRET = "of the fault run, and 32 bytes at the least"
TOKEN_SECONDS = 24 * 3600
BETWEEN_SECONDS = 0.4
TRY_AGAIN_SECONDS = 0.2
STAFF = "/en/partners/staff/coupons"


@dataclass(slots=True, kw_only=True)
class Tills:
    """One request after the other until the block ends. `open`: whether anybody asks for anything now.

    `failures`: requests that were refused; nothing that is asked for here is to be.
    """

    settings: Settings
    games: Games
    ledger: Ledger
    dice: random.Random
    open: bool = True
    failures: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Until the end of the block; what was asked for then is still waited for."""
        token = development_token(
            JWT_SECRET, self.games.partner_id, list(SCOPES), TOKEN_SECONDS, self.settings
        )
        url = f"http://{self.settings.api_host}:{self.settings.api_port}"
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            base_url=url, headers=headers, timeout=10, trust_env=False
        ) as http:
            stopping = asyncio.Event()
            work = asyncio.create_task(self._run(http, stopping))
            try:
                yield
                stopping.set()
                await work
            finally:
                work.cancel()

    async def _run(self, http: httpx.AsyncClient, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await asyncio.sleep(BETWEEN_SECONDS * 2 * self.dice.random())
            if not self.open:
                continue
            tag = f"by-hand-{len(self.ledger.sent):06}"
            self.ledger.send(tag, "by hand", "")
            body = {"game_id": self.games.many, "customer_id": tag, "reason": "An apology"}
            issued = await self._ask(http, STAFF, body, tag)
            if issued is None:
                continue
            coupon_id = issued["data"]["coupon"]["coupon_id"]
            self.ledger.answer(tag, coupon_id)
            shop = {"shop_id": self.games.shop_id}
            await self._ask(http, f"{STAFF}/{coupon_id}/reserve", shop, f"{tag}-reserve")

    async def _ask(self, http: httpx.AsyncClient, path: str, body: dict[str, Any], key: str) -> Any:
        """The answer, in the end: the same key is the same request, however often it is sent. None: refused."""
        while True:
            try:
                answer = await http.post(path, json=body, headers={"Idempotency-Key": key})
            except httpx.HTTPError:
                await asyncio.sleep(TRY_AGAIN_SECONDS)
                continue
            if answer.is_success:
                return answer.json()
            if answer.status_code < 500:
                self.failures.append(f"{key}: {answer.status_code} {answer.text}")
                return None
            await asyncio.sleep(TRY_AGAIN_SECONDS)
