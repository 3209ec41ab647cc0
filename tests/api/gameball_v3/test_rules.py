"""Redemption rules over HTTP: made, shown, changed by either path, removed; what is theirs, and how many there can be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from schemas.gameball_v4.redemption import MOST_RULES
from services.api.gameball_v3.dialect import LARGER_BODY_BYTES
from tests.api.gameball_v3.samples import (
    CONFIG,
    DEFAULT,
    FREE_SHIPPING,
    NOTHING_KNOWN,
    RULE,
    SUNDAE,
    added,
    fixed,
    put,
    told,
    trail,
    version,
)
from tests.api.stand import Partner

BOTH_PATHS = (DEFAULT, CONFIG)
OURS = {"isActive": True, "howToRedeem": None}


async def test_rule_comes_back_as_it_was_sent(partner: Partner) -> None:
    """The seed's sample: with an id, all of a group that is not there, and two fields of ours."""
    rule = await added(partner, SUNDAE)
    group = {"handle": "Free_Sundae", **NOTHING_KNOWN}
    shown = {**SUNDAE, "coupon": {**SUNDAE["coupon"], "group": group}, **OURS}
    assert type(rule["id"]) is int
    assert rule == {"id": rule["id"], **shown}
    assert await told(partner, RULE) == [rule]
    assert await told(partner, f"{RULE}/{rule['id']}") == rule


async def test_rule_that_says_least_gets_defaults(partner: Partner) -> None:
    """The coupon's type follows from the rule's; options are not shown unless they were given."""
    rule = await added(partner, fixed())
    coupon = {
        "couponType": "fixed_rate_discount", "discountValue": 5, "minOrderValue": None, "product": None,
        "applicableTo": {"collections": [], "productIds": None}, "group": None,
    }  # fmt: skip
    assert rule == {
        "id": rule["id"], "pointsToRedeem": 100, "valueOfPoint": 0, "ruleType": "fixed_rate_settings",
        "startDate": None, "endDate": None, "coupon": coupon, "availableTo": {"level": None, "tags": []}, **OURS,
    }  # fmt: skip


@pytest.mark.parametrize("at_its_start", ["v3", "v3.0"])
@pytest.mark.parametrize("path", BOTH_PATHS)
async def test_rule_is_changed_and_removed_by_either_path(
    partner: Partner, stranger: Partner, path: str, at_its_start: str
) -> None:
    """Also by either version; of another partner it is not found. Every step is in the audit trail."""
    rule = await added(partner, SUNDAE)
    place = f"{path}/{rule['id']}"
    changed = await put(partner, place, {"pointsToRedeem": 500, "id": 7}, version=at_its_start)
    assert changed == {**rule, "pointsToRedeem": 500}
    assert await told(partner, RULE) == [changed]
    for method, body in (("PUT", {"isActive": False}), ("DELETE", None)):
        refused = await stranger.v3(method, place, body)
        assert (refused.status_code, refused.json()["code"]) == (404, 4004)
        assert refused.json()["message"] == "Redemption rule not found"
    gone = await partner.v3("DELETE", place, version=at_its_start)
    assert (gone.status_code, gone.content) == (200, b"true")
    assert await told(partner, RULE) == []
    assert (await partner.v3("DELETE", place)).status_code == 404
    steps = [f"redemption_rule.{step}" for step in ("created", "updated", "deleted")]
    assert await trail(partner) == [(step, str(rule["id"])) for step in steps]


