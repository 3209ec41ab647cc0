"""Points into coupons and back, over HTTP in the v4 dialect."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.gameball_v4.exact_json import read
from services.adapters.postgres.pool import connect
from services.decisions import programs
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.api.gameball_v4.test_customers import a_customer, ask, book
from tests.api.games import a_coupon, a_game
from tests.api.partners.test_cards import a_card
from tests.api.stand import Partner
from tests.stand.telling import a_program, ordered, told

TENTH = {"couponType": "percentage_discount", "discountValue": 10}
ANSWER = {
    "code", "couponId", "startDate", "expiryDate", "url", "pin", "pointsSpent", "pointsBalance", "codeStatus",
}  # fmt: skip
NOBODYS = "019a5c3e-7d10-7a4b-9c0d-2b6f0c1e8a55"


async def a_rule(partner: Partner, **fields: Any) -> int:
    """The id of a rule of 100 points, and points are worth a tenth of a euro; groups and more beside it as given."""
    more = fields.pop("program", {})
    rule = {"ruleType": "percentage_discount_settings", "pointsToRedeem": 100, "coupon": TENTH}
    section = {"defaultRule": {"valueOfPoint": Decimal("0.1")}, "rules": [rule | fields]}
    changed = await a_program(
        partner.database, partner.id, settings={"currency": "EUR"}, redemption=section, **more
    )
    return int(changed.after.redemption.rules[0].id or 0)


async def default_rule(partner: Partner) -> int:
    """Its id."""
    return int((await ask(partner, "/configurations/redemption"))["defaultRule"]["id"])


async def redeem(partner: Partner, **sent: Any) -> tuple[int, dict[str, Any]]:
    """Status and document."""
    headers = sent.pop("headers", {})
    body = {"customerId": "anna", **sent}
    answer = await partner.v4("POST", "/coupons/predefined", body, base="", headers=headers)
    return answer.status_code, read(answer.content)


async def undo(partner: Partner, coupon_id: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """Status and document."""
    answer = await partner.v4("POST", f"/coupons/{coupon_id}/undo", base="", **more)
    return answer.status_code, read(answer.content)


async def has(partner: Partner, points: int, customer_id: str = "anna") -> None:
    """Somebody with so many points."""
    await a_customer(partner, customer_id)
    status, _ = await book(partner, customerId=customer_id, transactionId=f"{customer_id}-{uuid4()}", points=points)  # fmt: skip
    assert status == 200


async def stored(partner: Partner) -> dict[str, int]:
    """How many rows there are of what a redemption writes."""
    tables = ("decisions", "coupons", "ledger", "outbox", "audit_log", "idempotency_keys")
    found = {}
    for table in tables:
        where = "value::json ->> 'partner_id' = $1::text" if table == "outbox" else "partner_id = $1::bigint"  # fmt: skip
        found[table] = await partner.database.fetchval(
            f"SELECT count(*) FROM {table} WHERE {where}", str(partner.id) if table == "outbox" else partner.id
        )  # fmt: skip
    return found


async def test_points_become_a_coupon(partner: Partner) -> None:
    """The coupon as it is shown, what it cost and what is left; one decision of a request that the server has named."""
    rule = await a_rule(partner)
    await has(partner, 130)
    status, body = await redeem(partner, RuleId=rule, points=7)
    assert status == 200
    assert body.keys() == ANSWER
    (coupon,) = (await ask(partner, "/customers/anna/coupons"))["coupons"]
    for name in ("code", "couponId", "startDate", "expiryDate"):
        assert body[name] == coupon[name], name
    assert coupon["source"] == {"kind": "redemption", "id": str(rule)}
    assert (body["pointsSpent"], body["pointsBalance"], body["codeStatus"]) == (100, 30, "final")
    assert (body["url"], body["pin"], body["expiryDate"]) == (None, None, None)
    decision = await partner.database.fetchrow(
        "SELECT * FROM decisions WHERE coupon_id = $1", UUID(body["couponId"])
    )
    assert decision is not None
    assert (decision["event_source"], decision["event_type"], decision["outcome"]) == (
        "/couponry/v4", "points.redeem", "issued",
    )  # fmt: skip
    assert UUID(decision["event_id"]).version == 4
    told_ = await partner.database.fetch(
        "SELECT ce_type, value FROM outbox WHERE value::json #>> '{cause,id}' = $1 ORDER BY id",
        decision["event_id"],
    )
    assert [row["ce_type"] for row in told_] == ["points.spent", "coupon.issued"]
    audited = await partner.database.fetchrow(
        "SELECT * FROM audit_log WHERE action = 'points.redeemed' AND subject_id = $1",
        body["couponId"],
    )
    assert audited is not None
    assert json.loads(audited["after"]) == {"customer_id": "anna", "rule_id": rule, "points": 7}


async def test_coupon_of_a_group_has_its_address_and_end(partner: Partner) -> None:
    """`url` is the group's; it ends with the group, or by its own terms if that is earlier."""
    groups = [
        {"handle": "shoes", "url": "https://shop.example/shoes", "expiryDate": "2999-01-31"},
        {"handle": "plain"},
    ]
    urls = {}
    for handle, days in (("shoes", None), ("shoes", 14), ("plain", None), ("nowhere", None)):
        coupon = TENTH | {"group": {"handle": handle}, "options": {"expiryAfter": days}}
        rule = await a_rule(partner, coupon=coupon, program={"couponGroups": groups})
        await has(partner, 100, f"{handle}-{days}")
        status, body = await redeem(partner, customerId=f"{handle}-{days}", ruleId=rule)
        assert status == 200
        urls[handle, days] = (body["url"], body["expiryDate"])
    address = "https://shop.example/shoes"
    assert urls["shoes", None] == (address, "2999-01-31T22:00:00Z")
    assert urls["shoes", 14][0] == address
    assert urls["shoes", 14][1] < "2998"
    assert urls["plain", None] == urls["nowhere", None] == (None, None)


