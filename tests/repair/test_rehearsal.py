"""A dry run says what a real one then does, and leaves no trace; recognition tells what it may skip."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.adapters.postgres.pool import connect
from services.domain.arrival import Verdict
from services.domain.coupons.codes import display
from services.domain.coupons.effects import ChangeCoupon
from services.issuer.parts import Report
from services.issuer.pipeline import Pipeline
from services.repair.rehearsal import DryRun
from services.repair.replay.recognition import unrecognised
from services.runtime.settings import Settings
from tests.stand import records
from tests.stand.issuing import a_game

CUSTOMERS = ("anna", "bert", "carl")
TABLES = ("decisions", "coupons", "coupon_history", "customers", "reversed_orders", "order_stamps", "stamp_cards",
          "game_quota", "dead_letters", "outbox")  # fmt: skip


@pytest.fixture
async def dry(settings: Settings) -> AsyncIterator[DryRun]:
    """A dry run on a connection that cannot write."""
    connection = await connect(settings, "test", default_transaction_read_only="on")
    yield DryRun(connection, clock_offset=timedelta())
    await connection.close()


@pytest.fixture
async def games(database: asyncpg.Connection, partner_id: int) -> list[int]:
    """A game per kind of rule: single, multiple, two stamp cards, limits of the customer's and of the game's own."""
    made = [
        await a_game(database, partner_id),
        await a_game(database, partner_id, allow_multiple_active_coupons=True),
        await a_game(database, partner_id, game_type="stamps", stamps_required=2),
        await a_game(database, partner_id, game_type="stamps", stamps_required=3),
        await a_game(database, partner_id, allow_multiple_active_coupons=True),
        await a_game(database, partner_id, allow_multiple_active_coupons=True),
    ]
    await database.execute("UPDATE games SET customer_limit = 4 WHERE id = $1", made[4])
    await database.execute("UPDATE games SET total_limit = 9 WHERE id = $1", made[5])
    return made


class Life:
    """Makes what customers do, by chance: they play, buy with each other's codes, and bring it all back."""

    def __init__(self, seed: int, partner_id: int, games: Sequence[int]) -> None:
        self.dice = random.Random(seed)
        self.partner_id = partner_id
        self.games = games
        self.codes: list[str] = []
        self.number = 0

    def events(self, count: int) -> Iterator[ConsumerRecord]:
        past: list[ConsumerRecord] = []
        for _ in range(count):
            if past and self.dice.random() < 0.1:
                yield records.again(self.dice.choice(past))
                continue
            past.append(self._event())
            yield past[-1]

    def _event(self) -> ConsumerRecord:
        self.number += 1
        customer, chance = self.dice.choice(CUSTOMERS), self.dice.random()
        if chance < 0.05:
            return records.raw(records.headers(f"poison-{self.number}"), b"{")
        if chance < 0.1:
            at = datetime.now(UTC) + timedelta(hours=1)
            return self.played(customer, at=at)
        if chance < 0.5:
            return self.played(customer)
        order_id = f"order-{self.dice.randrange(12)}"
        data: dict[str, Any] = {"order_id": order_id, "customer_id": customer}
        type_ = "order.cancelled"
        if chance < 0.85:
            type_ = "order.placed"
            codes = self.dice.sample(self.codes, min(2, len(self.codes)))
            data |= {"currency": "EUR", "total": "9.90", "coupon_codes": codes}
        headers = dict(records.headers(f"e-{self.number}")) | {"ce_type": type_.encode()}
        value = json.dumps(data | {"partner_id": self.partner_id}).encode()
        return records.raw(tuple(headers.items()), value, key=customer)

    def played(self, customer: str, **more: Any) -> ConsumerRecord:
        return records.completed(
            f"e-{self.number}-{self.dice.random()}", customer,
            partner_id=self.partner_id, game_id=self.dice.choice(self.games), **more,
        )  # fmt: skip

    def batches(self, events: Sequence[ConsumerRecord]) -> Iterator[Sequence[ConsumerRecord]]:
        start = 0
        while start < len(events):
            size = self.dice.randint(1, 12)
            yield events[start : start + size]
            start += size


def told(verdict: Verdict) -> object:
    """What a verdict says, without what chance drew for it."""
    decision = verdict.decision
    return (
        verdict.incoming.event.cause.id,
        decision.outcome,
        decision.reason,
        [(code.code, code.outcome, code.reason) for code in decision.codes],
        [e.step if isinstance(e, ChangeCoupon) else type(e).__name__ for e in decision.effects],
    )


def summary(reports: Sequence[Report]) -> object:
    """What reports say, in an order of its own: a batch that lost a race with itself is decided in parts."""
    return [
        (
            sorted(map(str, map(told, report.verdicts))),
            sorted(str((letter.position, letter.stage)) for letter in report.letters),
            report.already_decided,
        )
        for report in reports
    ]


async def contents(database: asyncpg.Connection) -> list[list[asyncpg.Record]]:
    """Everything in the tables that deciding writes to."""
    return [await database.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in TABLES]


@pytest.mark.parametrize("seed", range(6))
async def test_dry_run_says_what_the_pipeline_then_does(
    seed: int,
    dry: DryRun,
    pipeline: Pipeline,
    database: asyncpg.Connection,
    partner_id: int,
    games: list[int],
) -> None:
    """Batch for batch the same outcomes, reasons, effects and dead letters; and nothing is written."""
    life = Life(seed, partner_id, games)
    await pipeline.process([life.played(customer) for customer in CUSTOMERS * 4])
    for code, prefix in await database.fetch("SELECT code, code_prefix FROM coupons ORDER BY id"):
        life.codes.append(display(code, prefix))
    await pipeline.process(list(life.events(20)))
    before = await contents(database)
    batches = list(life.batches(list(life.events(150))))

    foretold = [await dry.process(batch) for batch in batches]
    assert await contents(database) == before
    letters = [letter for report in foretold for letter in report.letters]
    new_letters = await dry.new_letters(letters)

    done = [await pipeline.process(batch) for batch in batches]
    assert summary(foretold) == summary(done), seed
    assert new_letters == len(letters) > 0
    assert await dry.new_letters(letters) == 0


async def test_dry_run_counts_a_rule_that_fails_as_a_dead_letter(
    dry: DryRun, partner_id: int, games: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in the rules costs the event its decision, not the run."""
    life = Life(0, partner_id, games)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("services.domain.folding.decide", broken)
    report = await dry.process([life.played("anna")])
    assert [(letter.stage, letter.exception) for letter in report.letters] == [
        ("decide", "RuleFailed")
    ]


async def test_recognition_knows_a_record_by_the_place_it_was_decided_from(
    pipeline: Pipeline, database: asyncpg.Connection, partner_id: int, games: list[int]
) -> None:
    """The very record is recognised; a repeat, poison with the same id, a new event and no headers at all are not."""
    event = records.completed("e-1", partner_id=partner_id, game_id=games[0])
    await pipeline.process([event])
    others = [
        records.again(event),
        records.raw(event.headers, b"{"),
        records.completed("e-2", partner_id=partner_id, game_id=games[0]),
        records.raw((), b"{}"),
        records.raw(records.headers("x" * 2_000), b"{}"),
        records.raw((("ce_id", None), ("ce_source", b"/games")), None),
    ]
    assert await unrecognised(database, [event, *others, event]) == others
    assert await unrecognised(database, []) == []
