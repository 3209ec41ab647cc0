"""`what-if --program` over redemptions: by event and over HTTP, undone, used, over; without a change as recorded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from schemas.topics import CUSTOMERS, ORDERS
from services.adapters.kafka import client_options
from services.adapters.records import bounds_of, partitions_of, side_reader
from services.domain.coupons.coupon import Step
from services.runtime.settings import Settings
from tests.insight.redeeming import PROGRAM, REDEMPTION, Act, Redeeming, a_month, at_once
from tests.insight.shop import OTHER_CASHBACK, Shop, tried
from tests.insight.test_what_if_program import ends_of
from tests.stand.commands import CommandOn
from tests.stand.issuing import a_partner

DONE = {
    ("points.redeem", None), ("points.undo", None), ("points.redeem-requested", None), ("points.undo-requested", None),
    ("points.redeem-requested", "insufficient_points"), ("points.undo-requested", "coupon_not_active"),
    ("points.undo-requested", "not_a_redemption"), ("order.placed", None),
}  # fmt: skip


@pytest.fixture
async def shop(redeeming: Redeeming) -> Redeeming:
    await redeeming.set(**PROGRAM)
    return redeeming


def with_ids(section: dict[str, Any], rules: Sequence[int]) -> dict[str, Any]:
    """The section as what changes these very rules."""
    section = deepcopy(section)
    *ids, default = rules
    section["defaultRule"]["id"] = default
    for rule, id_ in zip(section["rules"], ids, strict=True):
        rule["id"] = id_
    return section


def redemption(**changes: Any) -> dict[str, Any]:
    return {"redemption": {**deepcopy(REDEMPTION), **changes}}


def dearer() -> dict[str, Any]:
    section = redemption()
    for rule in section["redemption"]["rules"][:2]:
        rule["pointsToRedeem"] += 35
    return section


def worth_more() -> dict[str, Any]:
    section = redemption(
        defaultRule={"valueOfPoint": REDEMPTION["defaultRule"]["valueOfPoint"] * 3}
    )
    for rule in section["redemption"]["rules"][:2]:
        rule["coupon"]["discountValue"] *= 3
    section["redemption"]["rules"][1]["coupon"]["options"]["usageLimit"] = 1
    return section


CHANGES: dict[str, dict[str, Any]] = {
    "dearer": dearer(),
    "worth more": worth_more(),
    "nothing to redeem": redemption(isRedemptionActive=False),
    "points that end": redemption(pointsExpiryPeriod=2),
    "fewer points": {"cashback": {"defaultCashbackRule": {"amountRewardThreshold": 2, "rewardWalletFactor": 1, "rewardRankFactor": 1}, "tierCashbackRules": []}},
    "more points": {"cashback": OTHER_CASHBACK},
}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
async def test_without_a_change_nothing_differs(
    seed: int, shop: Redeeming, couponry_on: CommandOn, tmp_path: Path
) -> None:
    """Redeemed and undone by event and over HTTP, used by orders that are reversed, at the till, over: as recorded."""
    await shop.live(a_month(random.Random(seed), with_staff=True))
    report = await tried(couponry_on(shop.settings), shop.shop, tmp_path)
    assert (report["customers"], report["reproduced"]) == ([], True), report
    assert report["events_without_record"] == 0
    rows = await shop.shop.database.fetch("SELECT DISTINCT event_type, reason FROM decisions")
    assert {tuple(row) for row in rows} >= DONE
    words = await shop.shop.database.fetch("SELECT DISTINCT word FROM coupon_history")
    assert {row["word"] for row in words} >= {"cancelled", "redeemed", "used", "reserved"}


@pytest.mark.parametrize("name", CHANGES)
async def test_changed_program_agrees_with_a_real_run(
    name: str, shop: Redeeming, couponry_on: CommandOn, tmp_path: Path
) -> None:
    """What another partner comes to, to whom the same happened: as far as its customers could have known the coupons."""
    month = a_month(random.Random(5), with_staff=False)
    await shop.live(month)
    change = CHANGES[name]
    sections = dict(change)
    if "redemption" in change:
        sections["redemption"] = with_ids(change["redemption"], shop.rules)
    report = await tried(couponry_on(shop.settings), shop.shop, tmp_path, **sections)
    assert report["changed"] == list(change)

    partner_id = await a_partner(shop.shop.database)
    its = Shop(shop.shop.settings, shop.shop.database, shop.shop.pipeline, partner_id)
    other = Redeeming(shop=its, pool=shop.pool, locks=shop.locks)
    await other.set(**{**PROGRAM, **change})
    await other.live(month, as_refused=shop.refused, as_issued=shop.issued)
    before, after = await shop.shop.ends(), await its.ends()
    assert ends_of(report, "before") == {who: before[who] for who in before if before[who] != after[who]}  # fmt: skip
    assert ends_of(report, "after") == {who: after[who] for who in before if before[who] != after[who]}  # fmt: skip
    assert report["totals"]["differing"]


async def forgotten(settings: Settings, name: str) -> None:
    """All that the topic has."""
    async with side_reader(settings) as consumer:
        bounds = await bounds_of(consumer, await partitions_of(settings, [settings.topic(name)]))
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    await admin.delete_records(
        {place: RecordsToDelete(before_offset=each.end) for place, each in bounds.items()}
    )
    await admin.close()


async def test_redemptions_that_the_topic_has_no_more_are_decided_again(
    shop: Redeeming, couponry_on: CommandOn, tmp_path: Path
) -> None:
    """What was asked follows from what was done, so only those that came to nothing are without a record."""
    await shop.live(a_month(random.Random(1), with_staff=False))
    await forgotten(shop.shop.settings, CUSTOMERS)
    report = await tried(couponry_on(shop.settings), shop.shop, tmp_path)
    assert (report["customers"], report["reproduced"]) == ([], True), report
    assert report["events_without_record"] == await shop.shop.database.fetchval(
        "SELECT count(*) FROM decisions WHERE event_type LIKE 'points.%' AND reason IS NOT NULL"
    )
    cheaper = with_ids(dearer()["redemption"], shop.rules)
    report = await tried(couponry_on(shop.settings), shop.shop, tmp_path, redemption=cheaper)
    assert report["totals"]["differing"]


@pytest.mark.parametrize("by", ["order.placed", Step.REDEEMED])
async def test_coupon_that_was_used_is_not_undone(
    by: str, shop: Redeeming, couponry_on: CommandOn, tmp_path: Path
) -> None:
    """By an order that the topic has no more, or at the till: it was used in this world, too."""
    used = Act(name="use", kind=by, who="anna", coupon="redeem", order="o-2", amount="50")
    await shop.live(
        at_once(
            Act(name="order", kind="order.placed", who="anna", order="o-1", amount="100"),
            Act(name="redeem", kind="http.redeem", who="anna"),
            used,
        )
    )
    await forgotten(shop.shop.settings, ORDERS)
    undo = Act(name="undo", kind="points.undo-requested", who="anna", coupon="redeem")
    await shop.live(at_once(undo))
    report = await tried(couponry_on(shop.settings), shop.shop, tmp_path)
    assert (report["customers"], report["reproduced"]) == ([], True), report


async def test_coupon_that_is_not_issued_is_not_undone_and_not_used(
    shop: Redeeming, couponry_on: CommandOn, tmp_path: Path
) -> None:
    """Where the changed program redeems nothing, points stay, its code is nobody's and an undo gives nothing back."""
    await shop.live(
        at_once(
            Act(name="order", kind="order.placed", who="anna", order="o-1", amount="100"),
            Act(name="one", kind="points.redeem-requested", who="anna"),
            Act(name="two", kind="http.redeem", who="anna"),
            Act(name="undo", kind="http.undo", who="anna", coupon="one"),
            Act(name="use", kind="order.placed", who="anna", coupon="two", order="o-2", amount="50"),
        )
    )  # fmt: skip
    assert (await shop.shop.ends())["anna"] == (100 - 20 + 45, "Bronze", 2)
    closed = with_ids(redemption(isRedemptionActive=False)["redemption"], shop.rules)
    report = await tried(couponry_on(shop.settings), shop.shop, tmp_path, redemption=closed)
    assert ends_of(report, "before") == {"anna": (125, "Bronze", 2)}
    assert ends_of(report, "after") == {"anna": (150, "Bronze", 0)}
