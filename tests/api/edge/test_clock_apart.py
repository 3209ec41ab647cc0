"""The API while the database's clock is wrong: it answers what it is asked, and changes nothing."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import httpx
import pytest

from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.edge.tenant import open_tenant_pool
from services.api.partners.keys import Secret
from services.runtime.settings import Settings
from tests.api.games import WHOLE
from tests.api.stand import SECRET, URL, a_tenant
from tests.stand.clocks import FakeClock


@pytest.mark.parametrize("days", [1, -1])
async def test_write_is_503_while_the_clock_is_apart(
    settings: Settings, owner: asyncpg.Connection, days: int
) -> None:
    """Every change is told to try again later, whether it needs an instant or not; reading goes on."""
    settings = settings.model_copy(update={"jwt_secret": SECRET})
    clock = await FakeClock.of(owner)
    pool, limits = await open_tenant_pool(settings), Limits(settings)
    app = build_app(settings, pool, limits=limits, keys=Secret(SECRET))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        partner = await a_tenant(settings, http, owner)
        game = (await partner.post("/games", WHOLE)).json()["data"]
        by_hand = {"game_id": game["id"], "customer_id": "ona", "reason": "asked"}
        await clock.set(timedelta(days=days))
        for answer in (
            await partner.post("/games", WHOLE),
            await partner.put(f"/games/{game['id']}", {"name": "x"}),
            await partner.post("/staff/coupons", by_hand),
            await partner.post("/shops", {"name": "x"}),
        ):
            assert (answer.status_code, answer.headers["retry-after"].isdigit()) == (503, True)
        assert (await partner.get(f"/games/{game['id']}")).status_code == 200
        await clock.set(timedelta())
        assert (await partner.post("/staff/coupons", by_hand)).status_code == 201
    await limits.close()
    pool.terminate()
