"""Coupons that no game issued, at staff's doors: how they are shown, each use of them, and their terms at a till."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from schemas.gameball_v4.exact_json import read, write
from tests.api.games import a_game
from tests.api.staff_stand import STAFF, a_coupon, a_shop, history, later, queued, step
from tests.api.stand import Partner
from tests.stand.real_shop import BASE, RealShop

TIERS = [
    {"name": "Bean", "minProgress": 0, "order": 1},
    {"name": "Roast", "minProgress": 50, "order": 2, "benefits": [
        {"type": "Lifetime Reward", "couponReward": {"couponType": "percentage_discount", "discountValue": 10}}]},
]  # fmt: skip
TEN_PERCENT = {"couponType": "percentage_discount", "discountValue": 10}
FIVE = {"couponType": "fixed_discount", "discountValue": 5}
DAY = 24 * 3600.0


@pytest.fixture
async def shop(partner: Partner) -> RealShop:
    """The partner's program, in EUR."""
    shop = RealShop(connection=partner.database, partner_id=partner.id)
    await shop.set(**BASE)
    return shop


async def ask(partner: Partner, path: str, **body: Any) -> httpx.Response:
    """One request at the partner's first shop whose numbers are written to the last digit."""
    content = write({"shop_id": partner.shop_id} | body)
    return await partner.ask("POST", f"{STAFF}/{path}", content=content)


async def coupon_of(partner: Partner, code: str) -> dict[str, Any]:
    """The coupon of this code as it is listed, whatever its status."""
    listed = await partner.get(f"{STAFF}?shop_id={partner.shop_id}&status=all&per_page=100")
    bare = code.replace("-", "")
    (found,) = [
        each for each in listed.json()["data"]["coupons"] if each["code"].replace("-", "") == bare
    ]
    return dict(found)


def terms(**more: Any) -> dict[str, Any]:
    """Terms as they are shown, where nothing else is said."""
    return {
        "type": "fixed", "value": "5", "currency": "EUR", "min_order_value": None, "capping": None, "usage_limit": 1,
        "used_count": 0, "combines_with": None, "product_ids": [], "collection_ids": [], "platforms": [], "group": None,
    } | more  # fmt: skip


async def test_coupon_of_the_program_is_shown(partner: Partner, shop: RealShop) -> None:
    """In the list, by id, by code and in a preview alike: without a game, with what it comes from and its terms."""
    code = await shop.given(
        couponType="fixed_discount",
        discountValue=Decimal("5.50"),
        minOrderValue=20,
        options={"usageLimit": 3, "platforms": ["POS", "web"]},
    )
    coupon = await coupon_of(partner, code)
    assert coupon["game_id"] is None
    assert coupon["source"]["kind"] == "campaign"
    assert coupon["terms"] == terms(
        value="5.5", min_order_value="20", usage_limit=3, platforms=["POS", "web"]
    )
    id = coupon["coupon_id"]
    shown = (await partner.get(f"{STAFF}/{id}")).json()["data"]["coupon"]
    assert shown.pop("history")[0]["word"] == "issued"
    of_customer = await partner.get(f"{STAFF}?shop_id={partner.shop_id}&customer_id=anna")
    verified = (await ask(partner, "verify", code=code)).json()["data"]
    assert shown == verified["coupon"] == of_customer.json()["data"]["coupons"][0] == coupon
    assert (verified["game"], verified["games_count"], verified["coupons_count"]) == (None, 0, 1)
    previewed = (await step(partner, id, "preview")).json()["data"]
    assert (previewed["game"], previewed["can_apply"], previewed["discount"]) == (None, True, None)
    assert previewed["coupon"] == coupon | {"terms": coupon["terms"] | {"used_count": 1}}