async def test_33_default_rule_asks_for_points(partner: Partner) -> None:
    """333 points: worth 33.30; without them the field is missing, whatever else is wrong."""
    await a_rule(partner)
    default = await default_rule(partner)
    await has(partner, 400)
    status, body = await redeem(partner, ruleId=default, points=Decimal("333.0"))
    assert (status, body["pointsSpent"], body["pointsBalance"]) == (200, 333, 67)
    (coupon,) = (await ask(partner, "/customers/anna/coupons"))["coupons"]
    assert (coupon["type"], coupon["value"], coupon["currency"]) == (
        "Fixed Discount", Decimal("33.30"), "EUR",
    )  # fmt: skip
    for sent in ({}, {"points": None}):
        status, body = await redeem(partner, ruleId=default, **sent)
        assert (status, body["errors"]) == (422, {"points": ["The points field is required."]})
    status, body = await redeem(partner, ruleId=default, points=0)
    assert (status, body["reason"]) == (409, "insufficient_points")


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "ruleId"),
        ({"ruleId": "7"}, "ruleId"),
        ({"ruleId": 0}, "ruleId"),
        ({"ruleId": 7, "points": -1}, "points"),
        ({"ruleId": 7, "points": Decimal("1.5")}, "points"),
        ({"ruleId": 7, "points": "100"}, "points"),
        ({"ruleId": 7, "points": 10**12 + 1}, "points"),
        ({"ruleId": 7, "customerId": None}, "customerId"),
        ({"ruleId": 7, "customerId": " anna"}, "customerId"),
    ],
)
async def test_request_names_the_field_that_is_wrong(
    partner: Partner, sent: dict[str, Any], field: str
) -> None:
    """422, by its name; numbers are numbers."""
    status, body = await redeem(partner, **sent)
    assert (status, body["code"], list(body["errors"])) == (422, 3003, [field])


