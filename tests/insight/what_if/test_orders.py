"""Orders under changed rules: what they undo, what they bought, and coupons issued by hand between them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.adapters.kafka import ensure_topics
from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.edge.tenant import open_tenant_pool
from services.api.partners.keys import Secret
from tests.api.games import a_game
from tests.api.staff_stand import a_coupon, step
from tests.api.stand import SECRET, URL, a_tenant
from tests.insight.what_if.script import Act, Event, Poll
from tests.insight.what_if.stand import Table
from tests.stand.commands import Command, CommandOn

DAY = timedelta(days=1, minutes=1)


def completion(name: str, days: int = 1) -> Act:
    event = Event(name=name, kind="game.completed", customer="anna")
    return Poll(after=days * DAY, events=(event,))


def order(name: str, *codes: str, days: int = 1, products: tuple[int, ...] = ()) -> Act:
    event = Event(
        name=name, kind="order.placed", customer="anna", order=name, codes=codes, products=products
    )
    return Poll(after=days * DAY, events=(event,))


def reversal(name: str, of: str, days: int = 1) -> Act:
    event = Event(name=name, kind="order.refunded", customer="anna", order=of)
    return Poll(after=days * DAY, events=(event,))


KEPT = [
    (
        "kept, for another coupon was active; under the limit that one is not there",
        {"coupon_validity_days": None}, {"customer_limit_per_week": 1},
        [completion("1"), order("o", "1"), completion("2"), reversal("r", "o"), completion("3", 4)],
        {"1": "issued", "2": "customer_limit_reached", "3": "active_coupon_exists"},
    ),
    (
        "kept, for it had expired; valid for longer it comes back",
        {"coupon_validity_days": 7}, {"coupon_validity_days": 30},
        [completion("1"), order("o", "1"), reversal("r", "o", 9), completion("2")],
        {"1": "issued", "2": "active_coupon_exists"},
    ),
    (
        "given back; valid for a day it was never used",
        {"coupon_validity_days": 30}, {"coupon_validity_days": 1},
        [completion("1"), order("o", "1", days=2), reversal("r", "o"), completion("2")],
        {"1": "issued", "2": "issued"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("why", "fields", "changes", "script", "expected"), KEPT)
async def test_reversal_is_decided_again(
    table: Table,
    couponry: Command,
    why: str,
    fields: dict[str, Any],
    changes: dict[str, Any],
    script: list[Act],
    expected: dict[str, str],
) -> None:
    """A coupon that a reversal gave back, or could not, is decided upon by the changed rules, as a real run does."""
    rules = {"allow_multiple_active_coupons": False, **fields}
    game = await table.game(rules)
    await game.play(script)
    other = await table.game(rules, fixed=changes, like=game)
    await other.play(script)
    assert {name: other.answers[name] for name in expected} == expected, why
    settings = [f"--set={field}={value}" for field, value in changes.items()]
    report = (await couponry("what-if", "--game-id", game.game_id, *settings, "--json")).json()
    issued = sum(answer == "issued" for answer in expected.values())
    assert report["outcomes"]["issued"]["after"] == issued, why
    assert (await couponry("what-if", "--game-id", game.game_id)).code == 0


async def test_products_of_orders_are_read_from_the_topic(
    table: Table, couponry: Command, couponry_on: CommandOn
) -> None:
    """Another choice of products stamps by what was really bought; where the record is gone, as it really was."""
    await ensure_topics(table.settings)
    card = {"game_type": "stamps", "stamps_required": 1, "allow_multiple_active_coupons": True}
    async with table.publishing():
        game = await table.game({**card, "product_ids": [0]})
        await game.play([order("a", products=(0,)), order("b", products=(1,)), order("c")])
        await game.play([order("both", products=(0, 1))])
    asked = ("what-if", "--game-id", game.game_id, "--json")
    assert (await couponry(*asked)).json()["reproduced"] is True
    other = ("--set", f"product_ids=[{game.products[1]}]")
    report = (await couponry(*asked, *other)).json()
    assert report["stamps"] == {"before": 2, "after": 2, "difference": 0}
    assert report["transitions"] == [
        {"before": "issued", "after": None, "count": 1},
        {"before": None, "after": "issued", "count": 1},
    ]
    assert (await couponry(*asked, "--set", "product_ids=[]")).json()["stamps"]["after"] == 4

    elsewhere = table.settings.model_copy(update={"topic_prefix": "of-nobody-"})
    await ensure_topics(elsewhere)
    report = (await couponry_on(elsewhere)(*asked, *other)).json()
    assert (report["stamps"]["after"], report["orders_without_record"]) == (2, 4)
    said = (await couponry_on(elsewhere)(*asked[:-1], *other)).out
    assert "4 orders are no longer in the topic" in said


async def test_coupons_by_hand_and_steps_of_staff_are_history_too(
    table: Table, couponry: Command
) -> None:
    """What the partner API issued and redeemed is reproduced, and counts under changed rules."""
    settings = table.settings.model_copy(update={"jwt_secret": SECRET})
    pool, limits = await open_tenant_pool(settings), Limits(settings)
    app = build_app(settings, pool, limits=limits, keys=Secret(SECRET))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        partner = await a_tenant(settings, http, table.database)
        game = await a_game(partner, allow_multiple_active_coupons=False)
        for words in (("redeem",), ("redeem", "reinstate", "cancel"), ("reserve", "redeem"), ()):
            coupon = await a_coupon(partner, game["id"])
            for word in words:
                assert (await step(partner, coupon["coupon_id"], word)).status_code == 200
    await limits.close()
    pool.terminate()
    asked = ("what-if", "--game-id", game["id"], "--json")
    report = (await couponry(*asked)).json()
    assert (report["reproduced"], report["outcomes"]["issued"]["before"]) == (True, 4)
    report = (await couponry(*asked, "--set", "customer_limit=2")).json()
    assert report["reasons"]["customer_limit_reached"]["after"] == 1