async def test_each_use_is_counted_wherever_it_is_shown(partner: Partner, shop: RealShop) -> None:
    """A use that leaves some, the last one, one too many, and one that comes back: staff, customers, events and history."""
    coupon = await coupon_of(partner, await shop.given(**FIVE, options={"usageLimit": 2}))
    id = coupon["coupon_id"]
    stands = []
    for word in ("redeem", "redeem", "redeem", "reinstate"):
        answer = await step(partner, id, word)
        shown = (await partner.get(f"{STAFF}/{id}")).json()["data"]["coupon"]
        of_customer = await partner.v4("GET", "/customers/anna/coupons", base="")
        (theirs,) = of_customer.json()["coupons"]
        assert (theirs["usedCount"], theirs["status"]) == (
            shown["terms"]["used_count"],
            shown["status"],
        )
        stands.append((answer.status_code, shown["status"], shown["terms"]["used_count"]))
    assert stands == [
        (200, "active", 1), (200, "redeemed", 2), (409, "redeemed", 2), (200, "active", 1),
    ]  # fmt: skip
    assert [(each["word"], each["status"]) for each in await history(partner, id)] == [
        ("issued", "active"), ("used", "active"), ("redeemed", "redeemed"), ("reinstated", "active"),
    ]  # fmt: skip
    rows = await partner.database.fetch(
        "SELECT ce_type, value FROM outbox WHERE subject = $1 AND topic = 'coupon-lifecycle' ORDER BY id", id
    )  # fmt: skip
    told = [(row["ce_type"], json.loads(row["value"])["terms"]["used_count"]) for row in rows]
    assert told == [("coupon.used", 1), ("coupon.redeemed", 2), ("coupon.reinstated", 1)]


WORTH: list[tuple[dict[str, Any], str, str]] = [
    ({**TEN_PERCENT, "options": {"capping": Decimal("2.5")}}, "400", "2.5"),
    (TEN_PERCENT, "18.45", "1.85"),
    ({"couponType": "percentage_discount", "discountValue": 100}, "999999999999.999999", "999999999999.999999"),
    (FIVE, "3", "3"),
    (FIVE, "0", "0"),
    ({**FIVE, "minOrderValue": 50}, "50", "5"),
    ({"couponType": "free_shipping"}, "50", "null"),
    ({"couponType": "free_product", "product": {"productId": "7"}}, "50", "null"),
    ({**TEN_PERCENT, "applicableTo": {"collections": [7]}}, "50", "null"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "total", "discount"), WORTH)
async def test_total_is_told_its_discount(
    partner: Partner, shop: RealShop, given: dict[str, Any], total: str, discount: str
) -> None:
    """Exactly, as a number, at all three doors; where only lines would tell, and without a total, null."""
    code = await shop.given(**given)
    id = (await coupon_of(partner, code))["coupon_id"]
    worth = None if discount == "null" else Decimal(discount)
    for path, more in (("verify", {"code": code}), (f"{id}/preview", {}), (f"{id}/redeem", {})):
        if path != f"{id}/redeem":
            without = await ask(partner, path, **more)
            assert without.json()["data"]["discount"] is None
        answer = await ask(partner, path, **more, total=Decimal(total))
        assert answer.status_code == 200, answer.text
        assert f'"discount":{discount}' in answer.text
        assert read(answer.content)["data"]["discount"] == worth


@pytest.mark.parametrize(
    ("currency", "discount"), [(None, "12.35"), ("JPY", "12"), ("KWD", "12.345")]
)
async def test_discount_rounds_to_the_currency(
    partner: Partner, shop: RealShop, currency: str | None, discount: str
) -> None:
    """Of the terms, whatever the program's is by then; where they name none that of the program, else two places."""
    await shop.set(settings={"currency": currency})
    code = await shop.given(**TEN_PERCENT)
    answer = await ask(partner, "verify", code=code, total=Decimal("123.45"))
    assert f'"discount":{discount}' in answer.text
    await shop.set(settings={"currency": "KWD"})
    answer = await ask(partner, "verify", code=code, total=Decimal("123.45"))
    assert f'"discount":{discount if currency else "12.345"}' in answer.text


async def test_game_coupon_is_no_money(partner: Partner, shop: RealShop) -> None:
    """Nor is a custom one: nothing is taken off a total, and nothing said without one."""
    await shop.set(couponGroups=[{"handle": "gifts"}])
    code = await shop.given(couponType="custom", group={"handle": "gifts"})
    custom = await coupon_of(partner, code)
    for coupon in (custom, await a_coupon(partner, (await a_game(partner))["id"], "bela")):
        for total, discount in ((None, None), (20, 0)):
            data = (await ask(partner, "verify", code=coupon["code"], total=total)).json()["data"]
            assert data["discount"] == discount


