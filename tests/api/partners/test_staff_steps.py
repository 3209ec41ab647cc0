"""Steps that staff take on coupons over HTTP: what they answer, what they refuse, and what they leave behind."""

from __future__ import annotations

import pytest

from tests.api.games import a_game
from tests.api.staff_stand import (
    COUPON_STEPS,
    STAFF,
    STEPS,
    UNKNOWN,
    a_coupon,
    a_shop,
    history,
    later,
    queued,
    step,
)
from tests.api.stand import Partner, token

USED = (409, "COUPON_ALREADY_USED", "Coupon has already been used")
EXPIRED = (409, "COUPON_EXPIRED", "Coupon has expired")
CANCELLED = (409, "OPERATION_NOT_ALLOWED", "Coupon has been cancelled")
ELSEWHERE = (409, "OPERATION_NOT_ALLOWED", "Coupon is already pending at another shop")
HERE = (409, "OPERATION_NOT_ALLOWED", "Coupon is already pending at this shop")
NOT_PENDING = (409, "OPERATION_NOT_ALLOWED", "Coupon is not in pending status")
NOT_USED = (409, "OPERATION_NOT_ALLOWED", "Coupon has not been used")
NOT_HERE = (403, "FORBIDDEN", "Coupon is not pending at this shop")
ANOTHER = (409, "OPERATION_NOT_ALLOWED", "Customer has another active coupon of this game")

DAY = 24 * 3600.0


def refusal(answer) -> tuple[int, str, str]:
    """How a request was refused; the numeric code repeats the status."""
    body = answer.json()
    assert (body["success"], body["code"]) == (False, answer.status_code)
    return answer.status_code, body["error_code"], body["message"]


async def test_coupon_goes_through_its_life(partner: Partner) -> None:
    """Reserved, released, redeemed, reinstated and cancelled: the answers, the history, the events."""
    game = await a_game(partner, coupon_validity_days=30)
    coupon = await a_coupon(partner, game["id"])
    id = coupon["coupon_id"]

    reserved = (await step(partner, id, "reserve", notes="At the till")).json()
    assert reserved["message"] == "Coupon reserved successfully"
    shown = reserved["data"]["coupon"]
    assert shown == coupon | {"status": "reserved", "reserved_until": shown["reserved_until"]}
    assert shown["reserved_until"] > shown["issued_at"]
    released = (await step(partner, id, "release", reason="Changed her mind")).json()
    assert released["data"]["coupon"] == coupon
    redeemed = (await step(partner, id, "redeem")).json()["data"]["coupon"]
    assert redeemed == coupon | {"status": "redeemed", "redeemed_at": redeemed["redeemed_at"]}
    assert (await step(partner, id, "reinstate")).json()["data"]["coupon"] == coupon
    cancelled = await step(partner, id, "cancel", reason="Misprint")
    assert cancelled.json()["data"]["coupon"] == coupon | {"status": "cancelled"}

    entries = await history(partner, id)
    assert [(e["status"], e["actor"], e["reason"], e["shop_id"]) for e in entries] == [
        ("active", "api", "An apology", None),
        ("reserved", "api", "At the till", partner.shop_id),
        ("active", "api", "Changed her mind", partner.shop_id),
        ("redeemed", "api", None, partner.shop_id),
        ("active", "api", None, partner.shop_id),
        ("cancelled", "api", "Misprint", partner.shop_id),
    ]
    assert sorted(e["at"] for e in entries) == [e["at"] for e in entries]
    assert await queued(partner, id) == [
        "coupon.issued", "coupon.reserved", "coupon.released", "coupon.redeemed",
        "coupon.reinstated", "coupon.cancelled",
    ]  # fmt: skip


REFUSED = [
    ("", "release", NOT_PENDING), ("", "reinstate", NOT_USED),
    ("reserve", "reserve", HERE), ("reserve", "reinstate", NOT_USED),
    *(("redeem", word, USED) for word in ("reserve", "release", "redeem", "cancel")),
    *(("cancel", word, CANCELLED) for word in STEPS),
]  # fmt: skip


