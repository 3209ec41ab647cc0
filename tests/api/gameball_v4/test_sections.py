"""The sections of a program over HTTP, each on its path: defaults, changes, what is sent back, and who may see them."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest

from schemas.gameball_v4.exact_json import read
from tests.api.gameball_v4.test_settings import trail
from tests.api.stand import Partner

SHOP = read(files("schemas.gameball_v4").joinpath("small-shop.json").read_bytes())
COUPON = {
    "couponType": "Percentage",
    "discountValue": Decimal("12.345678"),
    "minOrderValue": 20,
    "collections": ["a"],
    "applicableTo": {"collections": [{"collectionId": "b", "collectionName": "B"}]},
    "options": {"expiryAfter": "2030-12-31", "couponPrefix": "HI", "note": {"deep": [Decimal("0.10")]}},
}  # fmt: skip
EXACT = Decimal("123456789012.123457")
"""More digits than a double has."""
SECTIONS: list[tuple[str, Any, Any]] = [
    # path, a fresh partner's, what is put
    ("/tiers", [], SHOP["tiers"]),
    ("/referrals", None, {**SHOP["referrals"], "friendReward": {"point": 5, "coupon": COUPON}}),
    (
        "/cashback",
        {"defaultCashbackRule": None, "tierCashbackRules": []},
        {"defaultCashbackRule": {"amountRewardThreshold": 10, "rewardWalletFactor": EXACT}},
    ),
]


async def told(partner: Partner, path: str, **more: Any) -> Any:
    """The document at this path, its numbers exact."""
    answer = await partner.v4("GET", path, **more)
    assert answer.status_code == 200, answer.text
    return read(answer.content)


async def put(partner: Partner, path: str, body: Any, **more: Any) -> Any:
    """The document that a change is answered with."""
    answer = await partner.v4("PUT", path, body, **more)
    assert answer.status_code == 200, answer.text
    return read(answer.content)


@pytest.mark.parametrize(("path", "fresh", "sent"), SECTIONS)
async def test_section_is_changed_and_shown(
    partner: Partner, stranger: Partner, path: str, fresh: Any, sent: Any
) -> None:
    """Answered as it is shown from then on; sent back it changes nothing; nobody else's is touched."""
    before = await told(partner, path)
    if fresh is not None:
        assert before == fresh
    assert await put(partner, path, before) == before
    assert (await told(partner, "/settings"))["version"] == 0
    after = await put(partner, path, sent)
    assert after != before
    assert await told(partner, path) == after
    assert await put(partner, path, after) == after
    assert (await told(partner, "/settings"))["version"] == 1
    assert await told(stranger, path) == before
    (entry,) = await trail(partner)
    assert (entry["action"], entry["subject_id"]) == ("program.updated", "1")
    assert entry["before"] != entry["after"]
    assert entry["after"].keys() == entry["before"].keys() == {path[1:]}


@pytest.mark.parametrize(
    ("path", "sent", "wrong"),
    [
        ("/tiers", [{"name": "A", "minProgress": 5, "order": 1}], "0.minProgress"),
        ("/tiers", [{"id": 7, "name": "A", "minProgress": 0, "order": 1}], "0.id"),
        ("/tiers", [{"name": "A", "minProgress": "0", "order": 1}], "0.minProgress"),
        ("/referrals", {"referralMethod": "CustomerOnly"}, "eventName"),
        ("/referrals", {"friendReward": {"coupon": {"couponType": "x"}}}, "friendReward.coupon.couponType"),
        ("/cashback", {"tierCashbackRules": [{"tierName": "A", "amountRewardThreshold": 1, "rewardWalletFactor": 1}]},
         "tierCashbackRules.0.tierName"),
        ("/cashback", {"defaultCashbackRule": {}}, "defaultCashbackRule.amountRewardThreshold"),
    ],
)  # fmt: skip
async def test_section_names_what_is_wrong(
    partner: Partner, path: str, sent: Any, wrong: str
) -> None:
    """422 with the path from the body; nothing was changed."""
    answer = await partner.v4("PUT", path, sent)
    assert (answer.status_code, answer.json()["code"]) == (422, 3003)
    assert wrong in answer.json()["errors"]
    assert (await told(partner, "/settings"))["version"] == 0
    assert await trail(partner) == []


