"""`couponry customers show`: a statement to the point, at this instant, of what is stored and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from services.adapters.postgres.pool import connect
from services.adapters.postgres.queries import queries
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.insight.test_explain_timeline import CONDITIONS, nodes
from tests.stand.commands import Command, CommandOn
from tests.stand.issuing import a_game
from tests.stand.records import completed
from tests.stand.telling import a_program, ordered, refunded, told

PROGRAM: dict[str, Any] = {
    "settings": {"currency": "EUR", "pointsName": "Beans"},
    "cashback": {
        "defaultCashbackRule": {
            "amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 1,
        },
    },
    "tiers": [
        {"name": "Bronze", "minProgress": 0, "order": 1},
        {"name": "Silver", "minProgress": 50, "order": 2, "benefits": [{"type": "Entry Reward", "walletReward": 300}]},
        {"name": "Gold", "minProgress": Decimal("99.5"), "order": 3},
    ],
    "campaigns": [
        {
            "name": "Three visits", "type": "EventBased", "trigger": {"eventName": "visit", "count": 3},
            "rewards": [{"walletReward": 5}],
        },
        {
            "name": "For students", "type": "EventBased", "isRepeatable": True, "availability": {"tags": ["student"]},
            "trigger": {"eventName": "exam"},
            "rewards": [{"couponReward": {"couponType": "percentage_discount", "discountValue": 10}}],
        },
        {
            "name": "For professors", "type": "EventBased", "availability": {"tags": ["professor"]},
            "trigger": {"eventName": "exam"}, "rewards": [{"walletReward": 5}],
        },
    ],
    "redemption": {"pointsExpiryPeriod": 30, "defaultRule": {"valueOfPoint": Decimal("0.05")}},
}  # fmt: skip


@pytest.fixture
async def anna(database: asyncpg.Connection, pipeline: Pipeline, partner_id: int) -> dict[str, Any]:
    """A partner with a program, and anna with some of everything; her statement's options."""
    await a_program(database, partner_id, **PROGRAM)
    game_id = await a_game(database, partner_id)
    await pipeline.process([told("customer.created", "rūta", partner_id=partner_id)])
    await pipeline.process(
        [
            told(
                "customer.created", partner_id=partner_id, tags=["student"], birthday="1992-02-29",
                referred_by="rūta", locale="lt",
            ),
            ordered("o-1", "60.25", partner_id=partner_id),
            told("customer.event", partner_id=partner_id, name="visit", metadata={}),
            told("customer.event", partner_id=partner_id, name="exam", metadata={}),
            completed("e-1", partner_id=partner_id, game_id=game_id),
        ]
    )  # fmt: skip
    return {"partner_id": partner_id, "game_id": game_id}


async def shown(couponry: Command, partner_id: int, *more: object) -> Any:
    return (
        await couponry("customers", "show", "--partner-id", partner_id, "anna", "--json", *more)
    ).json()


async def test_statement_says_all_that_there_is(
    database: asyncpg.Connection, anna: dict[str, Any], couponry: Command
) -> None:
    """Who, what they have and until when, where they stand and what is missing, and the events that it came of."""
    said = await shown(couponry, anna["partner_id"])
    assert (said["customer_id"], said["partner"]) == ("anna", "Café Nord")
    assert (said["tags"], said["birthday"], said["locale"]) == (["student"], "1992-02-29", "lt")
    assert (said["referred_by"], said["card"], said["program_version"]) == ("rūta", None, 1)
    assert said["registered_at"].endswith("Z")
    assert said["balance"] == {
        "points": 360, "worth": 18, "currency": "EUR", "points_name": "Beans", "owed": 0,
    }  # fmt: skip
    silver = said["tier"]["current"]
    assert [(lot["left"], lot["amount"], lot["source"]) for lot in said["lots"]] == [
        (60, 60, {"kind": "order", "id": "o-1"}),
        (300, 300, {"kind": "tier", "id": str(silver["id"])}),
    ]
    ends = datetime.fromisoformat(said["lots"][0]["expires_at"])
    assert ends - datetime.fromisoformat(said["lots"][0]["earned_at"]) == timedelta(days=30)
    assert said["meters"] == {
        "points_earned": 360, "score": 60, "spent": 60.25, "orders": 1, "referrals": 0,
    }  # fmt: skip
    assert (silver["name"], silver["order"], silver["min_progress"]) == ("Silver", 2, 50)
    assert said["tier"]["next"]["name"] == "Gold"
    assert (said["tier"]["progress"], said["tier"]["missing"]) == (60.25, 39.25)
    campaigns = [
        (each["name"], each["achieved"], each["max_achievement"], each["steps"], each["count"], each["refused"])
        for each in said["campaigns"]
    ]  # fmt: skip
    assert campaigns == [
        ("Three visits", 0, 1, 1, 3, None),
        ("For students", 1, None, 0, 1, None),
        ("For professors", 0, 1, 0, 1, "tag_not_eligible"),
    ]
    assert [(each["source"]["kind"], each["status"], each["reward"]) for each in said["coupons"]] == [
        ("game", "active", "A coffee"), ("campaign", "active", None),
    ]  # fmt: skip
    assert said["coupons"][1]["terms"] == {
        "type": "percentage", "usage_limit": 1, "value": "10", "currency": "EUR",
    }  # fmt: skip
    order = await database.fetchval("SELECT event_id FROM decisions WHERE order_id = 'o-1'")
    assert [
        (each["kind"], each["points"], each["balance"], each["event_id"]) for each in said["entries"]
    ] == [("earned", 60, 60, order), ("earned", 300, 360, order)]  # fmt: skip


