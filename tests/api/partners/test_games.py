"""Games over HTTP, a row per requirement (G01–G26 of the seed's table; G13–G18 and G30 are the issuer's)."""

from __future__ import annotations

import re
from typing import Any

import asyncpg
import httpx
import pytest

from services.runtime.settings import Settings
from tests.api.games import WHOLE, a_coupon, a_game
from tests.api.stand import Partner, a_tenant

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z").fullmatch
TYPE = ["Invalid game type provided"]
VALIDITY = ["Must be between 1 and 3650 days"]
BOOLEAN = ["Must be true or false"]


def case(requirement: str, field: str, value: Any, *expected: Any) -> Any:
    """A row, named for the requirement it tests."""
    return pytest.param(field, value, *expected, id=f"{requirement}-{field}-{str(value)[:20]}")


ACCEPTED = [
    *(
        case("G02", "game_type", kind, kind)
        for kind in ("stamps", "wheel", "collection", "quiz", "memory", "scratch")
    ),
    case("G03", "name", "ąčę", "ąčę"),
    case("G03", "name", "ž" * 255, "ž" * 255),
    case("G04", "description", "ė" * 10, "ė" * 10),
    case("G04", "description", "ė" * 10_000, "ė" * 10_000),
    case("G05", "reward_description", "šįū", "šįū"),
    case("G05", "reward_description", "š" * 1_000, "š" * 1_000),
    case("G06", "is_active", False, False),
    case("G07", "allow_multiple_active_coupons", False, False),
    case("G08", "coupon_validity_days", 1, 1),
    case("G08", "coupon_validity_days", 3650, 3650),
    case("G08", "coupon_validity_days", None, None),
    case("G09", "product_ids", [], []),
    case("G09", "product_ids", None, []),
    case("G10", "end_date", None, None),
    case("caps", "stamps_required", 100, 100),
    case("caps", "customer_limit", 1, 1),
    case("caps", "customer_limit_per_day", 2, 2),
    case("caps", "customer_limit_per_week", 3, 3),
    case("caps", "customer_limit_per_month", None, None),
    case("caps", "total_limit", 2_147_483_647, 2_147_483_647),
    case("caps", "code_prefix", "SUMMER26", "SUMMER26"),
]
REFUSED = [
    *(case("G02", "game_type", kind, TYPE) for kind in ("Stamps", "", "dice", 7)),
    case("G02", "game_type", None, ["The game_type field is required."]),
    *(case("G03", "name", name, ["Must be between 3 and 255 characters"]) for name in ("ąč", "ž" * 256, "  ąč  ", 7)),
    *(case("G04", "description", text, ["Must be between 10 and 10000 characters"]) for text in ("ė" * 9, "ė" * 10_001)),
    *(case("G05", "reward_description", text, ["Must be between 3 and 1000 characters"]) for text in ("šį", "š" * 1_001)),
    *(case("G06", "is_active", value, BOOLEAN) for value in (None, "true", 1)),
    *(case("G07", "allow_multiple_active_coupons", value, BOOLEAN) for value in (None, 0)),
    *(case("G08", "coupon_validity_days", days, VALIDITY) for days in (0, -1, 3651, 1.5, "30", True)),
    case("G09", "product_ids", "7", ["Must be a list of product ids"]),
    *(case("G10", "start_date", day, ["Must be a date between 1970-01-01 and 9998-12-31, written YYYY-MM-DD"])
      for day in ("2026-2-3", "2026-02-30", "soon", "2026-02-03T00:00:00", "2026-02-30T00:00:00Z", 20260203)),
    *(case("caps", field, value, ["Must be between 1 and 2147483647, or null"])
      for field in ("customer_limit", "customer_limit_per_day", "customer_limit_per_week", "customer_limit_per_month",
                    "total_limit") for value in (0, 1.5, "5", True)),
    case("caps", "code_prefix", "summer", ["Must be up to 12 characters of A-Z and 0-9"]),
]  # fmt: skip


