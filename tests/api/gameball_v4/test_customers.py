"""Customers over HTTP in the v4 dialect: who they are, what they have, how it came, and booking points by hand."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from schemas.gameball_v4.exact_json import read
from services.issuer.pipeline import Pipeline
from tests.api.partners.test_cards import a_card
from tests.api.stand import Partner
from tests.stand.grouped_shop import GroupedShop
from tests.stand.telling import a_program, ordered, refunded, told

ODD = "anna/b%2F c&d?"
CASHBACK = {
    "defaultCashbackRule": {"amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 2},
    "tierCashbackRules": [],
}  # fmt: skip
TIERS = [
    {"name": "Bean", "minProgress": 0, "order": 1, "icon": "b.png", "translations": {"lt": {"name": "Pupelė"}}},
    {"name": "Roast", "minProgress": Decimal("40.5"), "order": 2,
     "benefits": [{"type": "Loyalty Points Earning Custom Configuration", "walletRewardFactor": 3}]},
]  # fmt: skip
EMPTY = {
    "totalPointsBalance": 0, "totalPointsValue": 0, "availablePointsBalance": 0, "availablePointsValue": 0,
    "pendingPoints": 0, "pendingPointsValue": 0, "currency": None, "pointsName": "Points",
    "nextExpiringPointsAmount": 0, "nextExpiringPointsValue": 0, "nextExpiringPointsDate": None,
    "totalEarnedPoints": 0, "score": 0, "pointsOwed": 0,
}  # fmt: skip
READS = ["/customers/{id}", "/customers/{id}/balance", "/customers/{id}/tier-progress"]


async def ask(partner: Partner, path: str, **more: Any) -> Any:
    """The document at this path, its numbers exact."""
    answer = await partner.v4("GET", path, base="", **more)
    assert answer.status_code == 200, answer.text
    return read(answer.content)


async def a_customer(partner: Partner, customer_id: str = "anna") -> None:
    """Somebody that the partner knows."""
    await partner.database.execute(
        "INSERT INTO customers (partner_id, customer_id, last_at) VALUES ($1, $2, now())",
        partner.id,
        customer_id,
    )


async def book(partner: Partner, **sent: Any) -> tuple[int, dict[str, Any]]:
    """Status and document of a booking."""
    body = {"customerId": "anna", "transactionId": "t-1", "points": 100, **sent}
    answer = await partner.v4("POST", "/transactions/manual", body, base="")
    return answer.status_code, read(answer.content)


@pytest.mark.parametrize("path", [*READS, "/transactions?customerId={id}"])
async def test_customer_asks_for_both_keys(partner: Partner, stranger: Partner, path: str) -> None:
    """Unknown is 7000, also to another partner; without the secret key nothing is told."""
    await a_customer(partner)
    path = path.format(id="anna")
    await ask(partner, path)
    unknown = await stranger.v4("GET", path, base="")
    assert (unknown.status_code, unknown.json()["code"]) == (404, 7000)
    assert unknown.json()["type"] == "CUSTOMER_ERROR"
    refused = await partner.v4("GET", path, base="", headers={"secretKey": None})
    assert (refused.status_code, refused.json()["code"]) == (401, 1001)


async def test_customer_of_version_0_has_nothing(partner: Partner) -> None:
    """Zeros and nulls, and no tier."""
    await a_customer(partner)
    assert await ask(partner, "/customers/anna/balance") == EMPTY
    none = {"current": None, "next": None, "progress": 0, "method": "amount_spent"}
    assert await ask(partner, "/customers/anna/tier-progress") == none
    known = await ask(partner, "/customers/anna")
    assert known == {
        "customerId": "anna", "isRegistered": False, "tags": [], "dateOfBirth": None, "preferredLanguage": None,
        "referredBy": None, "cardId": None,
    }  # fmt: skip


async def test_customer_is_named_percent_encoded(partner: Partner) -> None:
    """Any id: with a slash, a question mark, an escape of its own; `balance` may be one."""
    for name in (ODD, "balance", "a/balance"):
        await a_customer(partner, name)
        encoded = quote(name, safe="")
        assert (await ask(partner, f"/customers/{encoded}"))["customerId"] == name
        assert await ask(partner, f"/customers/{encoded}/balance") == EMPTY
        told_ = await ask(partner, f"/transactions?customerId={encoded}", version="v4.1")
        assert told_ == {"transactions": [], "count": 0, "hasMore": False}
    nothing = await partner.v4("GET", "/customers/a%00b", base="")
    assert nothing.status_code == 404


async def test_customer_earns_and_stands_between_tiers(
    partner: Partner, stranger: Partner, issuing: Pipeline
) -> None:
    """What an order brought is the balance, its worth, the progress and a transaction; the refund is another."""
    settings = {"currency": "EUR", "pointsName": "Beans"}
    redemption = {"defaultRule": {"valueOfPoint": Decimal("0.015")}, "pointsExpiryPeriod": 30}
    await a_program(
        partner.database, partner.id, settings=settings, tiers=TIERS, cashback=CASHBACK, redemption=redemption
    )  # fmt: skip
    await issuing.process([ordered("o-1", "41.25", partner_id=partner.id)])
    balance = await ask(partner, "/customers/anna/balance")
    ends = balance.pop("nextExpiringPointsDate")
    assert {**balance, "nextExpiringPointsDate": None} == {
        **EMPTY, "totalPointsBalance": 41, "availablePointsBalance": 41, "totalPointsValue": Decimal("0.61"),
        "availablePointsValue": Decimal("0.61"), "currency": "EUR", "pointsName": "Beans", "score": 82,
        "nextExpiringPointsAmount": 41, "nextExpiringPointsValue": Decimal("0.61"), "totalEarnedPoints": 41,
    }  # fmt: skip
    progress = await ask(partner, "/customers/anna/tier-progress")
    assert (progress["current"]["name"], progress["next"]) == ("Roast", None)
    assert progress["progress"] == Decimal("41.25")
    (earned,) = (await ask(partner, "/transactions"))["transactions"]
    assert (earned["type"], earned["direction"], earned["points"]) == ("PaymentReward", "+", 41)
    assert (earned["transactionId"], earned["expiryDate"]) == ("o-1", ends)
    assert earned["source"] == {"kind": "order", "id": "o-1"}
    await issuing.process([refunded("o-1", "41.25", partner_id=partner.id)])
    listed = (await ask(partner, "/transactions?customerId=anna"))["transactions"]
    assert [(each["type"], each["pointsBalanceAfter"]) for each in listed] == [
        ("PaymentReward", 41), ("Refund", 0),
    ]  # fmt: skip
    progress = await ask(partner, "/customers/anna/tier-progress")
    assert (progress["current"]["name"], progress["next"]["name"]) == ("Bean", "Roast")
    assert progress["current"]["icon"] == "b.png"
    for place in ("/customers/anna/tier-progress?lang=lt", "/customers/anna/balance?expand=tier&lang=lt-LT"):  # fmt: skip
        progress = await ask(partner, place)
        progress = progress.get("tier", progress)
        assert (progress["current"]["name"], progress["next"]["name"]) == ("Pupelė", "Roast")
    assert (await ask(stranger, "/transactions"))["transactions"] == []


async def test_customer_is_shown_as_described(partner: Partner, issuing: Pipeline) -> None:
    """What events told of them."""
    await issuing.process(
        [told("customer.created", partner_id=partner.id, tags=["b", "a"], birthday="1990-02-28", locale="lt")]
    )  # fmt: skip
    shown = await ask(partner, "/customers/anna")
    assert (shown["isRegistered"], shown["tags"]) == (True, ["a", "b"])
    assert (shown["dateOfBirth"], shown["preferredLanguage"]) == ("1990-02-28", "lt")


async def test_deleted_card_is_nobodys(partner: Partner, issuing: Pipeline) -> None:
    """Who was given one by registering holds none once it is gone."""
    card_id = await a_card(partner)
    await issuing.process([told("customer.created", partner_id=partner.id)])
    assert (await ask(partner, "/customers/anna"))["cardId"] == card_id
    assert (await partner.ask("DELETE", f"/cards/{card_id}")).status_code == 200
    assert (await ask(partner, "/customers/anna"))["cardId"] is None


async def test_points_that_are_over_are_not_shown(partner: Partner) -> None:
    """Before anybody has written that they ended."""
    await a_customer(partner)
    assert (await book(partner, expiryAfter="2999-01-01T00:00:00Z"))[0] == 200
    assert (await book(partner, transactionId="t-2", points=7))[0] == 200
    await partner.database.execute("SET ROLE none")  # nobody else moves an end
    await partner.database.execute(
        "UPDATE lots SET expires_at = now() - interval '1 s' WHERE partner_id = $1 AND amount = 100",
        partner.id,
    )
    await partner.database.execute("SET ROLE couponry_worker")
    balance = await ask(partner, "/customers/anna/balance")
    assert (balance["totalPointsBalance"], balance["nextExpiringPointsDate"]) == (7, None)


async def test_points_are_booked_by_hand(partner: Partner) -> None:
    """Given and taken; once by the transaction's id; never more than there is; each in the audit trail."""
    await a_customer(partner)
    status, given = await book(partner, reason="sorry", expiryAfter="2999-01-01")
    assert isinstance(given.pop("gameballTransactionId"), int)
    assert (status, given) == (
        200, {"customerId": "anna", "transactionId": "t-1", "points": 100, "amount": None, "pointsBalance": 100},
    )  # fmt: skip
    refusals: list[tuple[dict[str, Any], int, int, str | None]] = [
        ({"points": 5}, 409, 9004, "transaction_exists"),
        ({"transactionId": "t-2", "points": -101}, 409, 9008, "insufficient_points"),
        ({"transactionId": "t-2", "customerId": "bert"}, 404, 7000, None),
        ({"transactionId": "t-2", "points": 0}, 422, 3003, None),
        ({"transactionId": "t-2", "points": "5"}, 422, 3003, None),
        ({"transactionId": "t-2", "points": -5, "expiryAfter": 3}, 422, 3003, None),
        ({"transactionId": None}, 422, 3003, None),
    ]
    for sent, wanted, code, reason in refusals:
        status, body = await book(partner, **sent)
        assert (status, body["code"], body.get("reason")) == (wanted, code, reason), sent
    status, taken = await book(partner, transactionId="t-2", points=-30)
    assert (status, taken["pointsBalance"]) == (200, 70)
    listed = await ask(partner, "/transactions?customerId=anna")
    assert listed["count"] == 2
    reward, deduction = listed["transactions"]
    assert (reward["type"], reward["reason"], reward["transactionId"]) == ("ManualReward", "sorry", "t-1")  # fmt: skip
    assert reward["expiryDate"] == "2999-01-01T22:00:00Z"  # the end of that day in Vilnius
    assert (deduction["type"], deduction["direction"], deduction["points"]) == ("ManualDeduction", "-", 30)  # fmt: skip
    actions = await partner.database.fetch(
        "SELECT action, subject_id FROM audit_log WHERE partner_id = $1 ORDER BY id", partner.id
    )
    assert [tuple(row) for row in actions] == [("points.booked", "t-1"), ("points.booked", "t-2")]


