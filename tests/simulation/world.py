"""One simulated run: what happens is drawn from the seed, and the invariants are checked after every step."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from schemas.events.types import CUSTOMER_BIRTHDAY, REFERRAL_COMPLETED
from schemas.topics import FOLLOW_UPS_SOURCE
from services.adapters.draws import Drawing
from services.adapters.postgres.failures import LostRace
from services.decisions.account_time import settle_lots
from services.decisions.accounts_by_hand import Booked, ByHand, book_points, hand_over_card
from services.decisions.follow_ups import birthday_cause
from services.decisions.manner import Manner, Writing
from services.decisions.passing_time import settle_due
from services.decisions.steps import StepRequest, take_step
from services.decisions.transaction import Deciding
from services.domain.coupons.codes import shown
from services.domain.coupons.coupon import Step
from services.issuer import pipeline
from services.issuer.pipeline import Pipeline
from tests.simulation.comparing import Comparing
from tests.simulation.faults import Crash, FaultyLocks, FaultyPool
from tests.simulation.invariants import violations
from tests.simulation.log import FOLLOW_UPS, PARTITIONS, Consumer, Group, Log
from tests.simulation.programs import CARDS, Draw, change_card, change_program
from tests.simulation.shopping import CUSTOMERS, GAMES, Shopping
from tests.simulation.spending import Spending
from tests.simulation.verifying import verified

WRITING = Writing(expiring_leads_hours=(24,))
DRAWING = Drawing(bytes(32))
"""One secret for all runs: a seed that chooses among coupons chooses the same ones each time."""
STORED = """
    SELECT ARRAY[(SELECT count(*) FROM decisions), (SELECT count(*) FROM dead_letters), (SELECT count(*) FROM outbox),
                 (SELECT count(*) FROM ledger), (SELECT count(*) FROM coupon_history)]"""
"""How much there is of what only grows."""
STAFF_STEPS = (Step.RESERVED, Step.RELEASED, Step.REDEEMED, Step.REINSTATED, Step.CANCELLED)


@dataclass(slots=True)
class World:
    """Everything outside Postgres. `offset` is where the database's clock stands, `relayed` the last row of the outbox."""

    pool: asyncpg.Pool
    chance: random.Random
    partner_id: int
    offset: timedelta = timedelta()
    group: Group = field(default_factory=lambda: Group(Log()))
    sent: set[str] = field(default_factory=set)
    relayed: int = 0
    has_program: bool = False
    comparing: Comparing = field(init=False)

    def __post_init__(self) -> None:
        self.comparing = Comparing(self.pool, self.partner_id, self.group.log)

    @property
    def now(self) -> datetime:
        """Where the clock stands."""
        return datetime.now(UTC) + self.offset

    @property
    def _draw(self) -> Draw:
        return Draw(self.chance, self.now)

    @property
    def _spending(self) -> Spending:
        return Spending(self.pool, self.chance, self.partner_id, self.comparing)

    @property
    def _manner(self) -> Manner:
        return Manner(clock_offset=self.offset, writing=WRITING, drawing=DRAWING)

    async def step(self) -> str:
        """One thing that happens; returns its name."""
        happenings = (
            (self.produce, 14), (self.deliver, 12), (self.deliver_at_once, 2), (self.crash, 4),
            (self.rebalance, 2), (self.turn_clock, 2), (self.change_rule, 1), (self.staff, 3),
            (self.sweep, 2), (self.relay, 4), (self.calendar, 1), (self.book, 6),
            (self.hand_over, 3), (self.change_program, 1), (self.redeem, 6), (self.undo, 2), (self.fill, 2),
        )  # fmt: skip
        chosen = self.chance.choices([h for h, _ in happenings], [w for _, w in happenings])[0]
        await chosen()
        return chosen.__name__

    async def produce(self) -> None:
        """A few events, some of them sent again, some out of order over partitions, some unreadable."""
        for _ in range(self.chance.randint(6, 14)):
            partition = self.chance.randrange(PARTITIONS)
            if self.sent and self.chance.random() < 0.2:
                event_id = self.chance.choice(sorted(self.sent))
            else:
                event_id = f"e-{len(self.sent)}"
                self.sent.add(event_id)
            kind, data = Shopping(self.chance, self.partner_id).event()
            if kind == "order.placed":
                who, number = data["customer_id"], self.chance.choice((0, 1, 1, 2))
                data["coupon_codes"] = [await self._some_code(who) for _ in range(number)]
            elif kind.startswith("points."):
                asks = self._spending.redeemed if "undo" in kind else self._spending.redemption
                data["customer_id"], more = await asks(data["customer_id"])
                data |= more
            at = self.now - timedelta(minutes=self.chance.randint(0, 9))
            unreadable = self.chance.random() < 0.05
            self.group.log.append(
                partition, kind, event_id, at.isoformat(), None if unreadable else data
            )

    async def _some_code(self, customer_id: str) -> str:
        """Mostly one of theirs that can be used and no game issued; now and then any."""
        anything = self.chance.random() < 0.3
        row = await self.pool.fetchrow(
            "SELECT code, code_prefix, external_code FROM coupons JOIN customers USING (customer_no) WHERE $1 OR"
            " (customer_id = $2 AND game_id IS NULL AND status = 'active') ORDER BY md5(id::text || $3) LIMIT 1",
            anything, customer_id, str(self.chance.random()),
        )  # fmt: skip
        return "no code" if row is None else shown(*row)

    async def deliver(self, fuse: int | None = None) -> None:
        """A member polls, decides and commits its offsets, unless it dies on the way."""
        await self._work(self.chance.choice(self.group.members), fuse)

    async def deliver_at_once(self) -> None:
        """Both members at the same moment, on two connections."""
        await asyncio.gather(*(self._work(member, None) for member in self.group.members))

    async def crash(self) -> None:
        """A member dies at some statement, at its commit, or after it before its offsets are committed."""
        await self.deliver(self.chance.randint(0, 14))

    async def _work(self, member: Consumer, fuse: int | None) -> None:
        records = self.group.poll(member, self.chance.randint(1, 14))
        if not records:
            return
        pool = FaultyPool(self.pool, self.chance)
        pool.fuse = fuse
        deciding = Pipeline(
            pool,  # type: ignore[arg-type]
            FaultyLocks(self.chance),
            self._manner,
        )
        try:
            await deciding.process(records)
        except Crash:
            self.group.restart(member)
            return
        if self.chance.random() < 0.8:
            self.group.commit(records)
        else:
            self.group.restart(member)  # killed between Postgres and its offsets

    async def rebalance(self) -> None:
        """Partitions change hands."""
        self.group.rebalance(self.chance)

    async def turn_clock(self) -> None:
        """The database's clock jumps, mostly forward: by minutes, hours or days; sometimes back."""
        hours = self.chance.choice((0.08, 1, 25, 24 * 8, -0.08, -2))
        self.offset += timedelta(hours=hours)

    async def change_rule(self) -> None:
        """A partner changes a game; what the single rule forbids is not tried."""
        change = self.chance.choice(
            (
                "is_active = NOT is_active",
                "coupon_validity_days = 1 + (coalesce(coupon_validity_days, 0) * 7) % 30",
                "stamps_required = 1 + stamps_required % 3",
                "total_limit = total_limit + 1",
            )
        )
        await self.pool.execute(
            f"UPDATE games SET {change} WHERE id = $1",
            self.chance.choice(GAMES),
        )

    async def change_program(self) -> None:
        """The partner changes all of the program, a section, or a card; from the first time on there is one."""
        sections = ("campaigns", "cashback", "settings", "referrals", "redemption", "couponGroups")
        if not self.has_program or self.chance.random() < 0.3:
            await change_program(self.pool, self.partner_id, self._draw)
            self.has_program = True
            for _ in CARDS:
                await change_card(self.pool, self._draw)
        elif self.chance.random() < 0.6:
            some = (self.chance.choice(sections),)
            await change_program(self.pool, self.partner_id, self._draw, some)
        else:
            await change_card(self.pool, self._draw)
        await self.comparing.forget_pools()

    async def redeem(self) -> None:
        """A customer redeems points at once."""
        await self._spending.redeem(self._by_hand(), Deciding(self._manner))

    async def undo(self) -> None:
        """A customer gives a coupon back at once."""
        await self._spending.undo(self._by_hand(), Deciding(self._manner))

    async def fill(self) -> None:
        """A group of coupons gets codes."""
        await self._spending.fill()

    async def relay(self) -> None:
        """What we tell ourselves reaches its topic, now and then twice; and so may a forgery."""
        rows = await self.pool.fetch(
            "SELECT id, ce_id, ce_type, ce_time, value FROM outbox WHERE topic = 'follow-ups' AND id > $1 ORDER BY id",
            self.relayed,
        )
        for row in rows:
            self.relayed = row["id"]
            for _ in range(self.chance.choice((1, 1, 2))):
                self._follow(row["ce_type"], row["ce_id"], row["ce_time"], json.loads(row["value"]))
        if self.chance.random() < 0.1:
            anna = {"partner_id": self.partner_id, "customer_id": "anna"}
            self._follow(REFERRAL_COMPLETED, "forged", self.now, anna | {"friend_id": "bert"})

    async def calendar(self) -> None:
        """Somebody's birthday comes, in whatever year."""
        row = await self.pool.fetchrow(
            "SELECT customer_no, customer_id FROM profiles JOIN customers USING (customer_no)"
            " WHERE birthday IS NOT NULL ORDER BY md5(customer_no::text || $1) LIMIT 1",
            str(self.chance.random()),
        )
        if row is None:
            return
        year = self.chance.choice((2026, 2027, 2028))
        await self.pool.execute(
            "INSERT INTO birthdays (customer_no, year, partner_id, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            row["customer_no"], year, self.partner_id, self.now,
        )  # fmt: skip
        data = {"partner_id": self.partner_id, "customer_id": row["customer_id"], "year": year}
        cause = birthday_cause(row["customer_no"], year)
        self._follow(CUSTOMER_BIRTHDAY, cause.id, self.now, data)

    def _follow(self, kind: str, id_: str, at: datetime, data: dict[str, Any]) -> None:
        self.group.log.append(FOLLOW_UPS, kind, id_, at.isoformat(), data, FOLLOW_UPS_SOURCE)

    async def book(self) -> None:
        """A partner books points by hand, or more often takes some: all, a part, or more than there are."""
        asked = self._by_hand()
        balance = await self.pool.fetchval(
            "SELECT balance FROM wallets JOIN customers USING (customer_no) WHERE customer_id = $1",
            asked.customer_id,
        )
        taken = self.chance.choice((balance or 0, self.chance.randint(0, 1 + (balance or 0))))
        amount, ends_at = -taken or 60, None
        if amount > 0 and self.chance.random() < 0.5:
            ends_at = self.now + timedelta(days=2)
        data = {"customer_id": asked.customer_id, "points": amount, "ends_at": ends_at}
        self.comparing.by_hand[asked.event_id] = data
        async with self.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            booked = await book_points(
                connection, asked, Deciding(self._manner), transaction_id=asked.event_id, amount=amount,
                reason=None, ends_at=ends_at,
            )  # fmt: skip
            await (transaction.commit() if isinstance(booked, Booked) else transaction.rollback())

    async def hand_over(self) -> None:
        """A card is given by hand, or taken."""
        asked, card_id = self._by_hand(), self.chance.choice((*CARDS, None))
        self.comparing.by_hand[asked.event_id] = {
            "customer_id": asked.customer_id,
            "card_id": card_id,
        }
        async with self.pool.acquire() as connection, connection.transaction():
            await hand_over_card(connection, asked, Deciding(self._manner), card_id)

    def _by_hand(self) -> ByHand:
        return ByHand(
            partner_id=self.partner_id,
            customer_id=self.chance.choice(CUSTOMERS),
            source="/hand",
            event_id=f"h-{len(self.comparing.by_hand)}",
        )

    async def staff(self) -> None:
        """Somebody in a shop does something to some coupon."""
        coupon_id = await self.pool.fetchval(
            "SELECT id::text FROM coupons ORDER BY md5(id::text || $1) LIMIT 1",
            str(self.chance.random()),
        )
        if coupon_id is None:
            return
        request = StepRequest(
            coupon_id=coupon_id,
            step=self.chance.choice(STAFF_STEPS),
            shop_id=self.chance.choice((1, 2)),
            actor="staff",
            reserve_for=timedelta(minutes=15),
        )
        async with self.pool.acquire() as connection, connection.transaction():
            await take_step(connection, request, self._manner)

    async def sweep(self) -> None:
        """The sweeper comes round."""
        try:
            async with self.pool.acquire() as connection, connection.transaction():
                await settle_due(
                    connection,
                    self._manner,
                    actor="sweeper",
                    limit=3,
                )
            async with self.pool.acquire() as connection, connection.transaction():
                await settle_lots(connection, self._manner, limit=3)
        except LostRace:
            pass

    async def finish(self) -> None:
        """Everything is delivered in the end."""
        self.group.rebalance(self.chance)
        while not self.group.is_done:
            for member in self.group.members:
                await self._work(member, None)
            await self.relay()

    async def replay(self) -> None:
        """All of it is read once more, from the beginning."""
        self.group.committed = [0 for _ in self.group.committed]
        self.group.rebalance(self.chance)
        while not self.group.is_done:
            for member in self.group.members:
                await self._work(member, None)

    async def wrong(self, *, finished: bool = False) -> list[str]:
        """What does not hold now, and what the model says otherwise."""
        found = await violations(self.pool, self.group, finished=finished)
        return [*found, *await self.comparing.differences(self.now)]


