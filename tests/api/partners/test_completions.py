"""Completions that are told over HTTP: queued for their topic, once, as strictly as it reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.gameball_v4.test_events import queued
from tests.api.games import a_game
from tests.api.stand import Partner

ANNA: dict[str, Any] = {"customer_id": "anna"}


async def path_of(partner: Partner) -> str:
    """Of a game's completions."""
    return f"/games/{(await a_game(partner))['id']}/completions"


async def test_completion_that_is_told_is_queued(partner: Partner) -> None:
    """With all that was said of it, keyed by the customer."""
    path = await path_of(partner)
    told = {"customer_id": "anna", "session_id": "s", "result": "lost", "score": 1.5}
    answer = await partner.post(path, told)
    (row,) = await queued(partner)
    assert (answer.status_code, answer.json()["data"]) == (202, {"eventId": row["ce_id"]})
    assert (row["topic"], row["ce_type"], row["key"]) == (
        "game-completed",
        "game.completed",
        "anna",
    )
    game_id = int(path.split("/")[2])
    assert json.loads(row["value"]) == {"partner_id": partner.id, "game_id": game_id, **told}


async def test_completion_that_is_told_again_is_one(partner: Partner) -> None:
    """By its key, which is the event's id."""
    path = await path_of(partner)
    for _ in range(2):
        answer = await partner.post(path, ANNA, headers={"Idempotency-Key": "play-1"})
        assert (answer.status_code, answer.json()["data"]) == (202, {"eventId": "play-1"})
    assert len(await queued(partner)) == 1


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("customer_id", None),
        ("customer_id", " anna"),
        ("customer_id", 5),
        ("session_id", 5),
        ("session_id", "\0"),
        ("result", "drawn"),
        ("result", None),
        ("score", "1"),
    ],
)
async def test_completion_that_is_told_wrongly_is_not_queued(
    partner: Partner, field: str, wrong: Any
) -> None:
    """Its field is named."""
    answer = await partner.post(await path_of(partner), ANNA | {field: wrong})
    assert (answer.status_code, answer.json()["errors"].keys()) == (422, {field})
    assert await queued(partner) == []


async def test_completion_of_a_game_of_another_is_not_found(
    partner: Partner, stranger: Partner
) -> None:
    """Nor of one that there is not; nothing is queued."""
    for path in (await path_of(stranger), "/games/999999999/completions"):
        assert (await partner.post(path, ANNA)).status_code == 404
    assert await queued(partner) == []
