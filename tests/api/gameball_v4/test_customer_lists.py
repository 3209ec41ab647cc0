"""What customers have and whom they brought, over HTTP in the v4 dialect: coupons, campaigns, friends."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.adapters.postgres.coupon_terms import stored_terms
from services.adapters.postgres.pool import connect
from services.adapters.postgres.programs import stored_programs
from services.adapters.postgres.queries import queries
from services.adapters.postgres.stored_program import program_from
from services.domain.coupons.codes import codes_from
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.api.gameball_v4.test_customers import a_customer, ask
from tests.api.games import a_coupon, a_game
from tests.api.stand import Partner
from tests.insight.test_explain_timeline import CONDITIONS, nodes
from tests.stand.grouped_shop import GroupedShop
from tests.stand.records import completed
from tests.stand.telling import a_program, ordered, refunded, told

LISTS = ["/coupons", "/reward-campaigns-progress", "/referrals"]
TIERS = [
    {"name": "Bean", "minProgress": 0, "order": 1},
    {"name": "Roast", "minProgress": 50, "order": 2,
     "benefits": [{"type": "Lifetime Reward", "couponReward": {"couponType": "free_shipping"}}]},
]  # fmt: skip
GRANTS: list[tuple[str, dict[str, Any], str, Any]] = [
    # a campaign's name, its coupon, the live word of its type, its value
    ("Tenth", {"couponType": "percentage_discount", "discountValue": 10}, "Percentage", 10),
    ("Fiver", {"couponType": "fixed_discount", "discountValue": Decimal("5.25"), "options": {"usageLimit": 2}},
     "Fixed Discount", Decimal("5.25")),
    ("Parcel", {"couponType": "Free Shipping", "options": {"couponPrefix": "HI"}}, "Free Shipping", None),
    ("Cup", {"couponType": "free_product", "product": {"productId": "c-1"}}, "Free Product", None),
    ("Gift", {"couponType": "custom", "group": {"handle": "gifts"}}, "Custom", None),
]  # fmt: skip
FIELDS = {
    "couponId", "code", "name", "type", "value", "currency", "source", "startDate", "expiryDate", "usageLimit", "usedCount",
    "codeStatus", "status", "isExpired", "isActive", "isAvailableToUse",
}  # fmt: skip
FLAGS = ("status", "isExpired", "isActive", "isAvailableToUse")
OPEN = ("active", False, True, True)


def on_event(name: str, event: str, **more: Any) -> dict[str, Any]:
    """A campaign on events of this name."""
    return {"name": name, "type": "EventBased", "trigger": {"eventName": event}, "rewards": [{"walletReward": 1}], **more}  # fmt: skip


async def coupons(partner: Partner, query: str = "", customer_id: str = "anna") -> list[Any]:
    """Coupons of a page."""
    listed = await ask(partner, f"/customers/{customer_id}/coupons{query}")
    assert listed["count"] == len(listed["coupons"])
    found: list[Any] = listed["coupons"]
    return found


@pytest.mark.parametrize("path", LISTS)
async def test_list_asks_for_both_keys(partner: Partner, stranger: Partner, path: str) -> None:
    """Unknown is 7000, also to another partner; without the secret key, or with none at all, nothing is told."""
    await a_customer(partner)
    path = f"/customers/anna{path}"
    await ask(partner, path)
    unknown = await stranger.v4("GET", path, base="")
    assert (unknown.status_code, unknown.json()["code"]) == (404, 7000)
    for header, code in (("secretKey", 1001), ("apiKey", 1000)):
        for value in (None, "wrong"):
            refused = await partner.v4("GET", path, base="", headers={header: value})
            assert (refused.status_code, refused.json()["code"]) == (401, code)


async def test_lists_of_a_fresh_customer_are_empty(partner: Partner) -> None:
    """At version 0, at every name of the base; an encoded slash is part of the id."""
    await a_customer(partner, "a/b")
    base = "/customers/a%2Fb"
    for version in ("v4", "v4.0", "v4.1"):
        assert await ask(partner, f"{base}/coupons", version=version) == {
            "coupons": [], "count": 0, "hasMore": False,
        }  # fmt: skip
        assert await ask(partner, f"{base}/reward-campaigns-progress", version=version) == []
        assert await ask(partner, f"{base}/referrals", version=version) == {
            "referredBy": None, "count": 0, "referrals": [], "hasMore": False,
        }  # fmt: skip


async def test_coupons_of_the_program_are_shown(partner: Partner, issuing: Pipeline) -> None:
    """Each in the live words, with what it is worth and what it is of; a use that leaves some is counted."""
    campaigns = [
        on_event(name, f"e-{name}", rewards=[{"couponReward": coupon}])
        for name, coupon, _, _ in GRANTS
    ]
    groups = [{"handle": "gifts", "title": "Gifts", "expiryDate": "2999-01-31"}]
    await a_program(
        partner.database, partner.id, settings={"currency": "EUR"}, campaigns=campaigns, couponGroups=groups
    )  # fmt: skip
    for name, *_ in GRANTS:
        await issuing.process([told("customer.event", partner_id=partner.id, name=f"e-{name}")])
    found = await coupons(partner)
    assert all(each.keys() == FIELDS for each in found)
    names = ["Tenth", "Fiver", "Parcel", "Cup", "Gifts"]
    said = [(each["name"], each["type"], each["value"]) for each in found]
    assert said == [(name, word, value) for name, (_, _, word, value) in zip(names, GRANTS, strict=True)]  # fmt: skip
    assert {each["source"]["kind"] for each in found} == {"campaign"}
    assert [tuple(each[name] for name in FLAGS) for each in found] == [OPEN] * len(GRANTS)
    assert {each["currency"] for each in found} == {"EUR"}
    assert [each["usageLimit"] for each in found] == [1, 2, 1, 1, 1]
    assert found[2]["code"].startswith("HI-")
    assert [each["expiryDate"] for each in found][-2:] == [None, "2999-01-31T22:00:00Z"]
    stored = await partner.database.fetchval("SELECT issued_at FROM coupons WHERE id = $1", UUID(found[0]["couponId"]))  # fmt: skip
    assert datetime.fromisoformat(found[0]["startDate"]) == stored
    fiver, order = found[1], "o-1"
    await issuing.process([ordered(order, "20", partner_id=partner.id, coupon_codes=[fiver["code"]])])  # fmt: skip
    after = (await coupons(partner))[1]
    assert after == {**fiver, "usedCount": 1}
    await issuing.process([ordered("o-2", "20", partner_id=partner.id, coupon_codes=[fiver["code"]])])  # fmt: skip
    used = (await coupons(partner))[1]
    assert (used["usedCount"], *(used[name] for name in FLAGS)) == (2, "redeemed", False, False, False)  # fmt: skip


async def test_coupons_of_a_fixed_rate_are_called_so(partner: Partner) -> None:
    """It is what a rule for points says; the coupon keeps that it was called so."""
    rule = {"pointsToRedeem": 9, "ruleType": "fixed_rate_settings"}
    rules = [{**rule, "coupon": {"discountValue": 3, **more}} for more in ({}, {"couponType": "fixed_discount"})]  # fmt: skip
    await a_program(partner.database, partner.id, redemption={"rules": rules})
    await a_customer(partner)
    program = program_from((await stored_programs(partner.database, [partner.id]))[partner.id])
    compiled = [each for each in program.redemption_rules.values() if not each.is_default]
    for number, each in enumerate(compiled):
        await partner.database.execute(
            """
            INSERT INTO coupons (id, event_key, partner_id, customer_no, issued_at, holds_single_place, code, source_kind,
                                 source_id, terms, program_version)
            SELECT $2, $2, $1, customer_no, now(), false, $3, 'redemption', $4, $5, 1
            FROM customers WHERE partner_id = $1
            """,
            partner.id, UUID(int=uuid4().int >> 8 | number << 120), codes_from(os.urandom(10))[0], str(each.id),
            json.dumps(stored_terms(each.terms)),
        )  # fmt: skip
    found = await coupons(partner)
    assert [(each["type"], each["value"], each["name"]) for each in found] == [
        ("Fixed Rate Discount", 3, None), ("Fixed Discount", 3, None),
    ]  # fmt: skip


async def test_coupons_of_games_are_shown(partner: Partner, issuing: Pipeline) -> None:
    """With the game's reward, in the place that its issue has among the others; the words of the program are null."""
    game = await a_game(partner, coupon_validity_days=None, code_prefix="CAFE")
    await issuing.process([completed(str(uuid4()), partner_id=partner.id, game_id=game["id"])])
    (found,) = await coupons(partner)
    start = found.pop("startDate")
    assert datetime.fromisoformat(start).tzinfo is not None
    code, coupon_id = found.pop("code"), found.pop("couponId")
    assert code.startswith("CAFE-")
    assert found == {
        "name": "Kava", "type": "Custom", "value": None, "currency": None, "source": {"kind": "game", "id": str(game["id"])},
        "codeStatus": "final", "expiryDate": None, "usageLimit": 1, "usedCount": 0, "status": "active", "isExpired": False,
        "isActive": True, "isAvailableToUse": True,
    }  # fmt: skip
    await issuing.process([ordered("o-1", "9", partner_id=partner.id, coupon_codes=[code])])
    (used,) = await coupons(partner)
    assert (used["couponId"], used["status"], used["usedCount"]) == (coupon_id, "redeemed", 1)