@pytest.mark.parametrize(("before", "word", "why"), REFUSED)
async def test_step_is_refused(
    partner: Partner, before: str, word: str, why: tuple[int, str, str]
) -> None:
    """Each with its constant and sentence, and the coupon as it stands; nothing is queued."""
    coupon = await a_coupon(partner, (await a_game(partner))["id"])
    if before:
        coupon = (await step(partner, coupon["coupon_id"], before)).json()["data"]["coupon"]
    events = await queued(partner, coupon["coupon_id"])
    answer = await step(partner, coupon["coupon_id"], word)
    assert refusal(answer) == why
    assert answer.json()["details"]["coupon"] == coupon
    assert await queued(partner, coupon["coupon_id"]) == events


@pytest.mark.parametrize(
    ("word", "why"),
    [("reserve", ELSEWHERE), ("redeem", ELSEWHERE), ("cancel", ELSEWHERE), ("release", NOT_HERE)],
)
async def test_reserved_coupon_is_its_shops_alone(
    partner: Partner, word: str, why: tuple[int, str, str]
) -> None:
    """Elsewhere nothing can be done with it until the reservation ends."""
    coupon = await a_coupon(partner, (await a_game(partner))["id"])
    await step(partner, coupon["coupon_id"], "reserve")
    assert refusal(await step(partner, coupon["coupon_id"], word, await a_shop(partner))) == why
    assert (await step(partner, coupon["coupon_id"], "redeem")).status_code == 200


async def test_reservation_ends_by_itself(partner: Partner, app, api_settings) -> None:
    """After `reservation_ttl_seconds` any shop may take the coupon; that it lapsed is in its history."""
    coupon = await a_coupon(partner, (await a_game(partner))["id"])
    reserved = (await step(partner, coupon["coupon_id"], "reserve")).json()["data"]["coupon"]
    ttl = api_settings.reservation_ttl_seconds
    async with later(app, api_settings, partner, ttl + 1) as partner:
        assert [entry["actor"] for entry in await history(partner, coupon["coupon_id"])] == [
            "api",
            "api",
            "time",
        ]
        taken = await step(partner, coupon["coupon_id"], "redeem", await a_shop(partner))
        assert taken.status_code == 200
        entries = await history(partner, coupon["coupon_id"])
    assert [entry["status"] for entry in entries] == ["active", "reserved", "active", "redeemed"]
    assert entries[2]["at"] == reserved["reserved_until"]
    assert entries[2]["reason"] == "reservation_lapsed"


@pytest.mark.parametrize("word", ["reserve", "release", "redeem", "cancel"])
async def test_expired_coupon_is_refused_and_recorded(
    partner: Partner, app, api_settings, word: str
) -> None:
    """Expiry needs nobody: the first who asks is told, and its event leaves with the expiry's own instant."""
    coupon = await a_coupon(partner, (await a_game(partner, coupon_validity_days=7))["id"])
    async with later(app, api_settings, partner, 7 * DAY) as partner:
        await step(partner, coupon["coupon_id"], word)
        answer = await step(partner, coupon["coupon_id"], word)
        assert refusal(answer) == EXPIRED
        shown = (await partner.get(f"{STAFF}/{coupon['coupon_id']}")).json()["data"]["coupon"]
    assert answer.json()["details"]["coupon"] == coupon | {
        "status": "expired",
        "days_until_expiry": 0,
    }
    assert shown["history"][-1]["at"] == coupon["expires_at"]
    assert await queued(partner, coupon["coupon_id"]) == ["coupon.issued", "coupon.expired"]


async def test_reinstating_asks_for_the_single_place(partner: Partner) -> None:
    """A used coupon does not come back beside another active one, and does once that is gone."""
    game = await a_game(partner, allow_multiple_active_coupons=False)
    first = await a_coupon(partner, game["id"])
    await step(partner, first["coupon_id"], "redeem")
    second = await a_coupon(partner, game["id"])
    assert refusal(await step(partner, first["coupon_id"], "reinstate")) == ANOTHER
    await step(partner, second["coupon_id"], "cancel")
    assert (await step(partner, first["coupon_id"], "reinstate")).status_code == 200


