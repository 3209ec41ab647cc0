"""Staff after the same coupon at once, over HTTP: one wins, the others hear why not, history is a path.

`RACE_ROUNDS=1000 pytest tests/api/partners/test_staff_races.py` for a quarter of an hour's worth.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from services.domain.coupons.coupon import TRANSITIONS, CouponStatus, Step
from services.runtime.serving import serving
from services.runtime.settings import Settings
from tests.api.games import a_game
from tests.api.staff_stand import STEPS, a_coupon, a_shop, queued, step, verify
from tests.api.stand import Partner, token
from tests.stand.real_shop import RealShop

ROUNDS = int(os.environ.get("RACE_ROUNDS", "4"))
AT_ONCE = 50

pytestmark = [
    pytest.mark.timeout(120 + 2 * ROUNDS),
    pytest.mark.alone("fifty wait for one row, which the API does for two seconds and no longer"),
]


@pytest.fixture(scope="module")
async def server(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The application behind a real server, and so many connections to it."""
    # The server closes idle connections after 5 s: let go of them before that, or a request may meet the closing.
    limits = httpx.Limits(max_connections=AT_ONCE, keepalive_expiry=1)
    async with serving(app, "127.0.0.1", 0, announce_as="api") as address:
        async with httpx.AsyncClient(base_url=address, limits=limits, timeout=60) as client:
            yield client


@pytest.fixture
async def staff(partner: Partner, server: httpx.AsyncClient, api_settings: Settings) -> Partner:
    """The partner of this test, at that server, with a token that lasts."""
    return replace(partner, http=server, token=token(api_settings, partner.id, ttl_seconds=86_400))


async def assert_history_is_a_path(
    database: asyncpg.Connection, coupon_id: str, taken: int
) -> None:
    """Each step once, each a transition from where the one before had led, the last one where the coupon stands."""
    steps = await database.fetch(
        "SELECT step, word, was, status FROM coupon_history WHERE coupon_id = $1 ORDER BY step",
        coupon_id,
    )
    status = CouponStatus.ACTIVE
    for number, entry in enumerate(steps, 1):
        assert (entry["step"], entry["was"]) == (number, status)
        status = TRANSITIONS[status, Step(entry["word"])]
    assert len(steps) == taken
    stands = await database.fetchrow("SELECT status, steps FROM coupons WHERE id = $1", coupon_id)
    assert tuple(stands or ()) == (status, taken)


def statuses(answers: Sequence[httpx.Response]) -> Counter[int]:
    """How often each status was answered."""
    return Counter(answer.status_code for answer in answers)


async def test_race_of_fifty_redeems_has_one_winner(staff: Partner) -> None:
    """Round after round: one 200, forty-nine are told that the coupon has been used."""
    game = await a_game(staff)
    for _ in range(ROUNDS):
        id = (await a_coupon(staff, game["id"]))["coupon_id"]
        answers = await asyncio.gather(*(step(staff, id, "redeem") for _ in range(AT_ONCE)))
        assert statuses(answers) == {200: 1, 409: AT_ONCE - 1}
        refusals = {answer.json().get("error_code") for answer in answers}
        assert refusals == {None, "COUPON_ALREADY_USED"}
        assert await queued(staff, id) == ["coupon.issued", "coupon.redeemed"]


async def test_race_of_one_key_is_run_once(staff: Partner) -> None:
    """Fifty times the same request at the same moment: all get the one answer."""
    game = await a_game(staff)
    for number in range(ROUNDS):
        id = (await a_coupon(staff, game["id"]))["coupon_id"]
        key = {"idempotency-key": f"race-{number}"}
        answers = await asyncio.gather(
            *(step(staff, id, "redeem", headers=key) for _ in range(AT_ONCE))
        )
        assert statuses(answers) == {200: AT_ONCE}
        assert len({answer.content for answer in answers}) == 1


async def test_race_of_any_steps_leaves_a_path(staff: Partner) -> None:
    """Fifty random steps at once: every one taken or refused, each number taken once, each step a transition."""
    chance = random.Random(7)
    game = await a_game(staff)
    for _ in range(ROUNDS):
        id = (await a_coupon(staff, game["id"]))["coupon_id"]
        words = [chance.choice(STEPS) for _ in range(AT_ONCE)]
        answers = await asyncio.gather(*(step(staff, id, word) for word in words))
        counted = statuses(answers)
        assert set(counted) == {200, 409}
        await assert_history_is_a_path(staff.database, id, counted[200])
        assert len(await queued(staff, id)) == 1 + counted[200]


async def test_race_for_the_last_use_has_one_winner(staff: Partner) -> None:
    """Two shops at once, each with a total at the very limit: one uses it, the other hears that it has been used."""
    shop = RealShop(connection=staff.database, partner_id=staff.id)
    await shop.set(settings={"currency": "EUR"})
    other = await a_shop(staff)
    for _ in range(ROUNDS):
        code = await shop.given(
            couponType="fixed_discount",
            discountValue=5,
            minOrderValue=50,
            options={"usageLimit": 2},
        )
        id = (await verify(staff, code)).json()["data"]["coupon"]["coupon_id"]
        assert (await step(staff, id, "redeem", total=50)).status_code == 200
        answers = await asyncio.gather(
            *(step(staff, id, "redeem", at, total=50) for at in (staff.shop_id, other))
        )
        assert statuses(answers) == {200: 1, 409: 1}
        won, lost = sorted(answers, key=lambda answer: answer.status_code)
        assert won.json()["data"]["discount"] == 5
        assert won.json()["data"]["coupon"]["terms"]["used_count"] == 2
        assert lost.json()["error_code"] == "COUPON_ALREADY_USED"
        await assert_history_is_a_path(staff.database, id, 2)
        assert await queued(staff, id) == ["coupon.issued", "coupon.used", "coupon.redeemed"]