async def test_game_g20_is_created(partner: Partner) -> None:
    """G06–G10, G20, G21: 201, the defaults, and every field in the order of the seed."""
    answer = await partner.post("/games", WHOLE | {"unknown": 1, "id": 5, "partner_id": 1})
    body = answer.json()
    game = body.pop("data")
    assert answer.status_code == 201
    assert body == {"success": True, "code": 201, "message": "Game created successfully"}
    assert game == {
        "id": game["id"], **WHOLE, "is_active": True, "allow_multiple_active_coupons": True,
        "coupon_validity_days": None, "product_ids": [], "start_date": None, "end_date": None,
        "stamps_required": 10, "customer_limit": None, "customer_limit_per_day": None,
        "customer_limit_per_week": None, "customer_limit_per_month": None, "total_limit": None, "code_prefix": "",
        "created_at": game["created_at"], "updated_at": game["created_at"],
    }  # fmt: skip
    assert INSTANT(game["created_at"])


@pytest.mark.parametrize(("field", "value", "shown"), ACCEPTED)
async def test_game_field_is_taken(partner: Partner, field: str, value: Any, shown: Any) -> None:
    """A value at the edge of its rule is stored and shown."""
    game = await a_game(partner, **{field: value})
    assert (await partner.get(f"/games/{game['id']}")).json()["data"][field] == shown


@pytest.mark.parametrize(("field", "value", "texts"), REFUSED)
async def test_game_field_is_refused(partner: Partner, field: str, value: Any, texts: Any) -> None:
    """G25: a value beyond its rule is 422 and named, on create and on update; nothing is stored."""
    game = await a_game(partner)
    for answer in (
        await partner.post("/games", WHOLE | {field: value}),
        await partner.put(f"/games/{game['id']}", {field: value}),
    ):
        body = answer.json()
        assert answer.status_code == 422
        assert body.pop("request_id")
        assert body == {
            "success": False, "code": 422, "message": "Validation failed", "errors": {field: texts},
        }  # fmt: skip
    assert (await partner.get("/games")).json()["data"]["pagination"]["total"] == 1


async def test_game_g25_names_every_wrong_field(partner: Partner) -> None:
    """G25 as in the seed, and every required field of an empty body."""
    wrong = WHOLE | {"coupon_validity_days": 5000, "game_type": "dice"}
    assert (await partner.post("/games", wrong)).json()["errors"] == {
        "coupon_validity_days": VALIDITY, "game_type": TYPE,
    }  # fmt: skip
    assert (await partner.post("/games", {})).json()["errors"] == {
        field: [f"The {field} field is required."] for field in WHOLE
    }


async def test_game_g09_knows_its_products(partner: Partner, stranger: Partner) -> None:
    """G09: the partner's own products are taken; unknown ones and those of others are named alike."""
    own = (await partner.post("/products", {"name": "Kava"})).json()["data"]["id"]
    foreign = (await stranger.post("/products", {"name": "Kava"})).json()["data"]["id"]
    assert (await a_game(partner, product_ids=[own]))["product_ids"] == [own]
    for unknown in (foreign, 2**62):
        answer = await partner.post("/games", WHOLE | {"product_ids": [own, unknown]})
        assert answer.status_code == 422
        assert answer.json()["errors"] == {"product_ids.1": [f"Product {unknown} does not exist"]}


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        pytest.param(
            "UTC", "2026-05-01T00:00:00.000000Z", "2026-05-31T23:59:59.000000Z", id="G21-UTC"
        ),
        pytest.param(
            "Europe/Vilnius",
            "2026-04-30T21:00:00.000000Z",
            "2026-05-31T20:59:59.000000Z",
            id="G21-Vilnius",
        ),
        pytest.param(
            "America/New_York",
            "2026-05-01T04:00:00.000000Z",
            "2026-06-01T03:59:59.000000Z",
            id="G21-New-York",
        ),
    ],
)
async def test_game_g21_dates_are_instants(
    api_settings: Settings,
    http: httpx.AsyncClient,
    partner: Partner,
    zone: str,
    start: str,
    end: str,
) -> None:
    """G21: dates are shown as the first and last second of those days where the partner is."""
    there = await a_tenant(api_settings, http, partner.database, zone)
    game = await a_game(there, start_date="2026-05-01", end_date="2026-05-31")
    assert (game["start_date"], game["end_date"]) == (start, end)


