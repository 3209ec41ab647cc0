"""Cards over HTTP, a row per requirement (K01–K18 of the seed's table; K15 is in test_access)."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from tests.api.games import a_coupon, a_game
from tests.api.stand import Partner

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").fullmatch
WHOLE: dict[str, Any] = {
    "title": {"en": "Coffee card", "lt": "Kavos kortelė"},
    "description": {"en": "For regulars", "lt": "Nuolatiniams"},
    "terms_conditions": {"en": "No cash", "lt": "Be grynųjų"},
    "card_design": {},
}
DEFAULTS: dict[str, Any] = {
    "is_active": True,
    "auto_assign": True,
    "points_enabled": True,
    "shop_ids": [],
}
UNSET = (
    "initial_bonus_points", "points_expiration_days", "points_per_currency", "currency_amount", "round_points_up",
    "min_points_per_purchase", "max_points_per_purchase", "points_per_visit", "points_redemption_enabled",
    "points_per_currency_redemption", "currency_amount_redemption", "min_points_for_redemption",
    "max_points_per_redemption", "default_coupon_validity_days",
)  # fmt: skip
DESIGN = (
    "logo", "background_image", "text_color", "text_color_labels", "qr_background_color", "qr_color",
    "background_color", "background_color_opacity",
)  # fmt: skip
VALIDITY = ["The default coupon validity days field must be between 1 and 3650."]
POINTS = ["Must be a whole number between 0 and 2147483647"]
POINTS_OR_NULL = ["Must be a whole number between 0 and 2147483647, or null"]
RATE = ["Must be a number above 0"]
BOOLEAN = ["Must be true or false"]
COLOUR = ["Must be a colour written #RRGGBB"]
IMAGE = ["Must be an image as a data URI in base64, up to 1048576 bytes"]


def image(size: int) -> str:
    """A data URI that holds so many bytes."""
    return "data:image/png;base64," + base64.b64encode(b"\x89" * size).decode()


def case(requirement: str, field: str, value: Any, *expected: Any) -> Any:
    """A row, named for the requirement it tests."""
    return pytest.param(field, value, *expected, id=f"{requirement}-{field}-{str(value)[:20]}")


async def a_card(partner: Partner, **changes: Any) -> int:
    """A new card's id."""
    answer = await partner.post("/cards", WHOLE | changes)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["data"]["id"])


async def shown(partner: Partner, card_id: int) -> dict[str, Any]:
    """The card as it is shown."""
    data: dict[str, Any] = (await partner.get(f"/cards/{card_id}")).json()["data"]
    return data


async def test_card_k08_is_created(partner: Partner) -> None:
    """K02, K08: 201 and some of the fields; times have no decimals; no deprecation where nothing is deprecated."""
    answer = await partner.post("/cards", WHOLE | {"unknown": 1})
    body = answer.json()
    card = body.pop("data")
    assert answer.status_code == 201
    assert body == {"success": True, "code": 201, "message": "Partner card created successfully"}
    assert card == {
        "id": card["id"], "title": WHOLE["title"], "description": WHOLE["description"], "is_active": True,
        "default_coupon_validity_days": None, "created_at": card["created_at"], "updated_at": card["created_at"],
    }  # fmt: skip
    assert INSTANT(card["created_at"])
    assert "deprecation" not in answer.headers


async def test_card_k10_is_shown_whole(partner: Partner) -> None:
    """K05, K06, K10: every field with its default, and its times."""
    answer = await partner.get(f"/cards/{await a_card(partner)}")
    body = answer.json()
    card = body.pop("data")
    assert body == {"success": True, "code": 200, "message": "Partner card retrieved successfully"}
    assert card == {
        "id": card["id"], **WHOLE, **DEFAULTS, **dict.fromkeys(UNSET), "card_design": dict.fromkeys(DESIGN),
        "created_at": card["created_at"], "updated_at": card["updated_at"],
    }  # fmt: skip


