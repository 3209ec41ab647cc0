"""From a request to what became of it: what is told over HTTP is published, decided like any other, and explained."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from services.adapters.postgres.partners import set_sources
from services.adapters.postgres.pool import connect
from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.edge.tenant import open_tenant_pool
from services.api.partners.keys import Secret
from services.runtime.settings import Settings
from tests.api.games import a_game
from tests.api.partners.test_cards import a_card
from tests.api.stand import SECRET, URL, Partner, a_tenant
from tests.stand.commands import Command
from tests.stand.processes import issuer, relay
from tests.stand.waiting import eventually

RULE = {"amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 1}


@pytest.fixture
async def deciding(topics: Settings) -> AsyncIterator[None]:
    """A relay and an issuer on this test's topics."""
    async with issuer(topics) as reading, relay(topics) as publishing:
        await reading.ready()
        await eventually(publishing.leads)
        yield


@pytest.fixture
async def shops(topics: Settings) -> AsyncIterator[tuple[Partner, Partner]]:
    """Two partners of one application."""
    settings = topics.model_copy(update={"jwt_secret": SECRET})
    pool = await open_tenant_pool(settings)
    limits = Limits(settings)
    app = build_app(settings, pool, limits=limits, keys=Secret(SECRET))
    database = await connect(settings, "test")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        yield await a_tenant(settings, http, database), await a_tenant(settings, http, database)
    await database.close()
    await limits.close()
    pool.terminate()


async def told(partner: Partner, path: str, body: dict[str, Any], key: str) -> str:
    """What was told; its event's id."""
    answer = await partner.v4("POST", path, body, base="", headers={"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["eventId"])


async def decided(partner: Partner, event_id: str) -> dict[str, Any]:
    """What became of it, however long that takes."""

    path = f"/decisions/{quote(event_id, safe='')}"

    async def is_decided() -> bool:
        answer = await partner.v4("GET", path, base="")
        assert answer.status_code in (200, 404)
        return answer.status_code == 200

    await eventually(is_decided)
    said: dict[str, Any] = (await partner.v4("GET", path, base="")).json()
    return said


async def letters(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM dead_letters"))


async def test_what_is_told_is_decided_and_explained(
    deciding: None, shops: tuple[Partner, Partner], couponry: Command
) -> None:
    """Registered, an order that earns, a completion; `explain` says the same of it, `verify` finds no fault with it, nor
    with a card that was given by hand.

    No other partner sees it. Two may use the same ids, also where only their own producers may speak for them.
    """
    shop, other = shops
    await set_sources(shop.database, shop.id, ["/games/*"])
    await shop.v4("PUT", "/cashback", {"defaultCashbackRule": RULE})
    anna = {"customerId": "anna"}
    for partner in shops:
        await told(partner, "/customers", anna | {"customerAttributes": {"tags": ["vip"]}}, "c/1")
    order = anna | {"orderId": "o/1", "totalPrice": 25, "totalPaid": 20, "currency": "EUR"}
    await told(shop, "/orders", order, "2")
    game_id = (await a_game(shop))["id"]
    played = await shop.post(f"/games/{game_id}/completions", {"customer_id": "anna"})

    said = await decided(shop, "2")
    assert (said["type"], said["outcome"], said["reason"]) == ("order.placed", "recorded", None)
    earned = {entry["measure"]: entry["amount"] for entry in said["program"]["entries"]}
    assert earned == {"points": 20, "points_earned": 20, "score": 20, "spent": 20, "orders": 1}
    explained = json.loads((await couponry("explain", "2", "--json")).out)
    assert said == {name: explained[name] for name in said}

    issued = await decided(shop, played.json()["data"]["eventId"])
    assert (issued["outcome"], issued["type"]) == ("issued", "game.completed")
    assert issued["coupon_id"]
    for partner in shops:
        assert (await decided(partner, "c/1"))["type"] == "customer.created"
    await a_card(shop, initial_bonus_points=7)
    card_id = await a_card(shop, initial_bonus_points=5, auto_assign=False)
    for method in ("PUT", "PUT", "DELETE", "PUT"):
        handed = await shop.ask(method, f"/cards/{card_id}/customers/anna")
        assert handed.status_code == 200, handed.text
    balance = await shop.v4("GET", "/customers/anna/balance", base="")
    assert balance.json()["totalPointsBalance"] == 25
    assert (await other.v4("GET", "/decisions/2", base="")).status_code == 404
    assert await letters(shop.database) == 0
    verified = await couponry("verify")
    assert verified.code == 0, verified.out