async def test_game_g10_dates_are_checked_against_what_is_stored(partner: Partner) -> None:
    """G10: the end must be after the start, also when an update brings only one of them."""
    late = ["Must be after start_date"]
    for start, end in (("2026-05-01", "2026-05-01"), ("2026-05-02", "2026-05-01")):
        answer = await partner.post("/games", WHOLE | {"start_date": start, "end_date": end})
        assert answer.json()["errors"] == {"end_date": late}
    game = await a_game(partner, end_date="2026-05-10")
    path = f"/games/{game['id']}"
    assert (await partner.put(path, {"start_date": "2026-05-10"})).json()["errors"] == {
        "end_date": late
    }
    assert (await partner.put(path, {"start_date": "2026-05-09"})).status_code == 200
    assert (await partner.put(path, {"end_date": "2026-05-09"})).json()["errors"] == {
        "end_date": late
    }
    assert (await partner.put(path, {"end_date": None})).json()["data"]["end_date"] is None


async def test_game_g22_is_shown_with_counters(partner: Partner) -> None:
    """G22: what was created, three counters, and no message."""
    game = await a_game(partner)
    answer = await partner.get(f"/games/{game['id']}")
    assert answer.json() == {
        "success": True, "code": 200,
        "data": game | {"total_players": 0, "active_sessions": 0, "completed_sessions": 0},
    }  # fmt: skip


async def test_game_g24_update_merges(partner: Partner) -> None:
    """G24: an update leaves what it does not name, answers with all of it, and null is a value."""
    game = await a_game(partner, coupon_validity_days=30, start_date="2026-05-01")
    path = f"/games/{game['id']}"
    answer = await partner.put(path, {"name": "Kitas ratas", "coupon_validity_days": None})
    body = answer.json()
    changed = body.pop("data")
    assert (answer.status_code, body) == (
        200, {"success": True, "code": 200, "message": "Game updated successfully"},
    )  # fmt: skip
    assert changed == game | {
        "name": "Kitas ratas", "coupon_validity_days": None, "updated_at": changed["updated_at"],
    }  # fmt: skip
    assert changed["updated_at"] > game["updated_at"]
    for field in WHOLE:
        refused = await partner.put(path, {field: None})
        assert refused.json()["errors"] == {field: [f"The {field} field is required."]}


async def test_game_change_raises_its_version_and_is_audited(partner: Partner) -> None:
    """A change makes a version, which decisions store, and an entry in the audit trail; an idle update neither."""
    game = await a_game(partner)
    for name in ("Kitas ratas", "Kitas ratas"):
        await partner.put(f"/games/{game['id']}", {"name": name}, headers={"x-request-id": "r-1"})
    versions = await partner.database.fetch(
        "SELECT version, rules ->> 'name' FROM game_versions WHERE game_id = $1 ORDER BY version",
        game["id"],
    )
    assert [tuple(row) for row in versions] == [(1, WHOLE["name"]), (2, "Kitas ratas")]
    trail = await partner.database.fetch(
        "SELECT actor, request_id, action, before, after FROM audit_log WHERE partner_id = $1 ORDER BY id",
        partner.id,
    )
    assert [row["action"] for row in trail] == ["game.created", "game.updated"]
    assert tuple(trail[1]) == (
        "api", "r-1", "game.updated", '{"name": "Laimės ratas"}', '{"name": "Kitas ratas"}',
    )  # fmt: skip


async def test_game_caps_can_be_changed(partner: Partner) -> None:
    """A new total limit is shared out anew, less what was issued; null takes a limit away."""
    game = await a_game(partner, total_limit=50)
    await a_coupon(partner, game["id"])
    quota = "SELECT sum(q.remaining) FROM game_quota q JOIN games g ON g.id = q.game_id AND g.quota_epoch = q.epoch WHERE g.id = $1"
    for limit, left in ((5, 4), (1, 0), (None, None)):
        changed = await partner.put(f"/games/{game['id']}", {"total_limit": limit})
        assert changed.json()["data"]["total_limit"] == limit
        assert await partner.database.fetchval(quota, game["id"]) == left


async def test_game_of_another_partner_is_unknown(partner: Partner, stranger: Partner) -> None:
    """G01: neither shown nor changed, in the words used for what does not exist."""
    game = await a_game(stranger)
    for answer in (
        await partner.get(f"/games/{game['id']}"),
        await partner.put(f"/games/{game['id']}", {"name": "Mine now"}),
        await partner.get(f"/games/{2**62}"),
        await partner.put("/games/999999999", {}),
        await partner.get("/games/abc"),
        await partner.get("/games/-1"),
        await partner.get("/games/99999999999999999999"),
    ):
        assert (answer.status_code, answer.json()["message"]) == (404, "Game not found")