async def test_statement_for_people(anna: dict[str, Any], couponry: Command) -> None:
    """The same in words; no code in full, nothing of what there is none of."""
    result = await couponry("customers", "show", "--partner-id", anna["partner_id"], "anna")
    said = [" ".join(line.split()) for line in result.out.splitlines()]
    assert "customer anna of Café Nord" in said
    assert "balance 360 Beans, worth 18.00 EUR" in said
    assert "tier Silver, amount_spent 60.25: 39.25 more to Gold" in said
    assert any(line.endswith("Three visits 0 1 1 of 3") for line in said)
    assert any("earned +300 360 tier" in line for line in said)
    assert not any(line.startswith(("card", "owed")) for line in said)
    fresh = (await couponry("customers", "show", "--partner-id", anna["partner_id"], "rūta")).out
    assert "points that are left" not in fresh and "last entries" not in fresh


async def test_statement_is_of_this_instant(
    anna: dict[str, Any], settings: Settings, couponry_on: CommandOn
) -> None:
    """What is over by now has ended, though nobody has recorded it: points, coupons."""
    later = settings.model_copy(update={"allow_test_clock": True, "clock_offset_seconds": 30 * 86400.0 + 60})  # fmt: skip
    said = await shown(couponry_on(later), anna["partner_id"])
    assert (said["balance"]["points"], said["lots"]) == (0, [])
    assert said["meters"]["points_earned"] == 360
    assert [each["status"] for each in said["coupons"]] == ["expired", "active"]
    assert datetime.fromisoformat(said["at"]) > datetime.now(UTC) + timedelta(days=29)


async def test_statement_tells_debts_and_the_last_twenty_entries(
    database: asyncpg.Connection, pipeline: Pipeline, anna: dict[str, Any], couponry: Command
) -> None:
    """What is owed; of a long ledger the end."""
    partner_id = anna["partner_id"]
    await pipeline.process(
        [ordered(f"n-{number}", "1", partner_id=partner_id) for number in range(20)]
    )
    await database.execute("UPDATE wallets SET balance = 0; UPDATE lots SET remaining = 0")
    await pipeline.process([refunded("o-1", partner_id=partner_id)])
    said = await shown(couponry, partner_id)
    assert said["balance"]["owed"] == 60
    assert [each["number"] for each in said["entries"]] == list(range(4, 24))
    assert said["entries"][-1]["owed"] == 60
    told_ = (await couponry("customers", "show", "--partner-id", partner_id, "anna")).out
    assert "60, which what comes in pays first" in told_


async def test_statement_shows_the_card_held_until_it_is_deleted(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int, couponry: Command
) -> None:
    """A deleted card is nobody's."""
    await database.execute(
        "INSERT INTO cards (partner_id, title, is_active, settings) VALUES ($1, $2, true, '{}')",
        partner_id,
        '{"en": "Coffee", "lt": "Kava"}',
    )
    await pipeline.process([told("customer.created", partner_id=partner_id)])
    card = (await shown(couponry, partner_id))["card"]
    assert card["title"] == {"en": "Coffee", "lt": "Kava"}
    await database.execute("UPDATE cards SET deleted_at = now()")
    assert (await shown(couponry, partner_id))["card"] is None


async def test_statement_of_a_partner_without_a_program(
    pipeline: Pipeline, partner_id: int, couponry: Command
) -> None:
    """Version 0, zeros, no tier, no campaigns."""
    await pipeline.process([ordered("o-1", "5", partner_id=partner_id)])
    said = await shown(couponry, partner_id)
    assert (said["program_version"], said["registered_at"], said["entries"]) == (0, None, [])
    assert set(said["meters"].values()) == {0}
    assert (said["tier"]["current"], said["tier"]["next"], said["campaigns"]) == (None, None, [])


async def test_unknown_customer_is_exit_1(partner_id: int, couponry: Command) -> None:
    """One line; a partner that does not exist is wrong input."""
    result = await couponry("customers", "show", "--partner-id", partner_id, "nobody", "--json")
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert "nobody" in result.err
    result = await couponry("customers", "show", "--partner-id", 2**40, "anna")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)


async def test_statement_goes_by_keys(settings: Settings) -> None:
    """No query reads a table whole, however many customers there are."""
    sql = queries("statement", "services.insight.statement")
    arguments = {"customer": (1, "anna"), "coupons": (1,), "entries": (1, 20)}
    assert arguments.keys() == sql.keys()
    connection = await connect(settings, "test", enable_seqscan="off")
    for name, values in arguments.items():
        ((plan,),) = await connection.fetch(f"EXPLAIN (FORMAT JSON) {sql[name]}", *values)
        for node in nodes(plan):
            assert "Relation Name" not in node or CONDITIONS & node.keys(), (name, json.dumps(node))
    await connection.close()