class RuleFailures(logging.Handler):
    """What the pipeline says when the rules raise: it mends that by deciding record by record, so nothing else shows."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, if it is about the rules."""
        if "RuleFailed" in record.getMessage():
            self.said.append(record.getMessage())

    def __enter__(self) -> RuleFailures:
        pipeline.log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        pipeline.log.removeHandler(self)


async def run_seed(pool: asyncpg.Pool, partner_id: int, seed: int, steps: int) -> None:
    """Raises AssertionError that names the seed, the step and what does not hold."""
    with RuleFailures() as failures:
        await _run_seed(pool, partner_id, seed, steps)
    assert not failures.said, f"seed {seed}: {failures.said}"


async def _run_seed(pool: asyncpg.Pool, partner_id: int, seed: int, steps: int) -> None:
    world = World(pool, random.Random(seed), partner_id)
    world.group.rebalance(world.chance)
    if world.chance.random() < 0.9:
        await world.change_program()
        for _ in range(world.chance.choice((0, 1, 2))):
            await world.fill()
    history = []
    for number in range(steps):
        history.append(await world.step())
        wrong = await world.wrong()
        assert not wrong, f"seed {seed}, step {number} ({' '.join(history[-5:])}): {wrong}"
    await world.finish()
    wrong = [*await world.wrong(finished=True), *await verified(pool)]
    assert not wrong, f"seed {seed}, when all was delivered: {wrong}"
    was = await pool.fetchval(STORED)
    await world.replay()
    assert await pool.fetchval(STORED) == was, f"seed {seed}: a replay has changed something"
