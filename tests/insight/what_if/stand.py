"""Play a script through the real pipeline, on the test clock, and keep what came of every event.

A second game can be played `like` a first one: whatever is no rule, what staff did and which codes orders redeemed, is
as it was there.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer, ConsumerRecord

from schemas.partners.games import read_game
from schemas.topics import ORDERS
from services.adapters.kafka import client_options
from services.adapters.postgres.games import games_by_id
from services.adapters.postgres.pool import connect, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.decisions.manner import Manner
from services.decisions.rule_changes import update_games
from services.decisions.steps import StepRequest, take_step
from services.domain.arrival import Verdict
from services.domain.coupons.codes import display
from services.domain.coupons.effects import DeclineIssuance, IssueCoupon
from services.domain.decision import CodeOutcome
from services.domain.events import GameCompleted
from services.domain.stamps import AddStamp
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.insight.what_if.script import Act, Event, Poll, Rules, Staff
from tests.stand import records
from tests.stand.issuing import a_game, a_partner

BEGINNING = datetime(2027, 3, 1, 9, tzinfo=UTC)
"""Where every script begins, so that days and weeks end at the same acts whenever it is played."""


@dataclass(slots=True, kw_only=True)
class Game:
    """One game of a partner of its own, and what came of the events so far."""

    settings: Settings
    database: asyncpg.Connection
    pool: asyncpg.Pool
    locks: CustomerLocks
    partner_id: int
    game_id: int
    products: tuple[int, ...]
    fixed: Mapping[str, Any]
    like: Game | None = None
    producer: AIOKafkaProducer | None = None
    answers: dict[str, str | None] = field(default_factory=dict)
    stamped: set[str] = field(default_factory=set)
    redeemed: set[tuple[str, str]] = field(default_factory=set)
    staff_did: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    at: datetime = BEGINNING
    acts: int = 0

    @property
    def source(self) -> str:
        """Of its events."""
        return f"/game/{self.game_id}"

    @property
    def offset(self) -> timedelta:
        """Of the test clock, at this moment of the script."""
        return self.at - datetime.now(UTC)

    async def play(self, script: Sequence[Act]) -> None:
        """All of it, one act after the other."""
        for act in script:
            number, self.acts = self.acts, self.acts + 1
            self.at += act.after
            match act:
                case Poll():
                    await self._poll(act)
                case Staff():
                    if self.like is None or number in self.like.staff_did:
                        await self._step(act, number)
                case Rules():
                    if self.like is None or number in self.like.changed:
                        await self.change(act.fields, number)

    async def change(self, fields: Mapping[str, Any], number: int = -1) -> None:
        """Change the game, except what is fixed here; refused by rule 6, it is not changed."""
        stored = (await games_by_id(self.database, [self.game_id]))[self.game_id].definition
        changes = {self.game_id: read_game(self.with_ids({**fields, **self.fixed}), stored)}
        transaction = self.database.transaction()
        await transaction.start()
        refusals = await update_games(
            self.database, changes, actor="test", manner=Manner(clock_offset=self.offset)
        )
        if refusals:
            assert self.like is None, "the other game was changed: this script compares nothing"
            await transaction.rollback()
            return
        await transaction.commit()
        self.changed.add(number)

    def with_ids(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Products by their ids instead of their places."""
        named = fields.get("product_ids")
        return {**fields, **({"product_ids": [self.products[n] for n in named]} if named else {})}

    async def _poll(self, poll: Poll) -> None:
        batch = [await self._record(event, place) for place, event in enumerate(poll.events)]
        pipeline = Pipeline(self.pool, self.locks, Manner(clock_offset=self.offset))
        report = await pipeline.process(batch)
        assert not report.letters
        for verdict in report.verdicts:
            self._note(verdict)

    def _note(self, verdict: Verdict) -> None:
        """What came of an event for this game; a completion of it, or an order's full card."""
        event, name = verdict.incoming.event, verdict.incoming.event.cause.id
        if isinstance(event, GameCompleted):
            assert verdict.decision.outcome
            self.answers[name] = verdict.decision.reason or "issued"
            return
        self.answers[name] = None
        for effect in verdict.decision.effects:
            if isinstance(effect, AddStamp):
                self.stamped.add(name)
            elif isinstance(effect, IssueCoupon):
                self.answers[name] = "issued"
            elif isinstance(effect, DeclineIssuance):
                self.answers[name] = effect.reason.value

    async def _record(self, event: Event, place: int) -> ConsumerRecord:
        data: dict[str, Any] = {"partner_id": self.partner_id, "customer_id": event.customer}
        if event.kind == "game.completed":
            data |= {"game_id": self.game_id, "result": "won" if event.won else "lost"}
        else:
            data |= {"order_id": event.order}
        if event.kind == "order.placed":
            lines = [
                {"product_id": self.products[n], "quantity": 1, "unit_price": "1"}
                for n in event.products
            ]
            codes = await self._codes(event)
            data |= {"currency": "EUR", "total": "9.90", "coupon_codes": codes, "lines": lines}
        at = self.at - timedelta(seconds=1)
        headers = dict(records.headers(event.name, self.source, at))
        headers["ce_type"] = event.kind.encode()
        value = json.dumps(data).encode()
        record = records.raw(tuple(headers.items()), value, timestamp_ms=place)
        if self.producer is not None and event.kind != "game.completed":
            topic = self.settings.topic(ORDERS)
            sent = await self.producer.send_and_wait(topic, value, headers=list(headers.items()))
            record.topic, record.partition, record.offset = topic, sent.partition, sent.offset
        return record

    async def _codes(self, event: Event) -> list[str]:
        codes = []
        for name in event.codes:
            if self.like is not None and (event.name, name) not in self.like.redeemed:
                continue
            if (coupon := await self._coupon(name)) is not None:
                codes.append(display(coupon["code"], coupon["code_prefix"]))
        return codes

    async def _coupon(self, event_name: str) -> asyncpg.Record | None:
        return await self.database.fetchrow(
            "SELECT c.* FROM coupons c JOIN decisions d USING (event_key)"
            " WHERE d.event_source = $1 AND d.event_id = $2 AND c.game_id = $3",
            self.source, event_name, self.game_id,
        )  # fmt: skip

    async def _step(self, act: Staff, number: int) -> None:
        coupon = await self._coupon(act.event)
        if coupon is None:
            return
        request = StepRequest(
            coupon_id=str(coupon["id"]), step=act.step, shop_id=1, actor="test",
            reserve_for=timedelta(minutes=15),
        )  # fmt: skip
        async with self.database.transaction():
            answer = await take_step(self.database, request, Manner(clock_offset=self.offset))
        assert answer is not None
        if answer.refusal is None:
            self.staff_did.add(number)

    async def note_redeemed(self) -> None:
        """Which codes of which orders were redeemed, for a game that is played like this one."""
        rows = await self.database.fetch(
            "SELECT event_id, codes FROM decisions WHERE event_source = $1 AND codes IS NOT NULL",
            self.source,
        )
        for row in rows:
            for code in json.loads(row["codes"]):
                if code["outcome"] == CodeOutcome.REDEEMED:
                    name = await self.database.fetchval(
                        "SELECT event_id FROM decisions JOIN coupons c USING (event_key) WHERE c.id = $1",
                        UUID(code["coupon_id"]),
                    )
                    self.redeemed.add((row["event_id"], name))