@pytest.mark.parametrize("word", COUPON_STEPS)
async def test_shop_must_be_the_partners_own(
    partner: Partner, stranger: Partner, word: str
) -> None:
    """A missing, wrong or foreign shop is named in the errors; so is a remark that is too long."""
    coupon = await a_coupon(partner, (await a_game(partner))["id"])
    for shop_id in (None, "1", 0, 2**63, 1.5, True, stranger.shop_id, 2**62):
        answer = await partner.post(f"{STAFF}/{coupon['coupon_id']}/{word}", {"shop_id": shop_id})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["shop_id"]), shop_id
    answer = await step(partner, coupon["coupon_id"], word, notes="ž" * 256)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["notes"])
    assert (await step(partner, coupon["coupon_id"], "redeem", notes="ž" * 255)).status_code == 200


@pytest.mark.parametrize("word", COUPON_STEPS)
async def test_coupon_of_another_partner_is_unknown(
    partner: Partner, stranger: Partner, word: str
) -> None:
    """In the words used for what does not exist, and what could not."""
    coupon = await a_coupon(stranger, (await a_game(stranger))["id"])
    for id in (coupon["coupon_id"], UNKNOWN, "1", "x" * 40):
        for answer in (await step(partner, id, word), await partner.get(f"{STAFF}/{id}")):
            assert (answer.status_code, answer.json()["message"]) == (404, "Coupon not found")
    assert (await stranger.get(f"{STAFF}/{coupon['coupon_id']}")).status_code == 200


async def test_staff_scope_is_asked_for(partner: Partner, api_settings) -> None:
    """A token for games and cards may not touch coupons."""
    games_only = {"authorization": f"Bearer {token(api_settings, partner.id, 'games', 'cards')}"}
    assert (
        await partner.get(f"{STAFF}?shop_id={partner.shop_id}", headers=games_only)
    ).status_code == 403
    for path in (STAFF, f"{STAFF}/verify", *(f"{STAFF}/{UNKNOWN}/{word}" for word in COUPON_STEPS)):
        assert (await partner.post(path, {}, headers=games_only)).status_code == 403, path


async def test_product_selected_must_be_one_the_coupon_is_for(
    partner: Partner, stranger: Partner
) -> None:
    """Of the game's products or, where it names none, of the partner's."""
    mine, other = [
        (await partner.post("/products", {"name": name})).json()["data"]["id"] for name in "ab"
    ]
    foreign = (await stranger.post("/products", {"name": "c"})).json()["data"]["id"]
    for product_ids, allowed in (([mine], [mine]), ([], [mine, other])):
        game = await a_game(partner, product_ids=product_ids)
        for product_id in (mine, other, foreign):
            coupon = await a_coupon(partner, game["id"])
            answer = await step(
                partner, coupon["coupon_id"], "redeem", selected_product_id=product_id
            )
            assert answer.status_code == (200 if product_id in allowed else 422)


async def test_step_is_in_the_audit_trail(partner: Partner) -> None:
    """Who, when, before and after, with what was said at the till and in which request."""
    coupon = await a_coupon(partner, (await a_game(partner))["id"])
    await step(
        partner, coupon["coupon_id"], "redeem", notes="Smiled", headers={"x-request-id": "till-7"}
    )
    (entry,) = await partner.database.fetch(
        "SELECT actor, request_id, before::text, after::text FROM audit_log"
        " WHERE action = 'coupon.redeemed' AND subject_id = $1", coupon["coupon_id"],
    )  # fmt: skip
    assert (entry["actor"], entry["request_id"]) == ("api", "till-7")
    assert '"status": "active"' in entry["before"]
    for said in ('"status": "redeemed"', '"notes": "Smiled"', f'"shop_id": {partner.shop_id}'):
        assert said in entry["after"]
    assert coupon["code"][:4] not in entry["after"]


async def test_step_with_a_key_is_taken_once(partner: Partner) -> None:
    """The same request gets the same answer; the key belongs to that request alone."""
    coupon = await a_coupon(partner, (await a_game(partner))["id"])
    key = {"idempotency-key": "till-7-1"}
    first = await step(partner, coupon["coupon_id"], "redeem", headers=key)
    again = await step(partner, coupon["coupon_id"], "redeem", headers=key)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert (await step(partner, coupon["coupon_id"], "cancel", headers=key)).status_code == 422
    assert refusal(await step(partner, coupon["coupon_id"], "redeem")) == USED