async def test_points_are_booked_once(partner: Partner) -> None:
    """The same request gets its answer again; of eight at once with one transaction's id one books."""
    await a_customer(partner)
    body = {"customerId": "anna", "transactionId": "t-1", "points": 5}
    answers = [
        await partner.v4("POST", "/transactions/manual", body, base="", headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    at_once = await asyncio.gather(*(book(partner, transactionId="t-2") for _ in range(4)))
    assert sorted(status for status, _ in at_once) == [200, 409, 409, 409]
    assert (await ask(partner, "/customers/anna/balance"))["totalPointsBalance"] == 105


async def test_transactions_come_in_pages(partner: Partner) -> None:
    """The next page starts after the last one's id; filters by direction and type."""
    await a_customer(partner)
    for number, amount in enumerate((5, 5, -3, 5)):
        assert (await book(partner, transactionId=f"t-{number}", points=amount))[0] == 200
    first = await ask(partner, "/transactions?limit=3")
    assert (first["count"], first["hasMore"]) == (3, True)
    last = first["transactions"][-1]["gameballTransactionId"]
    for path in (f"/transactions?startAfter={last}", f"/transactions?startAfter={last}&customerId=anna"):  # fmt: skip
        rest = await ask(partner, path)
        assert [each["transactionId"] for each in rest["transactions"]] == ["t-3"]
        assert rest["hasMore"] is False
    for query in ("direction=-", "type=ManualDeduction", "type=ManualDeduction&direction=-"):
        found = (await ask(partner, f"/transactions?{query}"))["transactions"]
        assert [each["transactionId"] for each in found] == ["t-2"]
    for query in ("direction=+", "direction=%2B"):
        found = (await ask(partner, f"/transactions?{query}"))["transactions"]
        assert [each["transactionId"] for each in found] == ["t-0", "t-1", "t-3"]
    assert (await ask(partner, "/transactions?type=Redemption"))["count"] == 0
    for query in (
        "limit=0",
        "limit=201",
        "type=x",
        "direction=x",
        "startAfter=-1",
        "customerId=a%00b",
    ):
        refused = await partner.v4("GET", f"/transactions?{query}", base="")
        assert (refused.status_code, list(refused.json()["errors"])) == (422, [query.split("=")[0]])


async def test_configurations_are_shown_to_a_customer(partner: Partner, issuing: Pipeline) -> None:
    """Campaigns that they can achieve, the cashback of their tier, the rules that they may use; unknown: as if new."""
    rewards = [{"walletReward": 1}]
    campaigns = [
        {"name": "Low", "type": "SignUp", "rewards": rewards},
        {"name": "High", "type": "SignUp", "rewards": rewards, "availability": {"minTier": 2}},
        {"name": "Tag", "type": "SignUp", "rewards": rewards, "availability": {"tags": ["vip"]}},
        {"name": "Off", "type": "SignUp", "rewards": rewards, "isActive": False},
    ]
    coupon = {"couponType": "custom", "group": {"handle": "g"}}
    rule = {"pointsToRedeem": 9, "ruleType": "custom", "coupon": coupon}
    rules = [
        {**rule, "howToRedeem": "all"},
        {**rule, "howToRedeem": "roast", "availableTo": {"level": {"levelName": "Roast"}}},
    ]
    redemption = {"defaultRule": {"valueOfPoint": Decimal("0.5")}, "rules": rules}
    await a_program(
        partner.database, partner.id, tiers=TIERS, cashback=CASHBACK, redemption=redemption, campaigns=campaigns,
        couponGroups=[{"handle": "g"}],
    )  # fmt: skip
    await issuing.process([ordered("o-1", "50", partner_id=partner.id)])
    for who, names, tiers, usable in (
        ("bert", ["Low"], [], ["all"]),
        ("anna", ["Low", "High"], ["Roast"], ["all", "roast"]),
    ):
        base = "/configurations"
        found = read((await partner.v4("GET", f"/reward-campaigns?customerId={who}")).content)
        assert [each["name"] for each in found] == names
        cashback = await ask(partner, f"{base}/cashback?customerId={who}")
        assert [each["tierName"] for each in cashback["tierCashbackRules"]] == tiers
        shown = await ask(partner, f"{base}/redemption?customerId={who}")
        assert [each["howToRedeem"] for each in shown["redemptionRules"]] == usable
        assert shown["redemptionFactor"] == Decimal("0.5")


async def test_rules_of_groups_are_shown_to_who_may_use_them(
    partner: Partner, issuing: Pipeline
) -> None:
    """Until the customer has as many as each may have, and while the group has places and codes left."""
    shop = GroupedShop(connection=partner.database, partner_id=partner.id)
    groups: list[dict[str, Any]] = [
        {"handle": "each", "maxPerCustomer": 1}, {"handle": "all", "maxTotal": 1}, {"handle": "pool"}, {"handle": "free"},
    ]  # fmt: skip
    await shop.have(*groups)
    await shop.pool("pool", "Gratis")
    handles = [group["handle"] for group in groups]
    rule = {"pointsToRedeem": 9, "ruleType": "custom"}
    await a_program(
        partner.database, partner.id,
        redemption={"rules": [{**rule, "howToRedeem": each, "coupon": {"couponType": "custom", "group": {"handle": each}}} for each in handles]},
    )  # fmt: skip

    async def usable(who: str) -> list[str]:
        shown = await ask(partner, f"/configurations/redemption?customerId={who}")
        return [each["howToRedeem"] for each in shown["redemptionRules"]]

    assert await usable("anna") == handles
    for handle, annas, berts in (
        ("each", ["all", "pool", "free"], handles),
        ("all", ["pool", "free"], ["each", "pool", "free"]),
        ("pool", ["free"], ["each", "free"]),
        ("free", ["free"], ["each", "free"]),
    ):
        await issuing.process([shop.visit(handle)])
        assert (await usable("anna"), await usable("bert")) == (annas, berts)