REFUSED: list[tuple[dict[str, Any], Any, str, str]] = [
    ({**FIVE, "minOrderValue": 50}, Decimal("49.999999"), "BELOW_MIN_ORDER_VALUE", "Total is below the minimum of this coupon"),
    ({**FIVE, "minOrderValue": 50}, 0, "BELOW_MIN_ORDER_VALUE", "Total is below the minimum of this coupon"),
    ({"couponType": "free_shipping", "minOrderValue": 50}, 49, "BELOW_MIN_ORDER_VALUE", "Total is below the minimum of this coupon"),
    ({**FIVE, "minOrderValue": 50, "options": {"platforms": ["web"]}}, 1, "PLATFORM_NOT_ALLOWED", "Coupon cannot be used in a shop"),
    ({**FIVE, "options": {"platforms": ["web", "app"]}}, None, "PLATFORM_NOT_ALLOWED", "Coupon cannot be used in a shop"),
]  # fmt: skip


async def refusals(
    partner: Partner, coupon: dict[str, Any], total: Any
) -> list[tuple[Any, str, str]]:
    """What verify, preview and redeem say against it; each shows the coupon as it stands."""
    id, told = coupon["coupon_id"], []
    for path, more in (
        ("verify", {"code": coupon["code"]}),
        (f"{id}/preview", {}),
        (f"{id}/redeem", {}),
    ):
        body = (await ask(partner, path, **more, total=total)).json()
        data = body.get("data") or {"reason": body["message"], "error_code": body["error_code"]}
        assert (data.get("coupon") or body["details"]["coupon"]) == coupon
        assert data.get("discount") is None
        told.append((data.get("can_apply", body["code"]), data["error_code"], data["reason"]))
    return told


@pytest.mark.parametrize(("given", "total", "error_code", "sentence"), REFUSED)
async def test_terms_stand_in_the_way(
    partner: Partner, shop: RealShop, given: dict[str, Any], total: Any, error_code: str, sentence: str
) -> None:  # fmt: skip
    """Refused with its word and sentence, in a preview too; no step, no event and no entry in the audit trail."""
    coupon = await coupon_of(partner, await shop.given(**given))
    id = coupon["coupon_id"]
    told = await refusals(partner, coupon, total)
    assert told == [(why, error_code, sentence) for why in (409, False, 409)]
    assert await coupon_of(partner, coupon["code"]) == coupon
    assert [entry["word"] for entry in await history(partner, id)] == ["issued"]
    assert await queued(partner, id) == ["coupon.issued"]
    audited = "SELECT count(*) FROM audit_log WHERE subject_id = $1"
    assert await partner.database.fetchval(audited, id) == 0


async def test_total_is_asked_of_nobody(partner: Partner, shop: RealShop) -> None:
    """Without one a coupon with a least order value is used as ever."""
    coupon = await coupon_of(partner, await shop.given(**FIVE, minOrderValue=50))
    answer = await step(partner, coupon["coupon_id"], "redeem")
    assert (answer.status_code, answer.json()["data"]["discount"]) == (200, None)


async def test_lifetime_reward_is_lost_with_its_tier(partner: Partner, shop: RealShop) -> None:
    """It serves while the customer is in the tier, by what they have come to now; back in it, it serves again."""
    await shop.set(tiers=TIERS)
    await shop.order("60", order_id=f"first-{partner.id}")
    coupon = await coupon_of(partner, (await shop.coupons())[-1]["shown"])
    for total, discount in ((None, None), (20, 2)):
        data = (await ask(partner, "verify", code=coupon["code"], total=total)).json()["data"]
        assert data["discount"] == discount
    await shop.refund(None, f"first-{partner.id}")
    sentence = "Customer is no longer in the tier that this coupon is for"
    told = await refusals(partner, coupon, None)
    assert told == [(why, "TIER_TOO_LOW", sentence) for why in (409, False, 409)]
    await shop.order("70", order_id=f"second-{partner.id}")
    answer = await ask(partner, f"{coupon['coupon_id']}/redeem", total=Decimal("0.05"))
    assert (answer.status_code, answer.json()["data"]["discount"]) == (200, 0.01)


async def test_refusal_keeps_what_time_has_done(
    partner: Partner, shop: RealShop, app: Any, api_settings: Any
) -> None:
    """A reservation that has lapsed by then is recorded, and nothing else."""
    coupon = await coupon_of(partner, await shop.given(**FIVE, minOrderValue=50))
    id = coupon["coupon_id"]
    await step(partner, id, "reserve")
    async with later(app, api_settings, partner, DAY) as tomorrow:
        answer = await ask(tomorrow, f"{id}/redeem", total=49)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "BELOW_MIN_ORDER_VALUE")
    words = await partner.database.fetch(
        "SELECT word FROM coupon_history WHERE coupon_id = $1 ORDER BY step", id
    )
    assert [row["word"] for row in words] == ["reserved", "released"]