async def test_tiers_are_a_list(partner: Partner) -> None:
    """An object is no JSON array; answered by ascending order; who is left out is gone, with its cashback rule."""
    refused = await partner.v4("PUT", "/tiers", {"tiers": []})
    assert (refused.status_code, refused.json()["code"]) == (400, 3016)
    high, low = {"name": "B", "minProgress": 9, "order": 2}, {"name": "A", "minProgress": 0, "order": 1}  # fmt: skip
    tiers = await put(partner, "/tiers", [high, low])
    assert [tier["name"] for tier in tiers] == ["A", "B"]
    rule = {"tierName": "B", "amountRewardThreshold": 1, "rewardWalletFactor": 3}
    rules = (await put(partner, "/cashback", {"tierCashbackRules": [rule]}))["tierCashbackRules"]
    assert [each["tierName"] for each in rules] == ["B"]
    (left,) = await put(partner, "/tiers", [low])
    assert left["id"] == tiers[0]["id"]
    assert (await told(partner, "/cashback"))["tierCashbackRules"] == []


async def test_numbers_keep_their_digits(partner: Partner) -> None:
    """Both ways, however many there are; a number in quotes is none."""
    await put(partner, "/tiers", [{"name": "A", "minProgress": 0, "order": 1},
                                  {"name": "B", "minProgress": EXACT, "order": 2}])  # fmt: skip
    answer = await partner.v4("GET", "/tiers")
    assert f'"minProgress": {EXACT}'.encode() in answer.content


async def test_bodies_of_many_coupons_may_be_larger(partner: Partner) -> None:
    """Up to 1 MiB where coupons stand in lists; elsewhere as usual."""
    long = {"description": "x" * 10_000, "type": "Custom Benefits"}
    tiers = [{"name": "A", "minProgress": 0, "order": 1, "benefits": [long] * 50}]
    assert len(await put(partner, "/tiers", tiers)) == 1
    tiers[0]["benefits"] = [long] * 110
    refused = await partner.v4("PUT", "/tiers", tiers)
    assert (refused.status_code, refused.json()["code"]) == (413, 3000)
    cashback = await partner.v4("PUT", "/cashback", {"x": "x" * 70_000})
    assert cashback.status_code == 413


async def test_texts_are_in_the_language_of_the_query_before_the_header(partner: Partner) -> None:
    """One that nobody has falls back to the texts as they are; nothing of it is stored."""
    tiers = [{"name": "Bean", "minProgress": 0, "order": 1, "translations": {"lt": {"name": "Pupelė"}}}]  # fmt: skip
    await put(partner, "/tiers", tiers)
    asked = [
        ("", {}, "Bean"), ("?lang=lt", {}, "Pupelė"), ("", {"lang": "lt-LT"}, "Pupelė"), ("?lang=fr", {}, "Bean"),
        ("?lang=en", {"lang": "lt"}, "Bean"),
    ]  # fmt: skip
    for query, headers, name in asked:
        (tier,) = await told(partner, f"/tiers{query}", headers=headers)
        assert tier["name"] == name, (query, headers)


