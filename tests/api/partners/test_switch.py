"""Rule 6 over HTTP (G26): switching a game to one active coupon at a time, its preview, and its race with issuers."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import pytest

from services.adapters.postgres.pool import open_pool
from services.adapters.redis_locks import CustomerLocks
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.api.games import a_coupon, a_game
from tests.api.stand import Partner
from tests.stand import records

SWITCH = {"allow_multiple_active_coupons": False}
REFUSED = {
    "success": False, "code": 400,
    "message": "Cannot disable multiple coupons when customers have active coupons",
    "details": {"active_coupons_count": 3, "affected_customers": 2},
}  # fmt: skip


@pytest.fixture
async def pipeline(api_settings: Settings) -> AsyncIterator[Pipeline]:
    """An issuer on the API's database."""
    pool = await open_pool(api_settings, "couponry-issuer", enable_seqscan="off")
    locks = CustomerLocks(api_settings)
    yield Pipeline(pool, locks)
    await locks.close()
    pool.terminate()


async def rows(partner: Partner) -> list[object]:
    """Everything that a switch could change for this partner."""
    tables = ("games", "game_versions", "coupons", "coupon_history", "audit_log", "game_quota")
    return [
        await partner.database.fetch(f"SELECT to_jsonb(t)::text FROM {table} t WHERE partner_id = $1 ORDER BY 1", partner.id)
        for table in tables
    ]  # fmt: skip


@pytest.mark.parametrize("query", ["", "?dry_run=false", "?dry_run=true"])
async def test_switch_g26_is_refused_while_coupons_are_active(partner: Partner, query: str) -> None:
    """400 with the exact body: only active coupons of that game count, unexpired and unused; a preview says the same."""
    game_id = (await a_game(partner, coupon_validity_days=7))["id"]
    for customer in ("a", "a", "b"):
        await a_coupon(partner, game_id, customer)
    await a_coupon(partner, game_id, "c", days_ago=8)
    used = await a_coupon(partner, game_id, "d")
    await partner.database.execute(
        "UPDATE coupons SET status = 'redeemed', redeemed_at = now() WHERE id = $1", used
    )
    await a_coupon(partner, (await a_game(partner))["id"], "e")
    before = await rows(partner)
    answer = await partner.put(f"/games/{game_id}{query}", SWITCH | {"name": "Another name"})
    body = answer.json()
    assert body.pop("request_id")
    assert (answer.status_code, body) == (400, REFUSED)
    assert await rows(partner) == before


async def test_switch_preview_changes_nothing(partner: Partner) -> None:
    """What nothing stands in the way of is shown as it would be, with the counts, and is not done."""
    game_id = (await a_game(partner))["id"]
    await a_coupon(partner, game_id, "a", days_ago=8)
    before = await rows(partner)
    preview = (await partner.put(f"/games/{game_id}?dry_run=1", SWITCH)).json()
    assert (preview["code"], preview["message"]) == (200, "Game would be updated")
    assert preview["data"]["allow_multiple_active_coupons"] is False
    assert preview["details"] == {"active_coupons_count": 0, "affected_customers": 0}
    assert await rows(partner) == before
    harmless = (await partner.put(f"/games/{game_id}?dry_run=true", {"name": "Another"})).json()
    assert harmless["code"] == 200
    refused = await partner.put(f"/games/{game_id}?dry_run=yes", SWITCH)
    assert refused.json()["errors"] == {"dry_run": ["Must be true or false"]}
    assert (await rows(partner)) == before


async def test_switch_closes_what_is_over_and_tells(partner: Partner) -> None:
    """Lapsed coupons are closed as the API's role, with their step and their event through the outbox."""
    game_id = (await a_game(partner))["id"]
    lapsed = await a_coupon(partner, game_id, "a", days_ago=8)
    answer = await partner.put(f"/games/{game_id}", SWITCH)
    assert answer.json()["data"]["allow_multiple_active_coupons"] is False
    assert (
        await partner.database.fetchval("SELECT status FROM coupons WHERE id = $1", lapsed)
        == "expired"
    )
    assert (
        await partner.database.fetchval(
            "SELECT actor FROM coupon_history WHERE coupon_id = $1", lapsed
        )
        == "api"
    )
    event = json.loads(
        await partner.database.fetchval("SELECT value FROM outbox WHERE subject = $1", lapsed)
    )
    assert (event["status"], event["partner_id"]) == ("expired", partner.id)


async def test_switch_g26_races_with_issuers(partner: Partner, pipeline: Pipeline) -> None:
    """Under a stream of completions the switch is refused, or from then on nobody gets a second coupon; never both."""
    for round_ in range(5):
        game_id = (await a_game(partner))["id"]
        batches = [
            [
                records.completed(str(uuid.uuid4()), f"{round_}-{customer % 3}", partner_id=partner.id, game_id=game_id)
                for customer in range(6)
            ]
            for _ in range(4)
        ]  # fmt: skip
        work = [asyncio.create_task(pipeline.process(batch)) for batch in batches]
        answer = await partner.put(f"/games/{game_id}", SWITCH)
        await asyncio.gather(*work)
        coupons = await partner.database.fetch(
            "SELECT rule_allow_multiple, count(*) FROM coupons WHERE game_id = $1 GROUP BY 1",
            game_id,
        )
        if answer.status_code == 200:
            assert [(row[0], row[1]) for row in coupons] == [(False, 3)]
        else:
            assert answer.status_code == 400
            assert answer.json()["details"]["active_coupons_count"] >= 1
            assert [(row[0], row[1]) for row in coupons] == [(True, 24)]
