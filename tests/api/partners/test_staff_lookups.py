"""Coupons looked up by staff: a code checked, a list, one coupon, a preview."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from services.api.partners.staff_lookups import code_in
from services.domain.coupons.codes import display
from services.issuer.pipeline import Pipeline
from tests.api.games import a_game
from tests.api.staff_stand import STAFF, a_coupon, a_shop, later, queued, step, verify
from tests.api.stand import Partner, token
from tests.stand.grouped_shop import GroupedShop

WAYS = [
    "{code}", " {lower} ", "{spaced}", "{bare}", "MILDA {spaced}", "milda-{lower}",
    "https://shop.example/c/{code}?shop=7", "https://shop.example/redeem?from=qr&code=MILDA-{code}#x",
    '{{"code": "{code}", "v": 1}}', "couponry:{bare}",
    "{code}\r\n", "\u200b{code}", "{spaced}\u00a0",
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_code_is_read_as_typed_or_scanned(partner: Partner, way: str) -> None:
    """With and without prefix, dashes, case and whatever a scanner reads around it."""
    game = await a_game(partner, code_prefix="MILDA", coupon_validity_days=30)
    coupon = await a_coupon(partner, game["id"])
    code = coupon["code"].removeprefix("MILDA-")
    typed = way.format(
        code=code, lower=code.lower(), spaced=code.replace("-", " "), bare=code.replace("-", "")
    )
    answer = await verify(partner, typed)
    assert (answer.status_code, answer.json()["message"]) == (200, "Coupon is valid")
    assert answer.json()["data"] == {
        "coupon": coupon, "usable_here": True, "owner": {"customer_id": "anna"},
        "game": {"id": game["id"], "name": "Laimės ratas", "reward_description": "Kava", "product_ids": []},
        "games_count": 1, "coupons_count": 1, "discount": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "-", "https://shop.example/", "0" * 500, "ABCD-EFGH-JKMN-PQRT", "žžž"]
)
def test_text_without_a_code_has_none(text: str) -> None:
    """Whatever the scanner read."""
    assert code_in(text) is None


async def test_code_that_is_not_the_partners_is_unknown(
    partner: Partner, stranger: Partner, api_settings
) -> None:
    """Foreign, never issued, malformed, or with a wrong prefix: the same answer."""
    game = await a_game(partner, code_prefix="MILDA")
    mine = (await a_coupon(partner, game["id"]))["code"].removeprefix("MILDA")
    foreign = (await a_coupon(stranger, (await a_game(stranger))["id"]))["code"]
    for text in (
        foreign,
        "x" * 60_000,
        "0000-0000-0000-0000",
        "nonsense",
        f"WRONG{mine}",
        f"MILD{mine}",
    ):
        answer = await verify(partner, text)
        assert (answer.status_code, answer.json()["message"]) == (404, "Coupon not found"), text
        assert "error_code" not in answer.json()


async def test_unknown_codes_are_limited(partner: Partner, app, api_settings) -> None:
    """After so many in a minute even a good code is not looked at, until the minute is over."""
    settings = api_settings.model_copy(update={"api_failed_lookups_per_minute": 5})
    coupon = await a_coupon(partner, (await a_game(partner))["id"])
    async with later(app, settings, partner, 0) as one:
        failed = 0
        while (await verify(one, "nonsense")).status_code == 404:
            failed += 1
        answer = await verify(one, coupon["code"])
        assert (5 <= failed <= 10, answer.status_code) == (True, 429)  # a minute may end meanwhile
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert answer.headers.get_list("ratelimit-limit") == ["5"]
        assert answer.headers.get_list("ratelimit-remaining") == ["0"]
        other = replace(one, token=token(api_settings, partner.id, "staff"))
        assert (await verify(other, coupon["code"])).status_code == 200


async def test_unknown_codes_at_once_are_limited_too(partner: Partner, app, api_settings) -> None:
    """Fifty guesses at the same moment learn no more than fifty in a row."""
    settings = api_settings.model_copy(update={"api_failed_lookups_per_minute": 5})
    async with later(app, settings, partner, 0) as one:
        answers = await asyncio.gather(*(verify(one, "nonsense") for _ in range(50)))
    learned = [answer for answer in answers if answer.status_code == 404]
    assert 5 <= len(learned) <= 10  # a minute may end meanwhile


async def test_code_of_a_closed_coupon_says_why(partner: Partner, app, api_settings) -> None:
    """Used, expired and cancelled coupons are refused, with the coupon; nothing is recorded."""
    game = await a_game(partner, coupon_validity_days=1)
    used, cancelled, over = [await a_coupon(partner, game["id"]) for _ in range(3)]
    await step(partner, used["coupon_id"], "redeem")
    await step(partner, cancelled["coupon_id"], "cancel")
    async with later(app, api_settings, partner, 24 * 3600) as tomorrow:
        for one, coupon, error_code, message in (
            (partner, used, "COUPON_ALREADY_USED", "Coupon has already been used"),
            (partner, cancelled, "OPERATION_NOT_ALLOWED", "Coupon has been cancelled"),
            (tomorrow, over, "COUPON_EXPIRED", "Coupon has expired"),
        ):
            body = (await verify(one, coupon["code"])).json()
            assert (body["code"], body["error_code"], body["message"]) == (409, error_code, message)
            assert body["details"]["coupon"]["coupon_id"] == coupon["coupon_id"]
    assert await queued(partner, over["coupon_id"]) == ["coupon.issued"]


async def test_code_reserved_elsewhere_is_not_usable_here(partner: Partner) -> None:
    """The coupon is shown as reserved; only its shop may use it."""
    coupon = await a_coupon(partner, (await a_game(partner))["id"])
    await step(partner, coupon["coupon_id"], "reserve")
    for shop_id, usable in ((partner.shop_id, True), (await a_shop(partner), False)):
        data = (await verify(partner, coupon["code"], shop_id)).json()["data"]
        assert (data["coupon"]["status"], data["usable_here"]) == ("reserved", usable)


async def test_owners_active_coupons_are_counted(partner: Partner, app, api_settings) -> None:
    """Those that can still be used, of how many games."""
    first, second = await a_game(partner), await a_game(partner, coupon_validity_days=1)
    shown, _, used, _ = [
        await a_coupon(partner, game["id"]) for game in (first, first, first, second)
    ]
    await step(partner, used["coupon_id"], "redeem")
    await a_coupon(partner, first["id"], "bela")
    data = (await verify(partner, shown["code"])).json()["data"]
    assert (data["games_count"], data["coupons_count"]) == (2, 3)
    async with later(app, api_settings, partner, 25 * 3600) as tomorrow:
        data = (await verify(tomorrow, shown["code"])).json()["data"]
    assert (data["games_count"], data["coupons_count"]) == (1, 2)


@pytest.mark.parametrize(
    "body",
    [{}, {"shop_id": 2**62}, {"code": None}, {"code": 7}, {"code": "a\0b"}],
)
async def test_verify_names_what_is_wrong(partner: Partner, body: dict[str, Any]) -> None:
    """A missing or foreign shop, a code that is no text."""
    whole = {
        "code": "0000-0000-0000-0000",
        **({} if not body else {"shop_id": partner.shop_id}),
        **body,
    }
    answer = await partner.post(f"{STAFF}/verify", whole)
    wrong = "code" if "code" in body else "shop_id"
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [wrong])


async def listed(partner: Partner, query: str = "", shop_id: int | None = None) -> list[str]:
    """Ids of the coupons on a page."""
    answer = await partner.get(f"{STAFF}?shop_id={shop_id or partner.shop_id}{query}")
    assert answer.status_code == 200, answer.text
    return [coupon["coupon_id"] for coupon in answer.json()["data"]["coupons"]]


async def test_list_is_filtered(partner: Partner, stranger: Partner, app, api_settings) -> None:
    """By status (as in effect, not as recorded), customer, game and shop; active ones unless said otherwise."""
    lasting, short = await a_game(partner), await a_game(partner, coupon_validity_days=1)
    await a_coupon(stranger, (await a_game(stranger))["id"])
    active, reserved, redeemed, cancelled = [
        (await a_coupon(partner, lasting["id"]))["coupon_id"] for _ in range(4)
    ]
    over = (await a_coupon(partner, short["id"], "bela"))["coupon_id"]
    for id, word in ((reserved, "reserve"), (redeemed, "redeem"), (cancelled, "cancel")):
        await step(partner, id, word)
    other = await a_shop(partner)
    assert await listed(partner) == await listed(partner, "&status=active") == [over, active]
    for words, ids in (
        (("reserved", "pending"), [reserved]), (("redeemed", "used"), [redeemed]),
        (("cancelled",), [cancelled]), (("expired",), []),
        (("all",), [over, cancelled, redeemed, reserved, active]),
    ):  # fmt: skip
        for word in words:
            assert await listed(partner, f"&status={word}") == ids
    assert await listed(partner, "&status=all", other) == [over, cancelled, active]
    assert await listed(partner, "&status=all&customer_id=bela") == [over]
    assert await listed(partner, f"&status=all&game_id={short['id']}") == [over]
    assert await listed(partner, "&customer_id=nobody") == []
    async with later(app, api_settings, partner, 25 * 3600) as tomorrow:
        assert await listed(tomorrow, "&status=expired") == [over]
        assert await listed(tomorrow) == [reserved, active]


async def test_list_has_pages(partner: Partner) -> None:
    """Newest first; a page beyond the end is empty, and an empty list has one page."""
    empty = (await partner.get(f"{STAFF}?shop_id={partner.shop_id}")).json()["data"]
    assert empty == {
        "coupons": [],
        "pagination": {"current_page": 1, "per_page": 20, "total": 0, "last_page": 1},
    }
    game = await a_game(partner)
    coupons = [await a_coupon(partner, game["id"]) for _ in range(5)]
    page = (await partner.get(f"{STAFF}?shop_id={partner.shop_id}&per_page=2&page=2")).json()[
        "data"
    ]
    assert page["coupons"] == [coupons[2], coupons[1]]
    assert page["pagination"] == {"current_page": 2, "per_page": 2, "total": 5, "last_page": 3}
    assert await listed(partner, "&page=4&per_page=2") == []


async def test_list_has_a_period(partner: Partner, app, api_settings) -> None:
    """Days of the partner's own zone, both ends included."""
    game = await a_game(partner)
    coupon = (await a_coupon(partner, game["id"]))["coupon_id"]
    async with later(app, api_settings, partner, 10 * 24 * 3600) as in_ten_days:
        late = (await a_coupon(in_ten_days, game["id"], "bela"))["coupon_id"]
    zone = "SELECT (now() AT TIME ZONE 'Europe/Vilnius')::date"
    today = await partner.database.fetchval(zone)
    then = await partner.database.fetchval(f"{zone} + 10")
    assert await listed(partner, f"&from={today}&to={today}") == [coupon]
    assert await listed(partner, f"&from={then}") == [late]
    assert await listed(partner, f"&from={today}&to={then}") == [late, coupon]
    assert await listed(partner, "&to=1999-12-31") == []
    assert await listed(partner, "&from=9999-12-31&to=9999-12-31") == []