REFUSALS: list[tuple[str, dict[str, Any], int, int]] = [
    # reason, what makes it hold, status, code
    ("rule_not_found", {"asked": 1}, 404, 4004),
    ("rule_inactive", {"isActive": False}, 409, 4000),
    ("rule_not_started", {"startDate": "2998-01-01"}, 409, 4000),
    ("rule_ended", {"endDate": "2001-01-01"}, 409, 4000),
    ("tier_not_eligible", {"availableTo": {"level": {"levelName": "Gold"}}}, 409, 4000),
    ("tag_not_eligible", {"availableTo": {"tags": ["vip"]}}, 409, 4000),
    ("group_not_found", {"coupon": {"couponType": "custom", "group": {"handle": "x"}}}, 409, 4000),
    ("coupon_offer_ended", {"coupon": TENTH | {"options": {"expiryAfter": "2001-01-01"}}}, 409, 4000),
    ("insufficient_points", {"pointsToRedeem": 101}, 409, 9008),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "cause", "status", "code"), REFUSALS)
async def test_refusal_leaves_nothing_behind(
    partner: Partner, reason: str, cause: dict[str, Any], status: int, code: int
) -> None:
    """Said with its reason and code; no decision, no message, no key: the same request may come again."""
    cause = dict(cause)
    asked = cause.pop("asked", None)
    rule = await a_rule(partner, **cause)
    await has(partner, 100)
    before = await stored(partner)
    answered, body = await redeem(
        partner, ruleId=asked or rule, headers={"Idempotency-Key": "again"}
    )
    assert (answered, body["reason"], body["code"]) == (status, reason, code)
    assert await stored(partner) == before
    await a_rule(partner)
    rule = await a_rule(partner)
    answered, _ = await redeem(partner, ruleId=rule, headers={"Idempotency-Key": "another"})
    assert answered == 200


async def test_34_limits_of_a_card(partner: Partner, issuing: Pipeline) -> None:
    """99 `below_minimum`, 5001 `above_maximum`, both 9008; where its holders redeem nothing, `redemption_inactive`."""
    await a_rule(partner)
    rule = await default_rule(partner)
    settings = {
        "points_per_currency_redemption": 10, "currency_amount_redemption": 1, "min_points_for_redemption": 100,
        "max_points_per_redemption": 5000, "auto_assign": True,
    }  # fmt: skip
    card_id = await a_card(partner, **settings)
    await issuing.process([told("customer.created", partner_id=partner.id)])
    await book(partner, points=6000)
    for points, reason in ((99, "below_minimum"), (5001, "above_maximum")):
        status, body = await redeem(partner, ruleId=rule, points=points)
        assert (status, body["reason"], body["code"]) == (409, reason, 9008)
    status, body = await redeem(partner, ruleId=rule, points=105)
    assert (status, body["pointsBalance"]) == (200, 5895)
    changed = await partner.put(f"/cards/{card_id}", {"points_redemption_enabled": False})
    assert changed.status_code == 200, changed.text
    status, body = await redeem(partner, ruleId=rule, points=105)
    assert (status, body["reason"]) == (409, "redemption_inactive")


async def test_customer_is_not_made_by_asking(partner: Partner, stranger: Partner) -> None:
    """Unknown is 404, 7000, whoever else knows one of that name; nobody is known after it."""
    await has(stranger, 100)
    rule = await a_rule(partner)
    status, body = await redeem(partner, ruleId=rule)
    assert (status, body["code"]) == (404, 7000)
    assert "reason" not in body
    assert not await partner.database.fetchval(
        "SELECT count(*) FROM customers WHERE partner_id = $1", partner.id
    )


async def test_redeeming_asks_for_both_keys(partner: Partner) -> None:
    """Without the secret key 1001, with none at all 1000; nothing is looked at before."""
    for path in ("/coupons/predefined", f"/coupons/{NOBODYS}/undo"):
        for header, code in (("secretKey", 1001), ("apiKey", 1000)):
            refused = await partner.v4("POST", path, {}, base="", headers={header: None})
            assert (refused.status_code, refused.json()["code"]) == (401, code)


