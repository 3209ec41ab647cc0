"""A dry run over decisions that a failover lost, under a whole program: it says what a real run then does."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

import schemas.gameball_v4
from schemas.gameball_v4.exact_json import read
from schemas.topics import FOLLOW_UPS
from services.adapters.draws import Drawing
from services.adapters.postgres.pool import connect
from services.adapters.redis_locks import CustomerLocks
from services.decisions.manner import Manner
from services.domain.arrival import Verdict
from services.domain.campaigns import Achieve, Revoke
from services.domain.coupons.codes import display
from services.domain.coupons.effects import ChangeCoupon, DeclineReward, GrantCoupon
from services.domain.points.wallet import Post
from services.domain.tiers import ChangeTier
from services.issuer.parts import Report
from services.issuer.pipeline import Pipeline
from services.repair.rehearsal import DryRun
from services.repair.replay.result import counts_of
from services.runtime.settings import Settings
from tests.stand import records
from tests.stand.grouped_shop import GroupedShop
from tests.stand.issuing import a_game
from tests.stand.telling import a_program, ordered, refunded, told

SHOP: dict[str, Any] = read(
    (Path(schemas.gameball_v4.__file__).parent / "small-shop.json").read_bytes()
)
CUSTOMERS = ("anna", "bert", "carl", "dora")
LOST = (
    "decisions, coupons, coupon_history, customers, reversed_orders, order_stamps, stamp_cards, outbox,"
    " dead_letters, dead_letter_actions, profiles, wallets, ledger, lots, purchases, refunds_before, coupon_uses, birthdays"
)
SECRET = b"of this installation"


@pytest.fixture
async def dry(settings: Settings) -> AsyncIterator[DryRun]:
    """A dry run on a connection that cannot write, which draws as the pipeline does."""
    connection = await connect(settings, "test", default_transaction_read_only="on")
    yield DryRun(connection, clock_offset=timedelta(), drawing=Drawing(SECRET))
    await connection.close()


@pytest.fixture
async def drawing(pool: asyncpg.Pool, locks: CustomerLocks) -> Pipeline:
    """The pipeline of an installation that has a secret."""
    return Pipeline(pool, locks, Manner(drawing=Drawing(SECRET)))


@pytest.fixture
async def shop(database: asyncpg.Connection, partner_id: int) -> int:
    """The sample program, whose every section is set."""
    await a_program(database, partner_id, **{k: v for k, v in SHOP.items() if k != "partner_id"})
    return partner_id


@dataclass(slots=True, kw_only=True)
class Life:
    """What four customers do by chance, in polls: orders, refunds before and after them, visits, codes, friends."""

    dice: random.Random
    partner_id: int
    game_id: int
    rule_id: int = 0
    codes: list[str] = field(default_factory=list)
    bought: list[tuple[str, str]] = field(default_factory=list)
    polls: list[Sequence[ConsumerRecord]] = field(default_factory=list)
    _number: int = 0

    def poll(self, size: int) -> Sequence[ConsumerRecord]:
        made = [self._event() for _ in range(size)]
        if self.dice.random() < 0.3:
            made.append(records.again(self.dice.choice(made)))
        self.polls.append(made)
        return made

    def joined(self) -> Sequence[ConsumerRecord]:
        """Everybody registers, brought by the one before."""
        self.polls.append(
            [
                told("customer.created", who, partner_id=self.partner_id, referred_by=before)
                for before, who in zip(("nobody", *CUSTOMERS), CUSTOMERS, strict=False)
            ]
        )  # fmt: skip
        return self.polls[-1]

    def _event(self) -> ConsumerRecord:
        self._number += 1
        who, chance = self.dice.choice(CUSTOMERS), self.dice.random()
        order_id = f"{who}-{self.dice.randrange(5)}"
        common: dict[str, Any] = {"partner_id": self.partner_id}
        if chance < 0.03:
            return ordered(f"anna-{self.dice.randrange(5)}", "50", who, **common)
        if chance < 0.45:
            codes = self.dice.sample(self.codes, min(2, len(self.codes)))
            lines = [{"quantity": 1, "unit_price": "20.50", "product_id": 5, "collection_ids": [7]}]
            total = f"{self.dice.randrange(1, 12000) / 100:.2f}"
            return ordered(order_id, total, who, coupon_codes=codes, lines=lines, **common)
        if chance < 0.6:
            return refunded(order_id, f"{self.dice.randrange(1, 4000) / 100:.2f}", who, **common)
        if chance < 0.7:
            return refunded(order_id, None, who, **common)
        if chance < 0.8:
            return told("customer.event", who, name="review", metadata={"stars": 4}, **common)
        if chance < 0.86:
            data: dict[str, Any] = {"rule_id": self.rule_id, "points": self.dice.randrange(1, 90)}
            return told("points.redeem-requested", who, **data, **common)
        if chance < 0.91 and self.bought:
            owner, coupon_id = self.dice.choice(self.bought)
            by = who if self.dice.random() < 0.2 else owner
            return told("points.undo-requested", by, coupon_id=coupon_id, **common)
        if chance < 0.93:
            return records.completed(
                f"w-{self._number}", who, game_id=self.game_id, partner_id=self.partner_id
            )
        if chance < 0.96:
            return told("referral.completed", who, friend_id="nobody", **common)
        return told("customer.birthday", who, year=2026, **common)


def said(verdict: Verdict) -> object:
    """What a verdict says of everything that the program moves."""
    decision = verdict.decision
    return (
        verdict.incoming.event.cause.id,
        decision.outcome,
        decision.reason,
        [(code.code, code.outcome, code.reason) for code in decision.codes],
        decision.program,
        list(filter(None, map(_moved, decision.effects))),
    )


def _moved(effect: object) -> object:
    match effect:
        case Post():
            entry = (effect.number, effect.kind, effect.source, effect.points, effect.balance)
            return (*entry, effect.owed, effect.score, effect.spent, effect.takes)
        case ChangeTier() | Achieve() | Revoke():
            return effect
        case GrantCoupon():
            return (effect.coupon_id, effect.source)
        case ChangeCoupon():
            return (effect.coupon.id, effect.step, effect.coupon.used_count)
        case _:
            return type(effect).__name__


def summary(report: Report) -> set[str]:
    """In no order: a batch that lost a race with itself is decided in parts."""
    return {
        *(str(said(verdict)) for verdict in report.verdicts),
        *(f"{letter.position} {letter.stage}" for letter in report.letters),
        f"{report.already_decided} decided before",
        *(f"{name} {count}" for name, count in counts_of(report.verdicts).items()),
    }


async def look(life: Life, database: asyncpg.Connection) -> None:
    """What there is by now for orders to use, and to be given back."""
    rows = await database.fetch(
        "SELECT c.*, customer_id FROM coupons c JOIN customers USING (customer_no) WHERE terms IS NOT NULL ORDER BY id"
    )
    life.codes = [display(row["code"], row["code_prefix"]) for row in rows]
    life.bought = [
        (row["customer_id"], str(row["id"])) for row in rows if row["source_kind"] == "redemption"
    ]
    life.rule_id = await database.fetchval(
        "SELECT (sections #>> '{redemption,defaultRule,id}')::bigint FROM programs WHERE partner_id = $1",
        life.partner_id,
    )


async def accounts(database: asyncpg.Connection) -> list[Any]:
    """What customers have come to, without numbers and instants that are of the run."""
    return [
        tuple(row)
        for row in await database.fetch(
            "SELECT customer_id, entries, balance, owed, points_earned, score, spent, orders, referrals, tier_name,"
            " campaigns FROM wallets JOIN customers USING (customer_no) ORDER BY 1"
        )
    ]


async def follow_ups(database: asyncpg.Connection) -> Iterator[ConsumerRecord]:
    rows = await database.fetch(
        "SELECT ce_type, ce_id, value FROM outbox WHERE topic = $1 ORDER BY id", FOLLOW_UPS
    )
    return (
        told(row["ce_type"], event_id=row["ce_id"], source="/couponry/follow-ups", **json.loads(row["value"]))
        for row in rows
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_dry_run_over_lost_decisions_says_what_a_real_one_then_does(
    seed: int,
    dry: DryRun,
    drawing: Pipeline,
    database: asyncpg.Connection,
    owner: asyncpg.Connection,
    shop: int,
) -> None:
    """Points to the entry, tiers, campaigns, codes of coupons that are lost too, reversals, forged and true follow-ups."""
    wheel = await a_game(database, shop, game_type="wheel", allow_multiple_active_coupons=True)
    life = Life(dice=random.Random(seed), partner_id=shop, game_id=wheel)
    await look(life, database)
    await drawing.process(life.joined())
    for _ in range(12):
        await drawing.process(life.poll(8))
        await look(life, database)
    life.polls.append(list(await follow_ups(database)))
    await drawing.process(life.polls[-1])
    before = await accounts(database)
    letters = await database.fetchval("SELECT count(*) FROM dead_letters WHERE stage = 'source'")
    await owner.execute(f"TRUNCATE {LOST}")

    foretold = [await dry.process(poll) for poll in life.polls]
    assert await accounts(database) == []
    done = [await drawing.process(poll) for poll in life.polls]
    for number, (one, other) in enumerate(zip(foretold, done, strict=True)):
        assert summary(one) == summary(other), (seed, number)
    assert await accounts(database) == before
    assert letters == sum(
        letter.stage == "source" for report in foretold for letter in report.letters
    )
    assert await database.fetchval("SELECT count(*) FROM outbox WHERE dead_letter_id IS NULL") == sum(
        counts_of(report.verdicts)["new_messages"] for report in foretold
    )  # fmt: skip
    moved = [str(effect) for report in done for verdict in report.verdicts for effect in verdict.decision.effects]  # fmt: skip
    for word in (
        "ChangeTier(",
        "Achieve(",
        "REVERSED",
        "SPENT",
        "RESTORED",
        "GrantCoupon(",
        "CompleteReferral(",
    ):
        assert any(word in text for text in moved), word
    again = [await dry.process(poll) for poll in life.polls]
    assert not [verdict for report in again for verdict in report.verdicts]


async def test_dry_run_upon_stored_accounts_says_what_a_real_one_then_does(
    dry: DryRun, drawing: Pipeline, database: asyncpg.Connection, shop: int
) -> None:
    """Half of a life is stored, the rest foretold batch by batch, over orders, uses and lots that are there."""
    wheel = await a_game(database, shop, game_type="wheel", allow_multiple_active_coupons=True)
    life = Life(dice=random.Random(11), partner_id=shop, game_id=wheel)
    await look(life, database)
    await drawing.process(life.joined())
    for _ in range(8):
        await drawing.process(life.poll(8))
        await look(life, database)
    polls = [life.poll(6) for _ in range(12)]
    foretold = [await dry.process(poll) for poll in polls]
    done = [await drawing.process(poll) for poll in polls]
    for number, (one, other) in enumerate(zip(foretold, done, strict=True)):
        assert summary(one) == summary(other), number


def given(report: Report) -> list[object]:
    """What of groups came of each event: the coupon with its code, or why there is none; and of codes."""
    return [
        (
            verdict.incoming.event.cause.id,
            [
                (effect.terms.group, effect.pool_code or "drawn")
                if isinstance(effect, GrantCoupon)
                else effect.reason
                for effect in verdict.decision.effects
                if isinstance(effect, (GrantCoupon, DeclineReward))
            ],
            [(code.code, code.reason) for code in verdict.decision.codes],
        )
        for verdict in report.verdicts
    ]


async def test_dry_run_gives_of_groups_what_a_real_one_then_does(
    dry: DryRun, drawing: Pipeline, database: asyncpg.Connection, partner_id: int
) -> None:
    """Over what was given before, batch by batch: caps, a pool, codes of the pool in orders, and places that come back."""
    shop = GroupedShop(connection=database, partner_id=partner_id)
    bought = {"couponType": "custom", "group": {"handle": "cap"}}
    await shop.have(
        {"handle": "each", "maxPerCustomer": 2}, {"handle": "cap", "maxTotal": 4}, {"handle": "pool"},
        more=[{"name": "Buy", "type": "Reward Campaign", "isRepeatable": True, "rewards": [{"couponReward": bought}]}],
    )  # fmt: skip
    codes = [f"code {n}" for n in range(6)]
    await shop.pool("pool", *codes)
    await drawing.process([shop.visit(each) for each in ("each", "cap", "pool")])
    dice, polls = random.Random(5), []
    for number in range(24):
        who = dice.choice(CUSTOMERS)
        polls.append(
            [
                shop.visit(dice.choice(("each", "cap", "pool")), who),
                ordered(f"o-{number}", "10", who, partner_id=partner_id, coupon_codes=codes),
                refunded(f"o-{dice.randrange(number + 1)}", None, who, partner_id=partner_id),
            ]
        )  # fmt: skip
    rehearsed = [line for poll in polls for line in given(await dry.process(poll))]
    really = [line for poll in polls for line in given(await drawing.process(poll))]
    assert rehearsed == really
    text = str(really)
    for word in (
        "group_customer_limit_reached",
        "group_exhausted",
        "code 5",
        "not_owner",
        "'code 1', None",
    ):
        assert word in text, word
