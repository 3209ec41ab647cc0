"""`Idempotency-Key`: a request that is sent again gets the answer it got, and does nothing again."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.api.games import WHOLE
from tests.api.stand import Partner


async def games(partner: Partner) -> int:
    """How many games the partner has."""
    return int(
        await partner.database.fetchval(
            "SELECT count(*) FROM games WHERE partner_id = $1", partner.id
        )
    )


async def test_idempotency_replays_the_stored_answer(partner: Partner) -> None:
    """The same key and request: the same answer, byte for byte, marked as a replay; another key does it again."""
    first = await partner.post("/games", WHOLE, headers={"idempotency-key": "k-1"})
    again = await partner.post("/games", WHOLE, headers={"idempotency-key": "k-1"})
    assert (again.status_code, again.content) == (201, first.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert await games(partner) == 1
    assert (
        await partner.post("/games", WHOLE, headers={"idempotency-key": "k-2"})
    ).status_code == 201
    assert await games(partner) == 2


async def test_idempotency_replays_what_headers_say_of_the_answer(partner: Partner) -> None:
    """That a field of it is deprecated is told again, and not where it is not there."""
    card = {
        "title": {"en": "Card", "lt": "Kortelė"},
        "description": {},
        "terms_conditions": {},
        "card_design": {},
    }
    for days, told in ((30, True), (None, False)):
        body = card | {"default_coupon_validity_days": days}
        headers = {"idempotency-key": f"k-{days}"}
        created = [await partner.post("/cards", body, headers=headers) for _ in range(2)]
        path = f"/cards/{created[0].json()['data']['id']}"
        changed = [
            await partner.put(path, body, headers={"idempotency-key": f"c-{days}"})
            for _ in range(2)
        ]
        for first, again in (created, changed):
            assert again.headers["idempotent-replayed"] == "true"
            assert ("deprecation" in first.headers, "deprecation" in again.headers) == (told, told)


async def test_idempotency_does_concurrent_repeats_once(partner: Partner) -> None:
    """Ten at the same moment: one does it, the others wait and get its answer."""
    answers = await asyncio.gather(
        *(partner.post("/games", WHOLE, headers={"idempotency-key": "k"}) for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await games(partner) == 1


async def test_idempotency_key_belongs_to_one_request(partner: Partner, stranger: Partner) -> None:
    """Another body, path or query under the same key is 422; another partner's keys are its own."""
    headers = {"idempotency-key": "k"}
    await partner.post("/games", WHOLE, headers=headers)
    for answer in (
        await partner.post("/games", WHOLE | {"name": "Another"}, headers=headers),
        await partner.post("/shops", {"name": "Another"}, headers=headers),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"] == {"Idempotency-Key": ["Was used for another request"]}
    assert (await stranger.post("/games", WHOLE, headers=headers)).status_code == 201
    assert await games(partner) == 1


async def test_idempotency_forgets_refusals_and_old_keys(partner: Partner) -> None:
    """A refused request has changed nothing and is judged anew; after a day a key is free, and old ones go away."""
    headers = {"idempotency-key": "k"}
    assert (await partner.post("/games", {}, headers=headers)).status_code == 422
    assert (await partner.post("/games", WHOLE, headers=headers)).status_code == 201
    await _a_day_passes(partner)
    assert (
        await partner.post("/games", WHOLE | {"name": "Another"}, headers=headers)
    ).status_code == 201
    left = await partner.database.fetch(
        "SELECT key FROM idempotency_keys WHERE partner_id = $1", partner.id
    )
    assert [row["key"] for row in left] == ["k"]


@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "\u00e9"])
async def test_idempotency_key_is_one_word(partner: Partner, key: str) -> None:
    """A key that is none is refused before anything is done."""
    answer = await partner.post("/games", WHOLE, headers={"idempotency-key": key.encode("latin-1")})
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["Idempotency-Key"]
    assert await games(partner) == 0


async def _a_day_passes(partner: Partner) -> None:
    """The partner's key ages, and there are four more like it. Their owner does it: nobody else may."""
    await partner.database.execute("SET ROLE none")
    await partner.database.execute(
        "INSERT INTO idempotency_keys (partner_id, key, request_hash) SELECT $1, 'old-' || n, '' FROM generate_series(1, 4) n",
        partner.id,
    )
    await partner.database.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE partner_id = $1",
        partner.id,
    )
    await partner.database.execute("SET ROLE couponry_worker")


async def test_idempotency_compares_what_a_body_says(partner: Partner) -> None:
    """However it is written: names in another order, white space, escapes, a number with a point."""
    headers = {"idempotency-key": "k", "content-type": "application/json"}
    body = {**WHOLE, "stamps_required": 7, "name": "Ąžuolas"}
    first = await partner.ask("POST", "/games", content=json.dumps(body), headers=headers)
    assert first.status_code == 201
    turned = dict(reversed(body.items()))
    for again in (
        json.dumps(turned, indent=2),
        json.dumps(body, ensure_ascii=False),
        json.dumps(body).replace(": 7", ": 7.0"),
    ):
        answer = await partner.ask("POST", "/games", content=again, headers=headers)
        assert (answer.status_code, answer.content) == (201, first.content)
    answer = await partner.post("/games", {**body, "stamps_required": 8}, headers=headers)
    assert answer.status_code == 422
    assert await games(partner) == 1