async def test_card_k09_update_merges(partner: Partner) -> None:
    """K09: every field is optional, one language of the title too; the answer shows some fields."""
    card_id = await a_card(partner, card_design={"text_color": "#FFFFFF"})
    before = await shown(partner, card_id)
    answer = await partner.put(
        f"/cards/{card_id}", {"title": {"en": "Tea card"}, "card_design": {"qr_color": "#000000"}}
    )
    title = {"en": "Tea card", "lt": "Kavos kortelė"}
    assert answer.json() == {
        "success": True, "code": 200, "message": "Partner card updated successfully",
        "data": {
            "id": card_id, "title": title, "default_coupon_validity_days": None,
            "updated_at": answer.json()["data"]["updated_at"],
        },
    }  # fmt: skip
    after = await shown(partner, card_id)
    assert after == before | {
        "title": title, "card_design": before["card_design"] | {"qr_color": "#000000"}, "updated_at": after["updated_at"],
    }  # fmt: skip
    assert (await partner.put(f"/cards/{card_id}", {})).status_code == 200


ACCEPTED = [
    case("K03", "title", {"en": "E" * 255, "lt": "ž" * 255}),
    case("K03", "description", {}),
    case("K05", "auto_assign", False),
    case("K06", "initial_bonus_points", 100),
    case("K06", "points_expiration_days", None),
    case("K06", "round_points_up", True),
    case("K06", "max_points_per_purchase", None),
    case("K07", "points_per_currency", 0.01),
    case("K07", "currency_amount", 1),
    case("K07", "default_coupon_validity_days", 1),
    case("K07", "default_coupon_validity_days", 3650),
    case("K07", "default_coupon_validity_days", None),
]
REFUSED = [
    *(case("K03", field, None, {field: [f"The {field} field is required."]})
      for field in ("description", "terms_conditions", "card_design")),
    case("K13", "title", {"lt": "Kortelė"}, {"title.en": ["The title.en field is required."]}),
    case("K13", "title", {"lt": "Kortelė", "en": ""}, {"title.en": ["The title.en field is required."]}),
    case("K13", "title", {"lt": " ", "en": "Card"}, {"title.lt": ["The title.lt field is required."]}),
    case("K13", "title", {"en": "Card", "lt": None}, {"title.lt": ["The title.lt field is required."]}),
    case("K13", "title", None, {f"title.{language}": [f"The title.{language} field is required."] for language in ("en", "lt")}),
    case("K03", "title", {"en": "E" * 256, "lt": "ž" * 256}, {f"title.{language}": ["Must be between 1 and 255 characters"] for language in ("en", "lt")}),
    case("K03", "title", "Card", {"title": ["Must be an object of texts by language"]}),
    case("K03", "description", ["x"], {"description": ["Must be an object of texts by language, each up to 10000 characters"]}),
    *(case("K03", "description", texts, {"description": ["Must be an object of texts by language, each up to 10000 characters"]})
      for texts in ({"": "x"}, {" ": "x"}, {"en": None})),
    case("K03", "description", {"en": 7}, {"description": ["Must be an object of texts by language, each up to 10000 characters"]}),
    case("K03", "card_design", "x", {"card_design": ["Must be an object"]}),
    *(case("K04", "card_design", {field: value}, {f"card_design.{field}": texts}) for field, value, texts in (
        ("text_color", "red", COLOUR), ("qr_color", "#12345", COLOUR), ("background_color", "#12345g", COLOUR),
        ("background_color_opacity", 1.1, ["Must be a number between 0 and 1"]),
        ("background_color_opacity", -0.1, ["Must be a number between 0 and 1"]),
        ("background_color_opacity", "0.8", ["Must be a number between 0 and 1"]),
        ("logo", "https://example.com/logo.png", IMAGE), ("logo", "data:image/png;base64,", IMAGE),
        ("background_image", "data:text/html;base64,PGI+", IMAGE), ("background_image", image(1024 * 1024 + 1), IMAGE),
    )),
    *(case("K05", field, value, {field: BOOLEAN}) for field in ("is_active", "auto_assign", "points_enabled") for value in (None, 1)),
    *(case("K06", field, value, {field: POINTS})
      for field in ("initial_bonus_points", "min_points_per_purchase", "points_per_visit", "min_points_for_redemption")
      for value in (-1, 1.5, "5")),
    *(case("K06", field, -1, {field: POINTS_OR_NULL})
      for field in ("points_expiration_days", "max_points_per_purchase", "max_points_per_redemption")),
    *(case("K07", field, value, {field: RATE})
      for field in ("points_per_currency", "currency_amount", "points_per_currency_redemption", "currency_amount_redemption")
      for value in (0, -1, "2", True)),
    case("K07", "shop_ids", [1, "2"], {"shop_ids.1": ["Must be a shop id"]}),
    case("K07", "shop_ids", 1, {"shop_ids": ["Must be a list of shop ids"]}),
    *(case("K13", "default_coupon_validity_days", days, {"default_coupon_validity_days": VALIDITY})
      for days in (0, -1, 3651, 1.5, "30", True)),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), ACCEPTED)