WRONG = [
    ("shop_id", "shop_id="), ("shop_id", "shop_id=x"), ("shop_id", f"shop_id={2**62}"), ("shop_id", ""),
    ("status", "status=new"), ("game_id", "game_id=0"), ("customer_id", "customer_id="),
    ("customer_id", "customer_id=%00"), ("from", "from=2026-1-1"), ("to", "to=1767225600"),
    ("to", "to=2026-02-30"), ("per_page", "per_page=101"), ("page", "page=0"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "query"), WRONG)
async def test_list_names_a_wrong_parameter(partner: Partner, name: str, query: str) -> None:
    """Each with its rule; the shop is asked for and must be the partner's own."""
    whole = query if name == "shop_id" else f"shop_id={partner.shop_id}&{query}"
    answer = await partner.get(f"{STAFF}?{whole}")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [name])


async def test_list_refuses_a_foreign_shop(partner: Partner, stranger: Partner) -> None:
    """As it refuses one that does not exist."""
    answers = [
        (await partner.get(f"{STAFF}?shop_id={shop_id}")).json()["errors"]
        for shop_id in (stranger.shop_id, 2**62)
    ]
    assert answers[0] == answers[1] == {"shop_id": ["Must be the id of one of your shops"]}


async def test_preview_says_what_redeeming_would_do(partner: Partner, app, api_settings) -> None:
    """The coupon as it would be, or why not; nothing changes."""
    game = await a_game(partner, coupon_validity_days=1)
    coupon = await a_coupon(partner, game["id"])
    id = coupon["coupon_id"]
    data = (await step(partner, id, "preview")).json()["data"]
    assert (data["can_apply"], data["error_code"], data["reason"]) == (True, None, None)
    assert data["coupon"] == coupon | {
        "status": "redeemed",
        "redeemed_at": data["coupon"]["redeemed_at"],
    }
    assert data["game"]["reward_description"] == "Kava"
    async with later(app, api_settings, partner, 24 * 3600) as tomorrow:
        data = (await step(tomorrow, id, "preview")).json()["data"]
    assert (data["can_apply"], data["error_code"], data["reason"]) == (
        False, "COUPON_EXPIRED", "Coupon has expired",
    )  # fmt: skip
    await step(partner, id, "reserve")
    data = (await step(partner, id, "preview", await a_shop(partner))).json()["data"]
    assert (data["can_apply"], data["reason"]) == (
        False,
        "Coupon is already pending at another shop",
    )
    assert await queued(partner, id) == ["coupon.issued", "coupon.reserved"]


