"""Whatever of the seeds' spellings a rule is sent in, it is the same rule; and what is none is refused by its place."""

from __future__ import annotations

from copy import deepcopy
from functools import reduce
from operator import getitem
from typing import Any

import pytest

from tests.api.gameball_v3.samples import DEFAULT, RULE, added, fixed, put, told, version
from tests.api.stand import Partner

SPELLINGS: list[tuple[str, str]] = [
    ("percentage_discount", "percentage_discount"), ("percentage_discount_settings", "percentage_discount"),
    ("Fixed Percentage", "percentage_discount"), ("Percentage", "percentage_discount"),
    ("enablePercentage", "percentage_discount"), ("percentage", "percentage_discount"),
    ("fixed_discount", "fixed_discount"), ("Fixed Amount", "fixed_discount"), ("fixed", "fixed_discount"),
    ("fixed_rate_discount", "fixed_rate_discount"), ("fixed_rate_settings", "fixed_rate_discount"),
    ("enableFixedRate", "fixed_rate_discount"),
    ("free_shipping", "free_shipping"), ("free_shipping_settings", "free_shipping"), ("Free Shipping", "free_shipping"),
    ("shipping", "free_shipping"), ("enableFreeShipping", "free_shipping"),
    ("free_product", "free_product"), ("free_product_settings", "free_product"), ("Free Product", "free_product"),
    ("product", "free_product"), ("enableFreeProduct", "free_product"),
    ("custom", "custom"), ("Custom", "custom"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "shown"), SPELLINGS)
async def test_coupon_type_is_read_in_every_spelling(
    partner: Partner, sent: str, shown: str
) -> None:
    """And written in v3's own; where the rule's type says otherwise, the coupon's decides."""
    coupon = {"couponType": sent, "product": {"productId": "p"}, "group": {"handle": "g"}}
    rule = await added(partner, {**fixed(coupon=coupon), "ruleType": "custom"})
    assert rule["coupon"]["couponType"] == shown
    assert rule["ruleType"] == "custom"


@pytest.mark.parametrize(
    ("rule_type", "coupon", "follows"),
    [
        ("free_shipping_settings", {}, "free_shipping"),
        ("percentage_discount_settings", {"discountValue": 10}, "percentage_discount"),
        ("free_product_settings", {"product": "Any"}, "free_product"),
        ("fixed_rate_settings", {"discountValue": 10}, "fixed_rate_discount"),
        ("custom", {"group": {"handle": "g"}}, "custom"),
        ("general_settings", {}, None),
    ],
)
async def test_coupon_type_follows_from_the_rules(
    partner: Partner, rule_type: str, coupon: dict[str, Any], follows: str | None
) -> None:
    """Where it is not said; a coupon of general settings has none, and gives only terms."""
    rule = await added(partner, {"pointsToRedeem": 1, "ruleType": rule_type, "coupon": coupon})
    assert (rule["ruleType"], rule["coupon"]["couponType"]) == (rule_type, follows)


SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"PointsToRedeem": 100.0, "RuleType": "fixed_rate_settings", "Coupon": {"DiscountValue": 5.0}},
        fixed(),
    ),
    (
        fixed(StartDate="2026-11-01T00:00:00", EndDate="2026-11-30T23:59:59+02:00"),
        fixed(startDate="2026-11-01T00:00:00Z", endDate="2026-11-30T21:59:59Z"),
    ),
    (
        fixed(startDate="2026-11-01", endDate="2026-11-30"),
        fixed(startDate="2026-10-31T22:00:00Z", endDate="2026-11-30T21:59:59Z"),
    ),
    (
        {"ruleType": "general_setting", "coupon": {}},
        {"ruleType": "general_settings", "pointsToRedeem": None, "coupon": {}},
    ),
    (
        fixed(coupon={"collections": [7], "applicableTo": {"collections": [{"CollectionId": 8, "CollectionName": "B"}],
                                                           "productIds": ["p"]}, "options": {"collections": [7]}}),
        fixed(coupon={"applicableTo": {"collections": [7, {"collectionId": 8, "collectionName": "B"}],
                                       "productIds": ["p"]}, "options": {}}),
    ),
    (
        fixed(coupon={"options": {"minOrderValue": 50, "codePrefix": "A", "usedCount": 3}}),
        fixed(coupon={"minOrderValue": 50, "options": {"couponPrefix": "A"}}),
    ),
    (
        fixed(availableTo={"Level": {"LevelId": 5}, "Tags": ["VIP"]}, unknown=1),
        fixed(availableTo={"level": {"levelId": 5, "levelName": None}, "tags": ["VIP"]}),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
async def test_rule_is_the_same_however_it_is_written(
    partner: Partner, one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Names by either letter, lists in any of their places, dates for instants, whole numbers with a point."""
    first, second = await added(partner, one), await added(partner, other)
    assert {**first, "id": None} == {**second, "id": None}


async def test_least_order_value_is_shown_in_both_places(partner: Partner) -> None:
    """Beside the options and, where there are any, in them."""
    rule = await added(partner, fixed(coupon={"minOrderValue": 50, "options": {"mine": "x"}}))
    assert rule["coupon"]["minOrderValue"] == rule["coupon"]["options"]["minOrderValue"] == 50
    assert (rule["coupon"]["options"]["usedCount"], rule["coupon"]["options"]["mine"]) == (0, "x")


MERGED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # what is sent, the places that differ afterwards
    ({"coupon": {"minOrderValue": 70}}, {"coupon.minOrderValue": 70, "coupon.options.minOrderValue": 70}),
    ({"coupon": {"options": {"minOrderValue": 70}}}, {"coupon.minOrderValue": 70, "coupon.options.minOrderValue": 70}),
    ({"coupon": {"collections": [9]}}, {"coupon.applicableTo.collections": [{"collectionId": 9, "collectionName": None}]}),
    ({"coupon": {"applicableTo": {"productIds": ["q"]}}}, {"coupon.applicableTo.productIds": ["q"]}),
    ({"coupon": {"options": {"capping": 3, "mine": None}}}, {"coupon.options.capping": 3, "coupon.options.mine": None}),
    ({"coupon": {"options": {"combinesWith": {"orderDiscounts": True}}}}, {"coupon.options.combinesWith.orderDiscounts": True}),
    ({"coupon": {"couponType": None}}, {"coupon.couponType": "fixed_rate_discount"}),
    ({"ruleType": "percentage_discount_settings"}, {"ruleType": "percentage_discount_settings"}),
    ({"startDate": None, "howToRedeem": "Ask"}, {"startDate": None, "howToRedeem": "Ask"}),
    ({"availableTo": {"tags": []}}, {"availableTo.tags": []}),
    ({"availableTo": {"level": {"levelName": "Gold"}}}, {"availableTo.level.levelName": "Gold"}),
    ({"availableTo": {"level": None}}, {"availableTo.level": None}),
    ({"IsActive": False}, {"isActive": False}),
    ({"pointsToRedeem": None, "ruleType": "general_setting"}, {"pointsToRedeem": None, "ruleType": "general_settings"}),
    ({}, {}),
]  # fmt: skip
WHOLE = fixed(
    coupon={
        "couponType": "fixed_discount", "minOrderValue": 50,
        "applicableTo": {"collections": [7], "productIds": ["p"]},
        "options": {"combinesWith": {"productDiscounts": True}, "mine": 1},
    },
    startDate="2026-11-01T00:00:00Z",
    availableTo={"level": {"levelId": 5, "levelName": "Silver"}, "tags": ["VIP"]},
)  # fmt: skip


@pytest.mark.parametrize(("sent", "differs"), MERGED)
async def test_change_leaves_what_it_does_not_say(
    partner: Partner, sent: dict[str, Any], differs: dict[str, Any]
) -> None:
    """Objects are merged to any depth, lists replaced, null sets null, and the place that was sent wins."""
    rule = await added(partner, WHOLE)
    expected = deepcopy(rule)
    for place, value in differs.items():
        *holders, name = place.split(".")
        reduce(getitem, holders, expected)[name] = value
    assert await put(partner, f"{DEFAULT}/{rule['id']}", sent) == expected
    assert await told(partner, RULE) == [expected]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"pointsToRedeem": 0}, "pointsToRedeem"),
    ({"pointsToRedeem": 1.5}, "pointsToRedeem"),
    ({"pointsToRedeem": "100"}, "pointsToRedeem"),
    ({"pointsToRedeem": None}, "pointsToRedeem"),
    ({"pointsToRedeem": 10**12 + 1}, "pointsToRedeem"),
    ({"valueOfPoint": -1}, "valueOfPoint"),
    ({"valueOfPoint": None}, "valueOfPoint"),
    ({"valueOfPoint": 0.0000001}, "valueOfPoint"),
    ({"ruleType": None}, "ruleType"),
    ({"ruleType": "General_settings"}, "ruleType"),
    ({"coupon": None}, "coupon"),
    ({"coupon": []}, "coupon"),
    ({"coupon": {"couponType": "x"}}, "coupon.couponType"),
    ({"coupon": {"discountValue": None}}, "coupon.discountValue"),
    ({"coupon": {"discountValue": 0}}, "coupon.discountValue"),
    ({"coupon": {"discountValue": 101, "couponType": "percentage_discount"}}, "coupon.discountValue"),
    ({"coupon": {"minOrderValue": -1}}, "coupon.minOrderValue"),
    ({"coupon": {"minOrderValue": 1, "options": {"minOrderValue": 2}}}, "coupon.minOrderValue"),
    ({"coupon": {"couponType": "free_product"}}, "coupon.product"),
    ({"coupon": {"couponType": "free_product", "product": {"productName": "A"}}}, "coupon.product.productId"),
    ({"coupon": {"couponType": "custom"}}, "coupon.group.handle"),
    ({"coupon": {"group": {"handle": ""}}}, "coupon.group.handle"),
    ({"coupon": {"applicableTo": None}}, "coupon.applicableTo"),
    ({"coupon": {"collections": 7}}, "coupon.collections"),
    ({"coupon": {"collections": list(range(1_001))}}, "coupon.collections"),
    ({"coupon": {"options": {"collections": [1, {}]}}}, "coupon.options.collections.1"),
    ({"coupon": {"collections": [1], "applicableTo": 5}}, "coupon.applicableTo"),
    ({"coupon": {"options": {"usageLimit": 0}}}, "coupon.options.usageLimit"),
    ({"coupon": {"options": {"expiryAfter": 0}}}, "coupon.options.expiryAfter"),
    ({"coupon": {"options": {"couponPrefix": "A", "codePrefix": "B"}}}, "coupon.options.couponPrefix"),
    ({"startDate": "soon"}, "startDate"),
    ({"startDate": "2026-11-02", "endDate": "2026-11-01"}, "endDate"),
    ({"endDate": "2026-11-01", "EndDate": "2026-11-02"}, "endDate"),
    ({"availableTo": None}, "availableTo"),
    ({"availableTo": {"tags": None}}, "availableTo.tags"),
    ({"availableTo": {"tags": [""]}}, "availableTo.tags.0"),
    ({"availableTo": {"level": {"levelId": "5"}}}, "availableTo.level.levelId"),
    ({"isActive": None}, "isActive"),
    ({"howToRedeem": 1}, "howToRedeem"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "place"), REFUSED)
async def test_rule_that_is_wrong_is_refused(
    partner: Partner, wrong: dict[str, Any], place: str
) -> None:
    """By its place, whether it is added or changed so; then nothing was."""
    rule = await added(partner, fixed())
    coupon = wrong.get("coupon")
    whole = (
        fixed(**{**wrong, "coupon": coupon}) if isinstance(coupon, dict) else {**fixed(), **wrong}
    )
    for method, path, sent in (("POST", RULE, whole), ("PUT", f"{DEFAULT}/{rule['id']}", wrong)):
        answer = await partner.v3(method, path, sent)
        assert (answer.status_code, answer.json()["code"]) == (422, 3003), answer.text
        assert answer.json()["errors"].keys() == {place}
    assert await told(partner, RULE) == [rule]
    assert await version(partner) == 1


@pytest.mark.parametrize("missing", ["pointsToRedeem", "ruleType", "coupon"])
async def test_rule_needs_three_fields(partner: Partner, missing: str) -> None:
    """Each of them is named by what is missing."""
    sent = {name: value for name, value in fixed().items() if name != missing}
    answer = await partner.v3("POST", RULE, sent)
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        {missing: [f"The {missing} field is required."]},
    )
    assert await told(partner, RULE) == []
