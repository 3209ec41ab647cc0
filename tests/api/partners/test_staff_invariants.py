"""Staff and issuers at the same customers, over HTTP and from the topic: afterwards `verify` finds nothing."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

import httpx
import pytest

from services.adapters.postgres.pool import connect, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.edge.tenant import open_tenant_pool
from services.api.partners.keys import Secret
from services.insight.verify.run import verify
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.api.games import a_game
from tests.api.staff_stand import STAFF, STEPS, a_coupon, step
from tests.api.stand import SECRET, URL, Partner, a_tenant
from tests.stand.records import completed

ROUNDS = int(os.environ.get("RACE_ROUNDS", "4"))
COMPLETIONS = 8
AT_ONCE = 24
TRIES = 20

pytestmark = pytest.mark.timeout(120 + 2 * ROUNDS)


@pytest.fixture
async def alone(topics: Settings) -> AsyncIterator[tuple[Partner, Pipeline]]:
    """A partner and an issuer in a database that no other test puts anything into."""
    settings = topics.model_copy(update={"jwt_secret": SECRET})
    async with AsyncExitStack() as stack:
        api_pool = await open_tenant_pool(settings)
        stack.callback(api_pool.terminate)
        pool = await open_pool(settings, "couponry-issuer", max_size=8, enable_seqscan="off")
        stack.callback(pool.terminate)
        locks = CustomerLocks(settings)
        stack.push_async_callback(locks.close)
        limits = Limits(settings)
        stack.push_async_callback(limits.close)
        database = await connect(settings, "test")
        stack.push_async_callback(database.close)
        app = build_app(settings, api_pool, limits=limits, keys=Secret(SECRET))
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL)
        )
        yield await a_tenant(settings, http, database), Pipeline(pool, locks)


async def until_served(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """As a till does: on a slow machine some wait longer for their turn than anybody may, and are told to come again."""
    tries = 1
    while (answer := await ask()).status_code == 503 and tries < TRIES:
        assert answer.headers["retry-after"] == "1"
        tries += 1
    return answer


async def test_race_of_staff_and_issuer_keeps_every_invariant(
    alone: tuple[Partner, Pipeline], topics: Settings
) -> None:
    """Steps of all kinds, coupons by hand and completions of one customer of a single-rule game, all at once."""
    staff, issuer = alone
    chance = random.Random(11)
    game = await a_game(staff, allow_multiple_active_coupons=False, coupon_validity_days=30)
    for number in range(ROUNDS):
        customer = f"anna-{number}"
        id = (await a_coupon(staff, game["id"], customer))["coupon_id"]
        by_hand = {"game_id": game["id"], "customer_id": customer, "reason": "race"}
        records = [
            completed(f"{number}-{n}", customer, partner_id=staff.id, game_id=game["id"])
            for n in range(COMPLETIONS)
        ]
        words = ["redeem", *chance.choices(STEPS[:-1], k=AT_ONCE)]
        answers, reports = await asyncio.gather(
            asyncio.gather(
                *(until_served(partial(step, staff, id, word)) for word in words),
                *(until_served(partial(staff.post, STAFF, by_hand)) for _ in range(COMPLETIONS)),
            ),
            asyncio.gather(*(issuer.process([record]) for record in records)),
        )
        assert {answer.status_code for answer in answers} <= {200, 201, 409}
        assert sum(len(report.verdicts) for report in reports) == COMPLETIONS
    report = await verify(topics, lambda line: None)
    assert report.violations == []
    assert report.checked > ROUNDS * COMPLETIONS
