"""Lists of games over HTTP: pages, filters and what is said of bad ones (G12, G23)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.games import a_game
from tests.api.stand import Partner
from tests.house.readme import block, console

TYPE = ["Invalid game type provided"]
BOOLEAN = ["Must be true or false"]


async def test_game_g23_list_is_paged_and_filtered(partner: Partner, stranger: Partner) -> None:
    """G12, G23: the fields of the seed, filters that combine, pages under data, only the partner's own."""
    await a_game(stranger)
    games = [
        await a_game(partner, game_type=kind, is_active=active)
        for kind, active in (("wheel", True), ("quiz", False), ("quiz", True))
    ]
    first = {name: games[0][name] for name in (
        "id", "name", "game_type", "is_active", "allow_multiple_active_coupons", "coupon_validity_days", "created_at",
    )}  # fmt: skip
    whole = (await partner.get("/games")).json()
    assert (whole["success"], whole["code"], "message" in whole) == (True, 200, False)
    assert whole["data"]["pagination"] == {
        "current_page": 1,
        "per_page": 20,
        "total": 3,
        "last_page": 1,
    }
    assert whole["data"]["games"][0] == first | {"total_players": 0}
    for query, places in (
        ("active=true", [0, 2]), ("active=0", [1]), ("game_type=quiz", [1, 2]),
        ("game_type=quiz&active=true", [2]), ("game_type=memory", []),
        ("per_page=2", [0, 1]), ("per_page=2&page=2", [2]), ("page=9", []), ("page=9007199254740991", []),
    ):  # fmt: skip
        listed = (await partner.get(f"/games?{query}")).json()["data"]
        assert [game["id"] for game in listed["games"]] == [
            games[place]["id"] for place in places
        ], query
    two = (await partner.get("/games?per_page=2&page=2")).json()["data"]["pagination"]
    assert two == {"current_page": 2, "per_page": 2, "total": 3, "last_page": 2}
    empty = (await partner.get("/games?game_type=memory")).json()["data"]["pagination"]
    assert empty == {"current_page": 1, "per_page": 20, "total": 0, "last_page": 1}


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        pytest.param(
            "per_page=101", {"per_page": ["Must be between 1 and 100"]}, id="G12-per_page-101"
        ),
        pytest.param(
            "per_page=0", {"per_page": ["Must be between 1 and 100"]}, id="G12-per_page-0"
        ),
        pytest.param(
            "per_page=ten", {"per_page": ["Must be between 1 and 100"]}, id="G12-per_page-ten"
        ),
        pytest.param("page=0", {"page": ["Must be a number from 1 up"]}, id="G12-page-0"),
        pytest.param("page=1.5", {"page": ["Must be a number from 1 up"]}, id="G12-page-1.5"),
        pytest.param("page=-1", {"page": ["Must be a number from 1 up"]}, id="G12-page-minus"),
        pytest.param("active=yes", {"active": BOOLEAN}, id="G12-active-yes"),
        pytest.param("game_type=dice", {"game_type": TYPE}, id="G12-game_type-dice"),
    ],
)
async def test_game_g12_list_refuses_bad_queries(partner: Partner, query: str, errors: Any) -> None:
    """G12: out of range is 422, never clamped; the parameter is named."""
    answer = await partner.get(f"/games?{query}")
    assert (answer.status_code, answer.json()["errors"]) == (422, errors)


async def test_readme_shows_a_real_answer(partner: Partner) -> None:
    """What the README shows below curl is what the games of its file give; only ids, times and counters are a run's own."""
    shown = json.loads(console('curl -s -H "Authorization: Bearer $token" $API/en/partners/games'))
    (entry,) = json.loads(block("games.json"))
    game = await a_game(partner, **{name: entry[name] for name in entry if name != "partner_id"})
    answer = (await partner.get("/games")).json()
    (example,) = shown["data"]["games"]
    own = {"id": game["id"], "created_at": game["created_at"], "total_players": 0}
    assert answer == shown | {"data": shown["data"] | {"games": [example | own]}}