async def test_coupons_that_are_over_are_expired(partner: Partner) -> None:
    """Before anybody has written that; one that a shop holds is active, and nobody else can use it."""
    game_id = (await a_game(partner))["id"]
    over, held, lapsed = [await a_coupon(partner, game_id, "anna", days) for days in (8, 1, 0)]
    await partner.database.execute(
        "UPDATE coupons SET status = 'reserved', reserved_shop_id = $2, reserved_until = CASE WHEN id = $3 THEN now() ELSE now() + interval '1 h' END"
        " WHERE customer_no = (SELECT customer_no FROM coupons WHERE id = $1) AND id <> $1",
        UUID(over), partner.shop_id, UUID(lapsed),
    )  # fmt: skip
    found = {each["couponId"]: tuple(each[name] for name in FLAGS) for each in await coupons(partner)}  # fmt: skip
    assert found == {
        over: ("expired", True, False, False), held: ("reserved", False, True, False), lapsed: OPEN,
    }  # fmt: skip


async def test_lifetime_coupon_serves_while_the_tier_is_held(
    partner: Partner, issuing: Pipeline
) -> None:
    """It stays active below the tier, and cannot be used there."""
    await a_program(partner.database, partner.id, tiers=TIERS)
    await issuing.process([ordered("o-1", "60", partner_id=partner.id)])
    (coupon,) = await coupons(partner)
    assert (coupon["name"], coupon["source"]["kind"]) == ("Roast", "tier")
    assert tuple(coupon[name] for name in FLAGS) == OPEN
    await issuing.process([refunded("o-1", "60", partner_id=partner.id)])
    (coupon,) = await coupons(partner)
    assert tuple(coupon[name] for name in FLAGS) == ("active", False, True, False)