@pytest.mark.parametrize(
    "sent",
    [
        SUNDAE,
        fixed(coupon={"options": {"usageLimit": 2, "minOrderValue": 10, "mine": {"a": [1]}}}),
        fixed(coupon={"group": {"handle": None}, "collections": [7, {"collectionId": "b", "collectionName": "B"}]}),
        fixed(startDate="2026-11-01", endDate="2026-11-30", coupon={"options": {"expiryAfter": "2026-12-31"}}),
        {"ruleType": "general_setting", "coupon": {"minOrderValue": 5}, "valueOfPoint": 0.013},
        FREE_SHIPPING,
    ],
)  # fmt: skip
async def test_rule_sent_back_changes_nothing(partner: Partner, sent: dict[str, Any]) -> None:
    """No version, no entry, by whatever it is made of."""
    rule = await added(partner, sent)
    entries = await trail(partner)
    assert await put(partner, f"{DEFAULT}/{rule['id']}", rule) == rule
    assert await version(partner) == 1
    assert await trail(partner) == entries


async def test_rule_that_is_added_again_by_its_key_is_one(partner: Partner) -> None:
    """A repeated POST gets the first one's answer."""
    sent = [
        await partner.v3("POST", RULE, SUNDAE, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in sent] == [201, 201]
    assert sent[0].content == sent[1].content
    assert sent[1].headers["idempotent-replayed"] == "true"
    assert len(await told(partner, RULE)) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("id_", ["0", "-1", "x", "1.0", str(2**53), str(2**53 - 1), "9" * 40])
async def test_rule_of_no_such_id_is_not_found(partner: Partner, method: str, id_: str) -> None:
    """Also where the text can be the id of nothing."""
    paths = [RULE] if method == "GET" else BOTH_PATHS
    for path in paths:
        answer = await partner.v3(method, f"{path}/{id_}", {} if method == "PUT" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, 4004)


@pytest.mark.parametrize(
    "other",
    [
        FREE_SHIPPING,
        fixed(coupon={"couponType": "free_shipping"}),
        {**FREE_SHIPPING, "coupon": {"couponType": "fixed_discount", "discountValue": 1}},
        {"ruleType": "general_settings", "coupon": {"couponType": "Free Shipping"}},
    ],
)
async def test_free_shipping_has_one_rule(partner: Partner, other: dict[str, Any]) -> None:
    """By the rule's type or its coupon's, added or become so; the one that there is can be changed, and made room by."""
    first = await added(partner, other)
    plain = await added(partner, fixed())
    place = f"{DEFAULT}/{plain['id']}"
    for method, path, sent in (
        ("POST", RULE, FREE_SHIPPING),
        ("PUT", place, {"ruleType": "free_shipping_settings"}),
        ("PUT", place, {"coupon": {"couponType": "shipping"}}),
    ):
        refused = await partner.v3(method, path, sent)
        assert refused.status_code == 409, refused.text
        assert (refused.json()["code"], refused.json()["reason"]) == (
            4000,
            "free_shipping_rule_exists",
        )
    assert [rule["id"] for rule in await told(partner, RULE)] == [first["id"], plain["id"]]
    changed = await put(partner, f"{DEFAULT}/{first['id']}", {"isActive": False})
    assert changed == {**first, "isActive": False}
    await partner.v3("DELETE", f"{DEFAULT}/{first['id']}")
    assert (await put(partner, place, {"ruleType": "free_shipping_settings"}))["id"] == plain["id"]


async def test_free_shipping_is_raced_for_by_two(partner: Partner) -> None:
    """Of many that come at once one is made, and each of the others is told why it was not."""
    answers = await asyncio.gather(*(partner.v3("POST", RULE, FREE_SHIPPING) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    reasons = {answer.json().get("reason") for answer in answers}
    assert reasons == {None, "free_shipping_rule_exists"}
    assert len(await told(partner, RULE)) == 1
    assert await version(partner) == 1


async def test_rules_are_so_many(partner: Partner) -> None:
    """The last one goes in, one more is a conflict; those that are there can be changed."""
    first = await added(partner, fixed())
    await partner.database.execute(
        """
        UPDATE programs SET revision = revision + 1, sections = jsonb_set(sections, '{redemption,rules}', (
            SELECT jsonb_agg(sections #> '{redemption,rules,0}' || jsonb_build_object('id', $2::bigint + n))
            FROM generate_series(0, $3::integer) AS n)) WHERE partner_id = $1
        """,
        partner.id,
        first["id"],
        MOST_RULES - 2,
    )
    await added(partner, fixed())
    refused = await partner.v3("POST", RULE, fixed())
    assert (refused.status_code, refused.json()["reason"]) == (409, "limit_reached")
    assert (await put(partner, f"{DEFAULT}/{first['id']}", {"isActive": False}))["id"] == first[
        "id"
    ]
    assert len(await told(partner, RULE)) == MOST_RULES


async def test_rule_has_room_for_long_lists(partner: Partner) -> None:
    """A thousand collections with their names are more than bodies may usually have, and come back; a mebibyte is too much."""
    collections = [{"collectionId": n, "collectionName": "C" * 60} for n in range(1_000)]
    rule = await added(partner, fixed(coupon={"collections": collections}))
    assert rule["coupon"]["applicableTo"]["collections"] == collections
    for method, path in (("POST", RULE), *(("PUT", f"{at}/{rule['id']}") for at in BOTH_PATHS)):
        large = await partner.v3(method, path, content=b" " * (LARGER_BODY_BYTES + 1))
        assert (large.status_code, large.json()["code"]) == (413, 3000)
    changed = await put(partner, f"{CONFIG}/{rule['id']}", {"coupon": rule["coupon"]})
    assert changed == rule


GROUP = {
    "title": "Summer", "url": "https://example.com/g", "iconPath": "/i.png", "description": "All of it",
    "maxPerCustomer": 2, "startDate": "2020-01-01T00:00:00Z", "expiryDate": "2099-12-31T21:59:59Z",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "is_valid", "is_active"),
    [
        ({}, True, True),
        ({"isActive": False}, True, False),
        ({"startDate": "2099-01-01"}, False, False),
        ({"expiryDate": "2020-12-31"}, False, False),
        ({"startDate": None, "expiryDate": None}, True, True),
    ],
)
async def test_rule_shows_its_group(
    partner: Partner, changes: dict[str, Any], is_valid: bool, is_active: bool
) -> None:
    """In v3's words: how many a customer may have, whether this is its time, and whether it is switched on as well."""
    group = (await partner.v4("PUT", "/coupon-groups/summer", {**GROUP, **changes})).json()
    sent = {"handle": "summer", "title": "Ignored", "maxPerPlayer": 9, "isActive": "x"}
    rule = await added(partner, {**fixed(coupon={"group": sent}), "ruleType": "custom"})
    said = {name: group[name] for name in (*GROUP, "handle") if name != "maxPerCustomer"}
    state = {"isAvailable": is_active, "isValid": is_valid, "isActive": is_active}
    assert rule["coupon"]["group"] == {**said, "maxPerPlayer": 2, **state}
    assert (await partner.v4("GET", "/coupon-groups")).json() == [group]
    assert await told(partner, RULE) == [rule]


async def test_rule_is_shown_by_v4_too(partner: Partner) -> None:
    """A level is a tier there, collections are ids; the factor is the default rule's value."""
    sent = fixed(
        coupon={"collections": [{"collectionId": 7, "collectionName": "A"}], "group": {"handle": "g"}},
        availableTo={"level": {"levelId": 2**53 - 1, "levelName": "Gold"}},
        howToRedeem="At the till",
    )  # fmt: skip
    rule = await added(partner, sent)
    await put(partner, DEFAULT, {"valueOfPoint": 0.5})
    shown = (await partner.v4("GET", "/redemption")).json()
    assert shown["redemptionFactor"] == 0.5
    (seen,) = shown["redemptionRules"]
    assert seen["id"] == rule["id"]
    assert seen["howToRedeem"] == "At the till"
    assert seen["availableTo"]["tier"]["tierId"] == 2**53 - 1
    assert seen["coupon"]["applicableTo"]["collections"] == [7]
    assert "maxPerCustomer" in seen["coupon"]["group"]