class Table:
    """Sets up games. Owns connections."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Table:
        # Nothing here is to survive a crash.
        self.database = await connect(self.settings, "test", synchronous_commit="off")
        self.pool = await open_pool(
            self.settings, "issuer", enable_seqscan="off", synchronous_commit="off"
        )
        self.locks = CustomerLocks(self.settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.locks.close()
        self.pool.terminate()
        await self.database.close()

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[None]:
        """Orders of games that are set up meanwhile stand in their topic too."""
        async with AIOKafkaProducer(**client_options(self.settings)) as self.producer:
            yield
        self.producer = None

    async def game(
        self,
        fields: Mapping[str, Any],
        fixed: Mapping[str, Any] | None = None,
        like: Game | None = None,
    ) -> Game:
        """A game of a new partner, which has two products. `fixed`: what other rules always say."""
        partner_id = await a_partner(self.database)
        products = [
            await self.database.fetchval(
                "INSERT INTO products (partner_id, name) VALUES ($1, 'Coffee') RETURNING id",
                partner_id,
            )
            for _ in range(2)
        ]
        rules = {**fields, **(fixed or {})}
        if places := rules.get("product_ids"):
            rules["product_ids"] = [products[n] for n in places]
        if like is not None:
            await like.note_redeemed()
        return Game(
            settings=self.settings,
            database=self.database,
            pool=self.pool,
            locks=self.locks,
            partner_id=partner_id,
            game_id=await a_game(self.database, partner_id, **rules),
            products=tuple(products),
            fixed=fixed or {},
            like=like,
            producer=self.producer if like is None else None,
        )