async def test_card_field_is_taken(partner: Partner, field: str, value: Any) -> None:
    """A value at the edge of its rule is stored and shown."""
    assert (await shown(partner, await a_card(partner, **{field: value})))[field] == value


@pytest.mark.parametrize(("field", "value", "errors"), REFUSED)
async def test_card_field_is_refused(partner: Partner, field: str, value: Any, errors: Any) -> None:
    """K13: a value beyond its rule is 422 and named by its dotted path; nothing is stored."""
    answer = await partner.post("/cards", WHOLE | {field: value})
    body = answer.json()
    assert body.pop("request_id")
    assert (answer.status_code, body) == (
        422, {"success": False, "code": 422, "message": "Validation failed", "errors": errors},
    )  # fmt: skip
    assert (await partner.get("/cards")).json()["data"] == []


async def test_card_k04_keeps_images_up_to_a_mebibyte(partner: Partner) -> None:
    """K04: two images of the largest size fit into one body."""
    images = {"logo": image(1024 * 1024), "background_image": image(1024 * 1024)}
    card_id = await a_card(partner, card_design=images | {"background_color_opacity": 0.8})
    design = (await shown(partner, card_id))["card_design"]
    assert {name: design[name] for name in images} == images
    assert design["background_color_opacity"] == 0.8


@pytest.mark.parametrize(
    ("least", "most"),
    [
        pytest.param("min_points_per_purchase", "max_points_per_purchase", id="K18-purchase"),
        pytest.param("min_points_for_redemption", "max_points_per_redemption", id="K18-redemption"),
    ],
)
async def test_card_k18_limits_fit_each_other(partner: Partner, least: str, most: str) -> None:
    """K18: min ≤ max, reported on the max field, also when an update brings only one of them."""
    errors = {most: [f"Must not be less than {least}"]}
    answer = await partner.post("/cards", WHOLE | {least: 5, most: 4})
    assert (answer.status_code, answer.json()["errors"]) == (422, errors)
    card_id = await a_card(partner, **{least: 5, most: 5})
    assert (await partner.put(f"/cards/{card_id}", {least: 6})).json()["errors"] == errors


async def test_card_k07_knows_its_shops(partner: Partner, stranger: Partner) -> None:
    """K07: the partner's own shops are taken; unknown ones and those of others are named alike."""
    card_id = await a_card(partner, shop_ids=[partner.shop_id])
    for unknown in (stranger.shop_id, 2**62):
        errors = {"shop_ids.1": [f"Shop {unknown} does not exist"]}
        shop_ids = {"shop_ids": [partner.shop_id, unknown]}
        assert (await partner.post("/cards", WHOLE | shop_ids)).json()["errors"] == errors
        assert (await partner.put(f"/cards/{card_id}", shop_ids)).json()["errors"] == errors