async def test_game_g11_has_no_delete(partner: Partner) -> None:
    """G11: games are not deleted; the answer says which methods there are."""
    game = await a_game(partner)
    answer = await partner.ask("DELETE", f"/games/{game['id']}")
    assert (answer.status_code, answer.json()["code"]) == (405, 405)
    assert "PUT" in answer.headers["allow"]


@pytest.mark.parametrize(
    "zone",
    ["Europe/Vilnius", "UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/Sao_Paulo", "Asia/Kolkata",
     "Africa/Cairo", "Australia/Lord_Howe"],
)  # fmt: skip
async def test_game_read_and_put_back_is_the_same(
    api_settings: Settings, http: httpx.AsyncClient, database: asyncpg.Connection, zone: str
) -> None:
    """The instants that stand for its days are the days they lie in there: nothing drifts, no version is made."""
    partner = await a_tenant(api_settings, http, database, zone)
    for start, end in (
        ("2026-03-28", "2026-03-30"), ("2018-11-03", "2018-11-04"), ("1970-01-01", "9998-12-31"), (None, "2026-10-25"),
    ):  # fmt: skip
        created = await partner.post("/games", WHOLE | {"start_date": start, "end_date": end})
        assert created.status_code == 201, created.text
        shown = (await partner.get(f"/games/{created.json()['data']['id']}")).json()["data"]
        for _ in range(2):
            again = await partner.put(f"/games/{shown['id']}", shown)
            assert again.status_code == 200, again.text
        assert (await partner.get(f"/games/{shown['id']}")).json()["data"] == shown
        stored = await database.fetchrow("SELECT * FROM games WHERE id = $1", shown["id"])
        assert stored is not None
        assert [stored[name] and str(stored[name]) for name in ("start_date", "end_date")] == [
            start,
            end,
        ]
        assert stored["version"] == 1
        copied = await partner.post("/games", shown)
        assert {
            n: v for n, v in copied.json()["data"].items() if n in ("start_date", "end_date")
        } == {n: shown[n] for n in ("start_date", "end_date")}


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("Pacific/Apia", "2011-12-30", None),
        ("Pacific/Apia", "2011-12-29", "2011-12-30"),
        ("Pacific/Apia", "2011-12-30", "2011-12-31"),
        ("Pacific/Kwajalein", None, "1993-08-21"),
    ],
)
async def test_game_put_back_keeps_a_day_that_its_zone_has_skipped(
    api_settings: Settings,
    http: httpx.AsyncClient,
    database: asyncpg.Connection,
    zone: str,
    start: str | None,
    end: str | None,
) -> None:
    """No instant lies in such a day; that it was shown for it is enough."""
    partner = await a_tenant(api_settings, http, database, zone)
    created = await partner.post("/games", WHOLE | {"start_date": start, "end_date": end})
    shown = (await partner.get(f"/games/{created.json()['data']['id']}")).json()["data"]
    again = await partner.put(f"/games/{shown['id']}", shown)
    assert again.status_code == 200, again.text
    assert (await partner.get(f"/games/{shown['id']}")).json()["data"] == shown


async def test_game_of_a_zone_that_is_not_installed_is_to_be_asked_for_again(
    partner: Partner,
) -> None:
    """That is for us to mend, so it is 503 and no 500; what needs no zone is answered."""
    dated = await a_game(partner, start_date="2026-05-01")
    free = await a_game(partner)
    await partner.database.execute(
        "UPDATE partners SET time_zone = 'Mars/Olympus' WHERE id = $1", partner.id
    )
    by_hand = {"customer_id": "jonas", "reason": "Kava buvo šalta"}
    for answer in (
        await partner.get(f"/games/{dated['id']}"),
        await partner.put(f"/games/{dated['id']}", {"name": "Kitas ratas"}),
        await partner.post("/games", WHOLE | {"start_date": "2026-05-01T00:00:00Z"}),
        await partner.post("/staff/coupons", by_hand | {"game_id": dated["id"]}),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), answer.text
    assert (await partner.get(f"/games/{free['id']}")).status_code == 200
    assert (await partner.get("/games")).status_code == 200
    issued = await partner.post("/staff/coupons", by_hand | {"game_id": free["id"]})
    assert issued.status_code == 201