async def test_campaign_is_added_changed_and_removed(partner: Partner, stranger: Partner) -> None:
    """With an id of its own; the stranger finds none of that id; each step is in the audit trail."""
    sent = {"name": "Join us", "type": "SignUp", "rewards": [{"walletReward": 50, "couponReward": COUPON}]}  # fmt: skip
    answer = await partner.v4("POST", "/reward-campaigns", sent)
    assert answer.status_code == 201, answer.text
    campaign = read(answer.content)
    path = f"/reward-campaigns/{campaign['id']}"
    coupon = campaign["rewards"][0]["couponReward"]
    assert coupon["couponType"] == "Fixed Percentage"
    assert coupon["discountValue"] == Decimal("12.345678")
    assert coupon["options"]["note"] == {"deep": [Decimal("0.1")]}
    assert await told(partner, path) == campaign
    assert await put(partner, path, campaign) == campaign
    changed = await put(partner, path, {"isActive": False, "id": 9, "trigger": {"count": 2}})
    trigger = {**campaign["trigger"], "count": 2}
    assert changed == {**campaign, "isActive": False, "trigger": trigger}
    for method, body in (("GET", None), ("PUT", {"isActive": True}), ("DELETE", None)):
        refused = await stranger.v4(method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (404, 4004)
    assert await told(partner, "/reward-campaigns") == [changed]
    gone = await partner.v4("DELETE", path)
    assert (gone.status_code, gone.content) == (200, b"true")
    assert await told(partner, "/reward-campaigns") == []
    again = await partner.v4("DELETE", path)
    assert again.status_code == 404
    assert again.json()["message"] == "Reward campaign not found"
    entries = [(each["action"], each["subject_id"]) for each in await trail(partner)]
    steps = ("campaign.created", "campaign.updated", "campaign.deleted")
    assert entries == [(step, str(campaign["id"])) for step in steps]


async def test_campaign_is_added_once(partner: Partner) -> None:
    """A repeated POST with the same key answers with the same campaign."""
    sent = {"name": "A", "type": "Reward Campaign", "rewards": [{"walletRewardFactor": 2}]}
    keyed = {"headers": {"Idempotency-Key": "k"}}
    first = await partner.v4("POST", "/reward-campaigns", sent, **keyed)
    again = await partner.v4("POST", "/reward-campaigns", sent, headers={"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert len(await told(partner, "/reward-campaigns")) == 1


async def test_change_that_differs_in_the_last_digit_is_another(partner: Partner) -> None:
    """A key says which change it is of to the last digit, however it is written, and not as doubles would have it."""
    keyed: dict[str, Any] = {"headers": {"Idempotency-Key": "k"}}
    rule = {"amountRewardThreshold": 1, "rewardWalletFactor": EXACT}
    first = await put(partner, "/cashback", {"defaultCashbackRule": rule}, **keyed)
    nearly = EXACT - Decimal("0.000001")
    assert float(nearly) == float(EXACT)
    less = {**rule, "rewardWalletFactor": nearly}
    keyed = {"headers": {"Idempotency-Key": "k"}}
    other = await partner.v4("PUT", "/cashback", {"defaultCashbackRule": less}, **keyed)
    assert (other.status_code, other.json()["reason"]) == (409, "key_reused")
    same = json.dumps({"defaultCashbackRule": {**rule, "rewardWalletFactor": "~"}})
    same = same.replace('"~"', f"{EXACT}0").replace(": 1,", ": 1.0,")
    keyed = {"headers": {"Idempotency-Key": "k"}}
    again = await partner.v4("PUT", "/cashback", content=same.encode(), **keyed)
    assert (again.status_code, read(again.content)) == (200, first)


@pytest.mark.parametrize("id_", ["0", "-1", "x", "1.0", str(2**53), "9" * 40])
async def test_campaign_of_no_such_id_is_not_found(partner: Partner, id_: str) -> None:
    """Also where the text can be the id of nothing."""
    answer = await partner.v4("GET", f"/reward-campaigns/{id_}")
    assert (answer.status_code, answer.json()["code"]) == (404, 4004)


async def test_campaigns_have_a_limit(partner: Partner) -> None:
    """One more than there can be is a conflict, and says so."""
    campaign = {"name": "A", "type": "SignUp", "rewards": [{"walletReward": 1}]}
    await partner.v4("POST", "/reward-campaigns", campaign)
    await partner.database.execute(
        """
        UPDATE programs SET sections = jsonb_set(sections, '{campaigns}', (
            SELECT jsonb_agg(sections #> '{campaigns,0}' || jsonb_build_object('id', 1000000 + n))
            FROM generate_series(1, 1000) AS n)) WHERE partner_id = $1
        """,
        partner.id,
    )
    refused = await partner.v4("POST", "/reward-campaigns", campaign)
    assert (refused.status_code, refused.json()["reason"]) == (409, "limit_reached")


async def test_campaigns_are_found_by_what_is_bought(partner: Partner) -> None:
    """Campaigns on orders that name a collection, a product, or nothing; both filters together."""
    factor = [{"walletRewardFactor": 2}]
    lines = {"All": {}, "Beans": {"collections": [7]}, "Cup": {"productSkus": ["C1"]}}
    for name, applicable in lines.items():
        body = {"name": name, "type": "Reward Campaign", "rewards": factor, "applicableTo": applicable}  # fmt: skip
        assert (await partner.v4("POST", "/reward-campaigns", body)).status_code == 201
    join = {"name": "Join", "type": "SignUp", "rewards": [{"walletReward": 1}]}
    await partner.v4("POST", "/reward-campaigns", join)
    asked = [
        ("", ["All", "Beans", "Cup", "Join"]), ("?collectionId=7", ["All", "Beans"]),
        ("?productSku=C1", ["All", "Cup"]), ("?collectionId=7&productSku=C1", ["All"]), ("?collectionId=8", ["All"]),
    ]  # fmt: skip
    for query, names in asked:
        found = await told(partner, f"/reward-campaigns{query}")
        assert [each["name"] for each in found] == names, query


async def test_redemption_and_groups_of_a_fresh_partner(partner: Partner) -> None:
    """The default rule is there from the start, by an id and worth nothing; by another path too."""
    default = (await told(partner, "/redemption"))["defaultRule"]
    assert default == {"id": default["id"], "valueOfPoint": 0, "isActive": True}
    assert default["id"] > 0
    shown = {"redemptionFactor": 0, "redemptionRules": [], "defaultRule": default}
    assert await told(partner, "/redemption") == shown
    assert await told(partner, "/rewards/redemption", version="v4.1") == shown
    assert await told(partner, "/coupon-groups") == []
    fresh = await told(partner, "/cashback")
    assert await told(partner, "/rewards/cashback") == fresh


async def test_redemption_shows_rules_with_tiers_and_groups(partner: Partner) -> None:
    """Tiers by both names, collections as ids, the whole of a group that is there, nothing of one that is not."""
    group = {"handle": "g", "title": "G", "url": None, "iconPath": None, "description": None, "maxPerCustomer": 2,
             "maxTotal": None, "startDate": None, "expiryDate": "2020-01-01T00:00:00Z", "isActive": True}  # fmt: skip
    rules = [rule("g", {"levelId": 5, "levelName": "Gold"}, 1), rule("nobody", None, 2)]
    redemption = {"defaultRule": {"id": 3, "valueOfPoint": "0.1234565"}, "rules": rules}
    stored = json.dumps({"highestId": 3, "redemption": redemption, "couponGroups": [group]})
    await partner.database.execute(
        "UPDATE programs SET sections = $2, version = 1 WHERE partner_id = $1", partner.id, stored
    )
    await partner.database.execute(
        """
        INSERT INTO program_versions (partner_id, version, at, actor, changed, sections, cards, time_zone)
        SELECT partner_id, n, '2026-01-01Z'::timestamptz + n * interval '1 day', 'test', '{redemption}', sections,
               cards, time_zone FROM programs CROSS JOIN generate_series(1, 2) AS n WHERE partner_id = $1
        """,
        partner.id,
    )
    shown = await told(partner, "/redemption")
    assert shown["redemptionFactor"] == Decimal("0.123457")
    first, second = shown["redemptionRules"]
    assert first["creationDate"] == "2026-01-02T00:00:00Z"
    gold = {"id": 5, "name": "Gold", "tierId": 5, "tierName": "Gold"}
    assert first["availableTo"] == {"tier": gold, "tags": []}
    assert first["coupon"]["applicableTo"]["collections"] == ["c"]
    said = {"handle": "g", "title": "G", "maxPerCustomer": 2, "expiryDate": "2020-01-01T00:00:00Z"}
    assert said.items() <= first["coupon"]["group"].items()
    assert second["coupon"]["group"].pop("handle") == "nobody"
    assert not any(second["coupon"]["group"].values())
    (listed,) = await told(partner, "/coupon-groups")
    assert (listed["handle"], listed["maxPerCustomer"]) == ("g", 2)


def rule(handle: str, level: Any, id_: int) -> dict[str, Any]:
    """A rule as it is stored."""
    lines = {"collections": [{"collectionId": "c", "collectionName": "C"}], "productIds": None}
    coupon = {"couponType": "fixed", "discountValue": "5", "group": {"handle": handle}, "applicableTo": lines}  # fmt: skip
    return {"id": id_, "pointsToRedeem": 100, "ruleType": "custom", "coupon": {**coupon, "couponType": "custom"},
            "availableTo": {"level": level, "tags": []}}  # fmt: skip