async def test_code_that_the_partner_brought_is_read_before_ours(
    partner: Partner, stranger: Partner, issuing: Pipeline
) -> None:
    """As it is written and not otherwise; ours names the same coupon, and stands beside what the customer shows."""
    shop = GroupedShop(connection=partner.database, partner_id=partner.id)
    await shop.have({"handle": "club"})
    await shop.pool("club", "Gratis 1")
    await issuing.process([shop.visit("club")])
    (row,) = await shop.in_place("club")
    ours = display(row["code"], "CLUB")
    for written in ("Gratis 1", ours, ours.lower().removeprefix("club")):
        answer = await verify(partner, written)
        assert answer.status_code == 200, written
        coupon = answer.json()["data"]["coupon"]
        assert (coupon["code"], coupon["internal_code"]) == ("Gratis 1", ours)
        assert coupon["coupon_id"] == str(row["id"])
    for written in ("gratis 1", "Gratis  1", "https://shop.example/Gratis 1"):
        assert (await verify(partner, written)).status_code == 404, written
    assert (await verify(stranger, "Gratis 1")).status_code == 404
    listed = (await partner.get(f"{STAFF}?shop_id={partner.shop_id}")).json()["data"]["coupons"]
    assert [each["code"] for each in listed] == ["Gratis 1"]
