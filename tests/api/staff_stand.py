"""What tests of staff coupons stand on: coupons issued by hand, steps on them, and the same API at a later hour."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
from fastapi import FastAPI

from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.partners.keys import Secret
from services.runtime.settings import Settings
from tests.api.stand import SECRET, URL, Partner

STAFF = "/staff/coupons"
UNKNOWN = "01890000-0000-7000-8000-000000000000"
STEPS = ("reserve", "release", "redeem", "reinstate", "cancel")
COUPON_STEPS = (*STEPS, "preview")


async def a_coupon(partner: Partner, game_id: int, customer_id: str = "anna") -> dict[str, Any]:
    """A coupon issued by hand, as it was answered."""
    body = {"game_id": game_id, "customer_id": customer_id, "reason": "An apology"}
    answer = await partner.post(STAFF, body)
    assert answer.status_code == 201, answer.text
    coupon: dict[str, Any] = answer.json()["data"]["coupon"]
    return coupon


async def a_shop(partner: Partner) -> int:
    """Another shop of the partner."""
    shop_id: int = (await partner.post("/shops", {"name": "Užupio"})).json()["data"]["id"]
    return shop_id


async def step(
    partner: Partner, coupon_id: str, word: str, shop_id: int | None = None, **more: Any
) -> httpx.Response:
    """One step at the partner's first shop, or another."""
    headers = more.pop("headers", {})
    body = {"shop_id": shop_id or partner.shop_id, **more}
    return await partner.post(f"{STAFF}/{coupon_id}/{word}", body, headers=headers)


async def verify(partner: Partner, code: str, shop_id: int | None = None) -> httpx.Response:
    """A code shown at the partner's first shop, or another."""
    return await partner.post(
        f"{STAFF}/verify", {"code": code, "shop_id": shop_id or partner.shop_id}
    )


async def history(partner: Partner, coupon_id: str) -> list[dict[str, Any]]:
    """The coupon's history as it is shown."""
    entries: list[dict[str, Any]] = (await partner.get(f"{STAFF}/{coupon_id}")).json()["data"][
        "coupon"
    ]["history"]
    return entries


async def queued(partner: Partner, coupon_id: str) -> list[str]:
    """Types of the coupon's events that wait to be published, in order."""
    rows = await partner.database.fetch(
        "SELECT ce_type FROM outbox WHERE subject = $1 ORDER BY id", coupon_id
    )
    return [row["ce_type"] for row in rows]


@asynccontextmanager
async def later(
    app: FastAPI, settings: Settings, partner: Partner, seconds: float
) -> AsyncIterator[Partner]:
    """The same partner before an API whose clock is moved."""
    moved = settings.model_copy(update={"clock_offset_seconds": seconds, "allow_test_clock": True})
    limits = Limits(moved)
    moved_app = build_app(moved, app.state.api.pool, limits=limits, keys=Secret(SECRET))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(moved_app), base_url=URL) as http:
        yield replace(partner, http=http)
    await limits.close()