async def test_nothing_is_redeemed_at_version_0(partner: Partner) -> None:
    """Points may have been booked; the default rule is there, and nobody has set anything."""
    await has(partner, 100)
    status, body = await redeem(partner, ruleId=await default_rule(partner), points=100)
    assert (status, body["reason"]) == (409, "rule_inactive")


async def test_repeated_request_gets_the_same_answer(partner: Partner) -> None:
    """One coupon, the points taken once; and one undoing."""
    rule = await a_rule(partner)
    await has(partner, 300)
    key = {"Idempotency-Key": "k-1"}
    first, second = [await redeem(partner, ruleId=rule, headers=key) for _ in range(2)]
    assert first == second
    other = await redeem(partner, ruleId=rule, points=1, headers=key)
    assert (other[0], other[1]["reason"]) == (409, "key_reused")
    key = {"Idempotency-Key": "k-2"}
    first_, second_ = [await undo(partner, first[1]["couponId"], headers=key) for _ in range(2)]
    assert first_ == second_ == (200, {"pointsReturned": 100, "pointsBalance": 300})


async def test_redemption_is_undone_once(partner: Partner, issuing: Pipeline) -> None:
    """The points are back, the coupon is cancelled; a second time, or used, it is not active."""
    rule = await a_rule(partner)
    await has(partner, 250)
    _, first = await redeem(partner, ruleId=rule)
    _, second = await redeem(partner, ruleId=rule)
    assert await undo(partner, first["couponId"]) == (
        200, {"pointsReturned": 100, "pointsBalance": 150},
    )  # fmt: skip
    row = await partner.database.fetchrow(
        "SELECT * FROM coupon_history WHERE coupon_id = $1", UUID(first["couponId"])
    )
    assert row is not None
    assert (row["word"], row["reason"]) == ("cancelled", "redemption_undone")
    again = await undo(partner, first["couponId"])
    assert (again[0], again[1]["reason"], again[1]["code"]) == (409, "coupon_not_active", 4000)
    await issuing.process([ordered("o-1", "10", partner_id=partner.id, coupon_codes=[second["code"]])])  # fmt: skip
    before = await stored(partner)
    status, body = await undo(partner, second["couponId"])
    assert (status, body["reason"]) == (409, "coupon_not_active")
    assert await stored(partner) == before


async def test_only_a_redemption_is_undone(partner: Partner, stranger: Partner) -> None:
    """A game's coupon is none; one of another partner's is not there, nor is what no coupon can be called."""
    game = (await a_game(partner))["id"]
    status, body = await undo(partner, await a_coupon(partner, game, "anna"))
    assert (status, body["reason"]) == (409, "not_a_redemption")
    rule = await a_rule(stranger)
    await has(stranger, 100)
    _, theirs = await redeem(stranger, ruleId=rule)
    for unknown in (theirs["couponId"], NOBODYS, "7"):
        status, body = await undo(partner, unknown)
        assert (status, body["code"], body["message"]) == (404, 4004, "Coupon not found")
    assert (await undo(stranger, theirs["couponId"]))[0] == 200


async def test_transactions_name_the_coupon(partner: Partner) -> None:
    """Of a redemption and of its undoing the code that was shown; of whatever else none."""
    rule = await a_rule(partner, coupon=TENTH | {"options": {"couponPrefix": "TEN"}})
    await has(partner, 200)
    _, first = await redeem(partner, ruleId=rule)
    _, second = await redeem(partner, ruleId=rule)
    await undo(partner, first["couponId"])
    assert first["code"].startswith("TEN-")
    rows = (await ask(partner, "/transactions?customerId=anna"))["transactions"]
    assert [(row["type"], row["points"], row["couponCode"]) for row in rows] == [
        ("ManualReward", 200, None), ("Redemption", 100, first["code"]), ("Redemption", 100, second["code"]),
        ("Cancel", 100, first["code"]),
    ]  # fmt: skip
    assert rows == (await ask(partner, "/transactions"))["transactions"]
    (cancel,) = (await ask(partner, "/transactions?type=Cancel"))["transactions"]
    assert (cancel["couponCode"], cancel["direction"]) == (first["code"], "+")


