"""What a batch leaves in Postgres: for every event one decision, and for every outcome one row in the outbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.adapters.redis_locks import CustomerLocks
from services.decisions.manner import Manner
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.stand.commands import CommandOn
from tests.stand.issuing import a_game, a_partner, audit, count, letters, outcomes, queued
from tests.stand.records import again, completed, headers

TODAY = datetime.now(UTC).date()
WEEK = timedelta(days=7)
ISSUED = ("coupon-issued", "coupon.issued")
EXPIRED = ("coupon-lifecycle", "coupon.expired")
DECLINED = ("issuance-declined", "issuance.declined")
DEAD = ("dead-letters", None)

REASONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # reason                  the game                               the event
    ("game_not_found",       {},                                     {"game_id": 999_999}),
    ("result_lost",          {},                                     {"result": "lost"}),
    ("game_inactive",        {"is_active": False},                   {}),
    ("game_not_started",     {"start_date": str(TODAY + 2 * WEEK)},  {}),
    ("game_ended",           {"end_date": str(TODAY - WEEK)},        {}),
]  # fmt: skip


@pytest.fixture
async def play(database: asyncpg.Connection, partner_id: int) -> Callable[..., ConsumerRecord]:
    """Make completions of one game, the partner's only one."""
    game_id = await a_game(database, partner_id)
    return lambda event_id, customer_id="anna", **data: completed(
        event_id, customer_id, **({"partner_id": partner_id, "game_id": game_id} | data)
    )


@pytest.mark.parametrize(("reason", "game", "event"), REASONS, ids=[row[0] for row in REASONS])
async def test_decline_is_recorded_and_queued(
    database: asyncpg.Connection,
    pipeline: Pipeline,
    partner_id: int,
    reason: str,
    game: dict[str, Any],
    event: dict[str, Any],
) -> None:
    """Every reason leaves a decision that names it and one `issuance.declined`, and no coupon."""
    game_id = await a_game(database, partner_id, **game)

    await pipeline.process(
        [completed("e-1", **({"partner_id": partner_id, "game_id": game_id} | event))]
    )

    assert await outcomes(database) == [("e-1", "declined", reason)]
    (row,) = await database.fetch("SELECT * FROM outbox")
    assert (row["topic"], row["ce_type"]) == DECLINED
    value = json.loads(row["value"])
    assert (value["reason"], value["blocking_coupon_id"]) == (reason, None)
    assert value["cause"] == {"source": "/games", "id": "e-1", "type": "game.completed"}
    assert await count(database, "coupons") == 0
    await audit(database)


async def test_decline_names_the_blocking_coupon(
    database: asyncpg.Connection, pipeline: Pipeline, play: Callable[..., ConsumerRecord]
) -> None:
    """A second completion is `active_coupon_exists`, within one batch as in the next one."""
    await pipeline.process([play("e-1"), play("e-2")])
    await pipeline.process([play("e-3")])

    assert await outcomes(database) == [
        ("e-1", "issued", None),
        ("e-2", "declined", "active_coupon_exists"),
        ("e-3", "declined", "active_coupon_exists"),
    ]
    coupon_id = await database.fetchval("SELECT id FROM coupons")
    blocking = await database.fetch(
        "SELECT blocking_coupon_id FROM decisions WHERE outcome = 'declined'"
    )
    assert {row["blocking_coupon_id"] for row in blocking} == {coupon_id}
    values = [
        json.loads(row["value"])
        for row in await database.fetch("SELECT value FROM outbox ORDER BY id")
    ]
    assert [value.get("blocking_coupon_id") for value in values] == [
        None,
        str(coupon_id),
        str(coupon_id),
    ]
    await audit(database)


async def test_game_of_another_partner_is_not_found(
    database: asyncpg.Connection, pipeline: Pipeline, play: Callable[..., ConsumerRecord]
) -> None:
    """A known game is unknown to a partner who does not own it, and the decision names no version."""
    stranger = await a_partner(database)

    await pipeline.process([play("e-1", partner_id=stranger)])

    assert await outcomes(database) == [("e-1", "declined", "game_not_found")]
    assert await database.fetchval("SELECT rule_version FROM decisions") is None