async def test_coupons_come_in_pages(partner: Partner, stranger: Partner) -> None:
    """The next page starts after the last one's id; nobody else's coupons are among them."""
    game_id = (await a_game(partner))["id"]
    ids = sorted([await a_coupon(partner, game_id, "anna") for _ in range(5)])
    await a_coupon(partner, game_id, "bert")
    await a_coupon(stranger, (await a_game(stranger))["id"], "anna")
    pages, after = [], ""
    for _ in range(3):
        listed = await ask(partner, f"/customers/anna/coupons?limit=2{after}")
        pages.append([each["couponId"] for each in listed["coupons"]])
        assert listed["hasMore"] is (len(pages) < 3)
        after = f"&startAfter={pages[-1][-1]}"
    assert pages == [ids[:2], ids[2:4], ids[4:]]
    assert await coupons(partner, f"?startAfter={ids[-1]}") == []


REFUSED = [
    ("/coupons?limit=0", "limit"),
    ("/coupons?limit=201", "limit"),
    ("/coupons?limit=2.0", "limit"),
    ("/coupons?startAfter=7", "startAfter"),
    ("/referrals?limit=201", "limit"),
    ("/referrals?startAfter=nobody", "startAfter"),
    ("/referrals?startAfter=", "startAfter"),
    ("/referrals?startAfter=a%00b", "startAfter"),
    ("/reward-campaigns-progress?campaignId=0", "campaignId"),
    ("/reward-campaigns-progress?campaignId=abc", "campaignId"),
    ("/reward-campaigns-progress?campaignType=x", "campaignType"),
    ("/balance?expand=tier,x", "expand"),
    ("/balance?expand=", "expand"),
]


@pytest.mark.parametrize(("path", "parameter"), REFUSED)
async def test_list_names_the_parameter_that_is_wrong(
    partner: Partner, path: str, parameter: str
) -> None:
    """422, by its name."""
    await a_customer(partner)
    refused = await partner.v4("GET", f"/customers/anna{path}", base="")
    body = refused.json()
    assert (refused.status_code, body["code"], list(body["errors"])) == (422, 3003, [parameter])


async def test_lists_go_by_keys(api_settings: Settings) -> None:
    """A customer's own rows, however many others have; coupons by their owner, never along all of their ids."""
    connection = await connect(api_settings, "test", enable_seqscan="off")
    v4, adapters = "services.api.gameball_v4", "services.adapters.postgres"
    asked: dict[tuple[str, str], dict[str, tuple[Any, ...]]] = {
        (v4, "customer_coupons"): {"coupons": (1, uuid4(), 51)},
        (v4, "friends"): {"friends": (1, "anna", 1, 51)},
        (v4, "customers"): {"number": (1, "anna"), "asking": (1, "anna", timedelta())},
        (adapters, "accounts"): {"account": (1, "anna", timedelta()), "accounts": ([1],)},
    }
    for (package, file), arguments in asked.items():
        sql = queries(file, package)
        assert sql.keys() == arguments.keys()
        for name, values in arguments.items():
            ((plan,),) = await connection.fetch(f"EXPLAIN (FORMAT JSON) {sql[name]}", *values)
            for node in nodes(plan):
                if node["Node Type"] != "ModifyTable":  # of one row, by its key
                    assert "Relation Name" not in node or CONDITIONS & node.keys(), json.dumps(node)
                if node.get("Relation Name") == "coupons":
                    assert "coupons_by_customer_and_game" in json.dumps(node)
    await connection.close()


async def test_code_that_the_partner_brought_is_shown(partner: Partner, issuing: Pipeline) -> None:
    """In place of ours, and final: nobody is asked for another one."""
    shop = GroupedShop(connection=partner.database, partner_id=partner.id)
    await shop.have({"handle": "club"})
    await shop.pool("club", "Gratis 1")
    await issuing.process([shop.visit("club")])
    (found,) = await coupons(partner)
    assert (found["code"], found["codeStatus"]) == ("Gratis 1", "final")