async def test_36_twenty_at_once_for_the_last_points(partner: Partner) -> None:
    """Balance 100, a rule of 100: one coupon, 19 × 409 `insufficient_points`, balance 0."""
    rule = await a_rule(partner)
    await has(partner, 100)
    answers = await asyncio.gather(*(redeem(partner, ruleId=rule) for _ in range(20)))
    told_ = Counter((status, body.get("reason")) for status, body in answers)
    assert told_ == {(200, None): 1, (409, "insufficient_points"): 19}
    found = await stored(partner)
    assert (found["coupons"], found["ledger"]) == (1, 2)
    assert (await ask(partner, "/customers/anna/balance"))["totalPointsBalance"] == 0


async def test_undone_by_two_at_once_is_undone_once(partner: Partner) -> None:
    """One gets the points, the other hears that the coupon is not active."""
    rule = await a_rule(partner)
    await has(partner, 100)
    _, body = await redeem(partner, ruleId=rule)
    answers = await asyncio.gather(*(undo(partner, body["couponId"]) for _ in range(4)))
    assert Counter(status for status, _ in answers) == {200: 1, 409: 3}
    assert (await ask(partner, "/customers/anna/balance"))["totalPointsBalance"] == 100


async def test_delivered_coupon_is_undone_once_its_partner_hears_of_it(partner: Partner) -> None:
    """The partner's own system has the coupon: the points come back only where it is told of cancellations."""
    rule = await a_rule(partner)
    await has(partner, 100)
    _, body = await redeem(partner, ruleId=rule)
    coupon_id = body["couponId"]
    await partner.database.execute(
        "UPDATE coupons SET external_code = 'OURS-1', code_from = 'webhook' WHERE id = $1",
        UUID(coupon_id),
    )
    status, body = await undo(partner, coupon_id)
    assert (status, body["reason"]) == (409, "coupon_delivered")
    webhook = {
        "url": "https://shop.example/coupons",
        "method": "POST",
        "contentType": "application/json",
    }
    heard = {**webhook, "cancelUrl": "https://shop.example/cancelled"}
    assert (await partner.v4("PUT", "/configurations/coupon", heard, base="")).status_code == 200
    assert await undo(partner, coupon_id) == (200, {"pointsReturned": 100, "pointsBalance": 100})


async def test_program_that_is_changed_under_way_is_decided_by_anew(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that has read the program is overtaken by a change of it: the commit refuses, and the new rule decides."""
    rule = await a_rule(partner)
    await has(partner, 500)
    load, changes = programs.Programs.load, iter([True])

    async def overtaken(self: programs.Programs, connection: Any, events: Any) -> Any:
        found = await load(self, connection, events)
        if next(changes, False):
            section = {"rules": [{"id": rule, "ruleType": "percentage_discount_settings", "pointsToRedeem": 300,
                                  "coupon": TENTH}]}  # fmt: skip
            await a_program(partner.database, partner.id, redemption=section)
        return found

    monkeypatch.setattr(programs.Programs, "load", overtaken)
    status, body = await redeem(partner, ruleId=rule)
    assert (status, body["pointsSpent"], body["pointsBalance"]) == (200, 300, 200)


async def test_points_that_ended_are_ended_by_the_way(
    partner: Partner, api_settings: Settings
) -> None:
    """What time has done is recorded with what is redeemed, and not with what is refused."""
    rule = await a_rule(partner)
    await has(partner, 100)
    owner = await connect(api_settings, "test", role=None)
    await owner.execute(
        "UPDATE lots SET earned_at = now() - interval '1 d', expires_at = now() - interval '1 s' WHERE partner_id = $1",
        partner.id,
    )
    await owner.close()
    before = await stored(partner)
    status, body = await redeem(partner, ruleId=rule)
    assert (status, body["reason"]) == (409, "insufficient_points")
    assert await stored(partner) == before
    await book(partner, points=120)
    status, body = await redeem(partner, ruleId=rule)
    assert (status, body["pointsBalance"]) == (200, 20)