async def test_card_k11_list_is_paged_and_filtered(partner: Partner, stranger: Partner) -> None:
    """K11: an array of some fields, pagination beside it, filters by state and shop, only the partner's own."""
    await a_card(stranger)
    ids = [
        await a_card(partner),
        await a_card(partner, is_active=False),
        await a_card(partner, shop_ids=[partner.shop_id]),
    ]
    whole = (await partner.get("/cards")).json()
    assert whole["message"] == "Partner cards retrieved successfully"
    assert whole["pagination"] == {"current_page": 1, "per_page": 20, "total": 3, "last_page": 1}
    assert whole["data"][0] == {
        "id": ids[0], "title": WHOLE["title"], "is_active": True, "default_coupon_validity_days": None,
        "created_at": whole["data"][0]["created_at"], "updated_at": whole["data"][0]["updated_at"],
    }  # fmt: skip
    for query, places in (
        ("is_active=true", [0, 2]), ("is_active=false", [1]), (f"shop_id={partner.shop_id}", [2]),
        (f"shop_id={stranger.shop_id}", []), ("per_page=2&page=2", [2]), ("page=7", []),
    ):  # fmt: skip
        listed = (await partner.get(f"/cards?{query}")).json()["data"]
        assert [card["id"] for card in listed] == [ids[place] for place in places], query
    for query in ("per_page=101", "per_page=0", "page=0", "is_active=yes", "shop_id=abc"):
        answer = await partner.get(f"/cards?{query}")
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [query.split("=")[0]])


async def test_card_k12_is_deleted_softly(partner: Partner) -> None:
    """K12: it reads as if it had never been there, its row stays, and issued coupons are untouched."""
    card_id = await a_card(partner)
    coupon_id = await a_coupon(partner, (await a_game(partner))["id"])
    answer = await partner.ask("DELETE", f"/cards/{card_id}")
    assert answer.json() == {
        "success": True,
        "code": 200,
        "message": "Partner card deleted successfully",
    }
    for gone in (
        await partner.get(f"/cards/{card_id}"),
        await partner.put(f"/cards/{card_id}", {"is_active": True}),
        await partner.ask("DELETE", f"/cards/{card_id}"),
    ):
        assert (gone.status_code, gone.json()["message"]) == (404, "Partner card not found")
    assert (await partner.get("/cards")).json()["data"] == []
    assert await partner.database.fetchval(
        "SELECT deleted_at IS NOT NULL FROM cards WHERE id = $1", card_id
    )
    assert (
        await partner.database.fetchval("SELECT status FROM coupons WHERE id = $1", coupon_id)
        == "active"
    )


async def test_card_k14_of_another_partner_is_unknown(partner: Partner, stranger: Partner) -> None:
    """K14: the same 404 for what does not exist, for what is another partner's, and for what is no id."""
    card_id = await a_card(stranger)
    for path in (f"/cards/{card_id}", f"/cards/{2**62}", "/cards/abc", "/cards/0"):
        for method, body in (("GET", None), ("PUT", {}), ("DELETE", None)):
            answer = await partner.ask(method, path, body)
            told = answer.json()
            assert told.pop("request_id")
            assert told == {"success": False, "code": 404, "message": "Partner card not found"}
            assert answer.status_code == 404
    assert (await stranger.get(f"/cards/{card_id}")).status_code == 200


async def test_card_k16_validity_is_deprecated(partner: Partner) -> None:
    """K16, K17: accepted, stored, returned, and marked wherever it is set."""
    created = await partner.post("/cards", WHOLE | {"default_coupon_validity_days": 30})
    card = created.json()["data"]
    assert card["default_coupon_validity_days"] == 30
    path = f"/cards/{card['id']}"
    for answer in (
        created,
        await partner.get(path),
        await partner.put(path, {}),
        await partner.get("/cards"),
    ):
        assert answer.headers["deprecation"] == "@1767225600"
    cleared = await partner.put(path, {"default_coupon_validity_days": None})
    assert "deprecation" not in cleared.headers


async def test_card_read_and_put_back_is_the_same(partner: Partner) -> None:
    """Nothing but the instant of its last change."""
    for changes in (
        {},
        {"shop_ids": [partner.shop_id], "points_per_currency": 1.5, "is_active": False},
    ):
        card_id = await a_card(partner, **changes)
        before = await shown(partner, card_id)
        answer = await partner.put(f"/cards/{card_id}", before)
        assert answer.status_code == 200, answer.text
        assert {**await shown(partner, card_id), "updated_at": ""} == {**before, "updated_at": ""}