async def test_repeat_changes_nothing_whatever_else_it_says(
    database: asyncpg.Connection, pipeline: Pipeline, play: Callable[..., ConsumerRecord]
) -> None:
    """A (source, id) that was decided is nothing new, with another `ce_time`, customer or result, in any batch."""
    first = play("e-1")
    await pipeline.process([first, again(first)])
    later = datetime.now(UTC) - timedelta(hours=1)

    report = await pipeline.process(
        [
            first,
            again(first, record_headers=headers("e-1", at=later)),
            play("e-1", "berta"),
            play("e-1", result="lost"),
        ]
    )

    assert (report.read, report.already_decided) == (4, 4)
    assert await outcomes(database) == [("e-1", "issued", None)]
    assert await queued(database) == [ISSUED]


async def test_same_id_from_two_sources_is_two_events(
    database: asyncpg.Connection, pipeline: Pipeline, play: Callable[..., ConsumerRecord]
) -> None:
    """An id is unique within its source only."""
    await pipeline.process([play("e-1"), play("e-1", "berta", source="/quiz")])

    assert await outcomes(database) == [("e-1", "issued", None)] * 2
    keys = await database.fetch("SELECT event_key FROM decisions")
    assert len({row["event_key"].bytes[:10] for row in keys}) == 1
    assert len(set(keys)) == 2


async def test_expired_coupon_gives_way_in_the_same_transaction(
    pool: asyncpg.Pool,
    locks: CustomerLocks,
    database: asyncpg.Connection,
    pipeline: Pipeline,
    play: Callable[..., ConsumerRecord],
) -> None:
    """Once a coupon's time is over the next completion closes it, tells so first, and issues."""
    await pipeline.process([play("e-1")])
    later = Pipeline(pool, locks, Manner(clock_offset=WEEK + timedelta(seconds=1)))

    await later.process([play("e-2")])

    assert [outcome for _, outcome, _ in await outcomes(database)] == ["issued", "issued"]
    assert await queued(database) == [ISSUED, EXPIRED, ISSUED]
    old, new = await database.fetch("SELECT * FROM coupons ORDER BY issued_at")
    (step,) = await database.fetch("SELECT * FROM coupon_history")
    assert (old["status"], new["status"]) == ("expired", "active")
    assert (step["coupon_id"], step["status"], step["at"]) == (
        old["id"],
        "expired",
        old["expires_at"],
    )
    assert new["issued_at"] - old["issued_at"] > WEEK
    assert new["expires_at"] - new["issued_at"] == WEEK
    transactions = await database.fetch(
        "SELECT DISTINCT xmin::text FROM outbox WHERE id > (SELECT min(id) FROM outbox)"
    )
    assert len(transactions) == 1
    await audit(database)


async def test_event_from_the_future_is_a_dead_letter_by_the_database_clock(
    pool: asyncpg.Pool,
    locks: CustomerLocks,
    database: asyncpg.Connection,
    pipeline: Pipeline,
    play: Callable[..., ConsumerRecord],
) -> None:
    """More than five minutes ahead is stage `time`; the neighbours go through; the event's id stays free."""
    ahead = datetime.now(UTC) + timedelta(minutes=6)
    early = play("early", "berta", at=ahead)

    await pipeline.process(
        [play("e-1"), early, play("e-2", "carl", at=ahead - timedelta(minutes=2))]
    )

    assert await outcomes(database) == [("e-1", "issued", None), ("e-2", "issued", None)]
    (letter,) = await letters(database)
    assert (letter["stage"], letter["event_id"], letter["offset"]) == (
        "time",
        "early",
        early.offset,
    )
    assert (letter["key"], letter["value"]) == (early.key, early.value)
    assert sorted(await queued(database)) == [ISSUED, ISSUED, DEAD]

    # The database's clock moves on, this machine's does not.
    await Pipeline(pool, locks, Manner(clock_offset=timedelta(minutes=2))).process([again(early)])
    assert ("early", "issued", None) in await outcomes(database)
    await audit(database)