@pytest.mark.parametrize(
    "total",
    [-1, Decimal("-0.01"), "1", True, [], 10**12, Decimal("1e12"), Decimal("0.0000001"), 10**120],
)
async def test_total_must_be_an_amount(partner: Partner, shop: RealShop, total: Any) -> None:
    """A number from 0 up of at most 12 digits before and 6 after the point."""
    code = await shop.given(**FIVE)
    id = (await coupon_of(partner, code))["coupon_id"]
    for path, more in (("verify", {"code": code}), (f"{id}/preview", {}), (f"{id}/redeem", {})):
        answer = await ask(partner, path, **more, total=total)
        assert (answer.status_code, answer.json().get("errors")) == (422, {"total": [
            "Must be a number from 0 up of at most 12 digits before the point and 6 after it, or null"]})  # fmt: skip
    assert (await step(partner, id, "reserve", total="nothing to do with it")).status_code == 200


async def test_number_is_the_same_however_it_is_written(partner: Partner, shop: RealShop) -> None:
    """Digits are counted by value, and a repeated request with a key is the same one."""
    code = await shop.given(**TEN_PERCENT)
    id = (await coupon_of(partner, code))["coupon_id"]
    key = {"idempotency-key": f"till-{id}"}
    answers = [
        await partner.ask(
            "POST",
            f"{STAFF}/{id}/redeem",
            content=f'{{"shop_id": {partner.shop_id}, "total": {total}}}',
            headers=key,
        )
        for total in ("20.50", "20.500000000", "2.05e1")
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0].json()["data"]["discount"] == 2.05


async def test_program_coupon_that_is_over_is_listed_as_expired(
    partner: Partner, shop: RealShop, stranger: Partner, app: Any, api_settings: Any
) -> None:
    """Though nobody has recorded it; not to another partner, and not among those of a game."""
    coupon = await coupon_of(partner, await shop.given(**FIVE, options={"expiryAfter": 1}))
    lists = [
        (partner, "", [coupon["coupon_id"]]), (partner, "&customer_id=anna", [coupon["coupon_id"]]),
        (partner, "&game_id=1", []), (stranger, "", []),
    ]  # fmt: skip
    for who, query, ids in lists:
        async with later(app, api_settings, who, DAY + 1) as tomorrow:
            path = f"{STAFF}?shop_id={who.shop_id}&status=expired{query}"
            listed = (await tomorrow.get(path)).json()["data"]
            assert [each["coupon_id"] for each in listed["coupons"]] == ids
            assert listed["pagination"]["total"] == len(ids)
    assert await queued(partner, coupon["coupon_id"]) == ["coupon.issued"]


@pytest.mark.parametrize(
    ("named", "foreign_is_refused"),
    [(lambda mine: {"productIds": [mine]}, True), (lambda mine: {"productIds": ["LATTE"]}, False),
     (lambda mine: {"productIds": [mine], "collections": [7]}, False), (lambda mine: {}, False)],
)  # fmt: skip
async def test_product_selected_may_be_any_that_terms_do_not_exclude(
    partner: Partner, shop: RealShop, named: Any, foreign_is_refused: bool
) -> None:
    """Where the terms name ids alone it is one of them; else one of the partner's."""
    mine, other = [
        (await partner.post("/products", {"name": name})).json()["data"]["id"] for name in "ab"
    ]
    code = await shop.given(**TEN_PERCENT, applicableTo=named(mine))
    id = (await coupon_of(partner, code))["coupon_id"]
    for product_id, refused in ((mine, False), (other, foreign_is_refused), (2**62, True)):
        answer = await step(partner, id, "preview", selected_product_id=product_id)
        assert answer.status_code == (422 if refused else 200)


async def test_use_held_for_one_shop_is_not_had_at_another(
    partner: Partner, shop: RealShop
) -> None:
    """How the coupon stands is said before its terms are."""
    coupon = await coupon_of(
        partner, await shop.given(**FIVE, minOrderValue=50, options={"usageLimit": 2})
    )
    id = coupon["coupon_id"]
    await step(partner, id, "reserve")
    other = await a_shop(partner)
    answer = await step(partner, id, "redeem", other, total=1)
    assert answer.json()["message"] == "Coupon is already pending at another shop"
    answer = await step(partner, id, "preview", other, total=1)
    assert answer.json()["data"]["reason"] == "Coupon is already pending at another shop"
    answer = await step(partner, id, "redeem", total=50)
    assert answer.json()["data"]["coupon"]["terms"]["used_count"] == 1
