"""The steady load: completions and orders as shops send them, a tenth of them twice, a twentieth poison.

What is sent is drawn from the seed; how fast the world answers is not, so two runs of a seed differ in their timing.
Producers send again until they are acknowledged, so what was acknowledged twice stands twice in the topic.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.topics import GAME_COMPLETED, ORDERS
from services.adapters.kafka import client_options
from services.runtime.settings import Settings
from services.stage.demo.records import WAYS_TO_SPOIL, Fate, draft
from tests.faults.ledger import Kind, Ledger, Place

TICK_SECONDS = 0.05
REPEATS, POISON = 0.10, 0.05
"""Of all records."""
CUSTOMERS = 400
RECENT = 500
"""A repeat is of one of the last so many."""
TRY_AGAIN_SECONDS = 0.2
GAMES, SHOP = "/faults/games", "/faults/shop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Games:
    """Ids. `single`: one coupon at a time; `many`: any number; `card`: by stamps; `dated`: of the other partner."""

    partner_id: int
    other_partner_id: int
    shop_id: int
    single: int
    many: int
    card: int
    dated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """As it goes to Kafka."""

    tag: str
    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


@dataclass(slots=True, kw_only=True)
class Load:
    """Sends until its block ends. `codes`: (customer, code) of coupons that somebody may redeem."""

    settings: Settings
    games: Games
    ledger: Ledger
    dice: random.Random
    per_second: float
    codes: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=RECENT))
    redeems: bool = True
    """Whether orders redeem, and are cancelled: what they do depends on what came before on another topic."""
    tells: bool = True
    """Whether games are played whose coupons a partner's own system is told of."""
    held: set[str] = field(default_factory=set)
    """Topics to which nothing is sent now."""
    _recent: deque[Record] = field(default_factory=lambda: deque(maxlen=RECENT))
    _orders: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=RECENT))
    _sending: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Until the end of the block; then what is on its way arrives."""
        # At least once, as most producers are: one that is idempotent does not outlive a topic that is made anew.
        producer = AIOKafkaProducer(
            **client_options(self.settings), acks="all", linger_ms=5, request_timeout_ms=5_000
        )
        await producer.start()
        stopping = asyncio.Event()
        work = asyncio.create_task(self._run(producer, stopping))
        try:
            yield
            stopping.set()
            await work
            await asyncio.gather(*self._sending)
        finally:
            work.cancel()
            for task in self._sending:
                task.cancel()
            await producer.stop()

    async def _run(self, producer: AIOKafkaProducer, stopping: asyncio.Event) -> None:
        owed, loop = 0.0, asyncio.get_running_loop()
        then = loop.time()
        while not stopping.is_set():
            await asyncio.sleep(TICK_SECONDS)
            now = loop.time()
            owed += min(now - then, 1.0) * self.per_second
            then = now
            for _ in range(int(owed)):
                self._send(producer, self._draw())
            owed -= int(owed)

    def _send(self, producer: AIOKafkaProducer, record: Record | None) -> None:
        if record is None:
            return
        self.ledger.records += 1
        task = asyncio.create_task(self._deliver(producer, record))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _deliver(self, producer: AIOKafkaProducer, record: Record) -> None:
        topic = self.settings.topic(record.topic)
        while True:
            try:
                sent = await producer.send_and_wait(
                    topic, record.value, key=record.key, headers=record.headers
                )
            except KafkaError:
                await asyncio.sleep(TRY_AGAIN_SECONDS)
                continue
            self.ledger.acknowledge(
                record.tag, Place(sent.topic, sent.partition, sent.offset, record.tag)
            )
            return

    def _draw(self) -> Record | None:
        """The next record; None where its topic is held."""
        roll = self.dice.random()
        topic = ORDERS if self.dice.random() < 0.25 else GAME_COMPLETED
        if topic in self.held:
            return None
        if roll < REPEATS:
            again = [one for one in self._recent if one.topic not in self.held]
            self.ledger.repeats += bool(again)
            return self.dice.choice(again) if again else None
        tag = f"e-{len(self.ledger.sent):06}"
        customer = f"customer-{self.dice.randrange(CUSTOMERS):03}"
        if roll < REPEATS + POISON:
            return self._poison(tag, topic, customer)
        record = self._order(tag, customer) if topic == ORDERS else self._completion(tag, customer)
        self._recent.append(record)
        return record

    def _poison(self, tag: str, topic: str, customer: str) -> Record:
        stage, spoil = self.dice.choice(WAYS_TO_SPOIL)
        one = draft(
            tag, datetime.now(UTC), partner_id=self.games.partner_id, game_id=self.games.many,
            customer=customer, won=True,
        )  # fmt: skip
        spoil(one)
        made = one.record(customer, Fate("dead", stage))
        self.ledger.send(tag, "poison", "")
        return Record(tag=tag, topic=topic, key=made.key, value=made.value, headers=made.headers)

    def _completion(self, tag: str, customer: str) -> Record:
        game_id = self.dice.choices(
            (self.games.many, self.games.single, self.games.dated),
            (70, 25, 5 if self.tells else 0),
        )[0]
        partner_id = (
            self.games.other_partner_id if game_id == self.games.dated else self.games.partner_id
        )
        return self.completion(tag, customer, partner_id, game_id)

    def completion(self, tag: str, customer: str, partner_id: int, game_id: int) -> Record:
        """A completed game."""
        data = {"partner_id": partner_id, "game_id": game_id, "customer_id": customer}
        return self._event(GAME_COMPLETED, "completion", GAMES, "game.completed", tag, data)

    def _order(self, tag: str, customer: str) -> Record:
        data: dict[str, Any] = {"partner_id": self.games.partner_id, "shop_id": self.games.shop_id}
        roll = self.dice.random()
        if self.redeems and self._orders and roll < 0.05:
            customer, order_id = self._orders.popleft()
            data |= {"order_id": order_id, "customer_id": customer}
            return self._event(ORDERS, "order", SHOP, "order.cancelled", tag, data)
        codes = []
        if self.redeems and self.codes and roll < 0.35:
            customer, code = self.codes.popleft()
            codes = [code]
        self._orders.append((customer, tag))
        data |= {
            "order_id": tag, "customer_id": customer, "currency": "EUR", "total": "9.90",
            "coupon_codes": codes,
        }  # fmt: skip
        return self._event(ORDERS, "order", SHOP, "order.placed", tag, data)

    def _event(
        self, topic: str, kind: Kind, source: str, type_: str, tag: str, data: dict[str, Any]
    ) -> Record:
        attributes = {
            "specversion": "1.0", "id": tag, "source": source, "type": type_,
            "time": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
        self.ledger.send(tag, kind, source)
        return Record(
            tag=tag, topic=topic, key=data["customer_id"].encode(), value=json.dumps(data).encode(),
            headers=headers,
        )  # fmt: skip