async def test_repeat_of_an_event_from_the_future_is_judged_by_itself(
    database: asyncpg.Connection, pipeline: Pipeline, play: Callable[..., ConsumerRecord]
) -> None:
    """A dead letter does not use up (source, id), not even within the batch: no record vanishes behind it."""
    ahead = datetime.now(UTC) + timedelta(hours=1)
    records = [play("e-1", at=ahead), play("e-1", at=ahead), play("e-1"), play("e-1", at=ahead)]

    report = await pipeline.process(records)

    assert await outcomes(database) == [("e-1", "issued", None)]
    assert [letter["offset"] for letter in await letters(database)] == [
        r.offset for r in records[:2]
    ]
    assert report.already_decided == 1
    await audit(database)


async def test_customers_time_never_runs_backwards(
    database: asyncpg.Connection, pipeline: Pipeline, play: Callable[..., ConsumerRecord]
) -> None:
    """A database clock that was set back does not: the customer's newest instant counts until it is passed."""
    await pipeline.process([play("e-1"), play("b-1", "berta")])
    ahead = await database.fetchval(
        "UPDATE customers SET last_at = now() + interval '8 days' WHERE customer_id = 'anna' RETURNING last_at"
    )

    await pipeline.process([play("e-2"), play("b-2", "berta")])

    rows = await database.fetch("SELECT event_id, decided_at FROM decisions")
    decided = {row["event_id"]: row["decided_at"] for row in rows}
    assert decided["e-2"] == ahead
    assert decided["b-2"] < ahead - timedelta(days=7)
    assert ("e-2", "issued", None) in await outcomes(database)
    assert (
        await database.fetchval("SELECT last_at FROM customers WHERE customer_id = 'anna'") == ahead
    )
    await audit(database)


async def test_window_is_the_partners_days(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """A game's dates are days of the partner's zone, the event's own time is compared with them."""
    game_id = await a_game(database, partner_id, start_date="2026-03-01", end_date="2026-03-02")
    edges = {
        "2026-02-28T21:59:59.999999": "game_not_started",
        "2026-02-28T22:00:00": None,
        "2026-03-02T21:59:59.999999": None,
        "2026-03-02T22:00:00": "game_ended",
    }

    await pipeline.process(
        [
            completed(
                at,
                at,
                partner_id=partner_id,
                game_id=game_id,
                at=datetime.fromisoformat(f"{at}+00:00"),
            )
            for at in edges
        ]
    )

    assert {event_id: reason for event_id, _, reason in await outcomes(database)} == edges


async def test_producers_clock_that_goes_back_changes_no_order(
    database: asyncpg.Connection, pipeline: Pipeline, play: Callable[..., ConsumerRecord]
) -> None:
    """On a topic that keeps the producers' timestamps the first record is still the first."""
    first, second = play("e-1"), play("e-2")
    await pipeline.process([replace(first, timestamp=second.timestamp + 5_000), second])
    assert await outcomes(database) == [
        ("e-1", "issued", None),
        ("e-2", "declined", "active_coupon_exists"),
    ]


async def test_id_used_for_another_event_is_counted_and_shown(
    settings: Settings,
    database: asyncpg.Connection,
    pool: asyncpg.Pool,
    locks: CustomerLocks,
    play: Callable[..., ConsumerRecord],
    couponry_on: CommandOn,
) -> None:
    """Another customer, in a later poll and in the same one: nothing changes, and each such record is kept once."""
    live = Pipeline(pool, locks, is_live=True)
    first, later, again_later = play("e", "anna"), play("e", "bela"), play("e", "anna")
    await live.process([first, play("e", "carl")])
    for _ in range(2):
        await live.process([later, again_later])
    await Pipeline(pool, locks).process([play("e", "dora")])  # a replay's
    assert await count(database, "decisions") == 1
    reused = await database.fetch("SELECT customer_id FROM reused_ids ORDER BY seen_at")
    assert [row["customer_id"] for row in reused] == ["carl", "bela"]
    couponry = couponry_on(settings)
    said = (await couponry("explain", "e", "--json")).json()
    assert [one["customer_id"] for one in said["id_reused"]] == ["carl", "bela"]
    assert "2 times, first at" in (await couponry("explain", "e")).out
    connection_status = (await couponry("status", "--json")).out
    assert json.loads(connection_status)["ids_reused"] == 2
