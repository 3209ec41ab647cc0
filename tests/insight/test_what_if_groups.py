"""`what-if --program` where coupons are of groups: caps and pools bind as they did, and as a changed program has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.insight.shop import Shop, tried
from tests.insight.test_what_if_program import ends_of
from tests.stand.commands import Command
from tests.stand.grouped_shop import GroupedShop, cancel
from tests.stand.telling import ordered, refunded

GROUPS: list[dict[str, Any]] = [
    {"handle": "each", "maxPerCustomer": 2}, {"handle": "cap", "maxTotal": 4}, {"handle": "pool"},
]  # fmt: skip
WHO = ("anna", "bert", "carl")


@pytest.fixture
async def shop(
    topics: Settings, database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> Shop:
    """Everybody has visited everything four times, and used, cancelled and had cancelled some of it."""
    shop = Shop(topics, database, pipeline, partner_id)
    groups = GroupedShop(connection=database, partner_id=partner_id)
    bought = {"couponType": "custom", "group": {"handle": "cap"}}
    buy = {"name": "Buy", "type": "Reward Campaign", "isRepeatable": True, "rewards": [{"couponReward": bought, "walletReward": 1}]}  # fmt: skip
    await groups.have(*GROUPS, more=[buy])
    await groups.pool("pool", *(f"code {n}" for n in range(5)))
    of_shop: dict[str, Any] = {"partner_id": partner_id}
    await shop.happens([ordered("o-1", "10", **of_shop)])
    for number in range(4):
        for who in WHO:
            await shop.happens([groups.visit(each["handle"], who) for each in GROUPS])
        if number == 1:
            await shop.happens([refunded("o-1", **of_shop)])
            mine = await groups.in_place("each")
            await cancel(database, mine[0]["id"])
            pooled = await groups.in_place("pool")
            code = next(row["external_code"] for row in pooled if row["customer_id"] == "anna")
            await shop.happens([ordered("o-2", "10", coupon_codes=[code], **of_shop)])
            await cancel(database, pooled[-1]["id"])
    assert set(await groups.declined()) == {"group_customer_limit_reached", "group_exhausted"}
    return shop


async def test_without_a_change_what_groups_gave_is_given_again(
    shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """Whoever took the last place, and whatever was cancelled since: nobody has one coupon more or less."""
    report = await tried(couponry, shop, tmp_path, couponGroups=GROUPS)
    assert (report["customers"], report["reproduced"]) == ([], True), report


@pytest.mark.parametrize(
    ("changed", "gained"),
    [
        ({"handle": "each", "maxPerCustomer": 1}, {"anna": -1, "bert": -1, "carl": -1}),
        ({"handle": "each", "maxPerCustomer": 3}, dict.fromkeys(WHO, 1)),
        ({"handle": "each", "maxPerCustomer": 2, "isActive": False}, {"anna": -3, "bert": -2, "carl": -2}),
        ({"handle": "cap", "maxTotal": 1}, {"anna": -2, "bert": -1, "carl": -1}),
        ({"handle": "pool", "maxTotal": 1}, {"anna": -1, "bert": -2, "carl": -1}),
    ],
    ids=["fewer each", "more each", "off", "fewer in all", "fewer of a pool"],
)  # fmt: skip
async def test_other_caps_give_what_they_leave(
    shop: Shop, couponry: Command, tmp_path: Path, changed: dict[str, Any], gained: dict[str, int]
) -> None:
    """In the place of the group of that handle: how many coupons more or less each customer would have got."""
    groups = [changed if each["handle"] == changed["handle"] else each for each in GROUPS]
    report = await tried(couponry, shop, tmp_path, couponGroups=groups)
    before, after = ends_of(report, "before"), ends_of(report, "after")
    assert {who: after[who][2] - before[who][2] for who in before} == gained
