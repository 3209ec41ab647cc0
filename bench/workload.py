"""The events every contestant gets: what they are, how many coupons are due, and how they reach the topic.

The mix, fixed by the seed: four games of one partner in equal parts, two under the single rule and two that allow
several coupons; 1.2 customers per event, so that most customers play once or twice, about 10 % of the single-rule
completions meet an active coupon and about 95 % of all events issue; one record in a hundred is a second delivery
of an earlier event. Event ids are random UUIDs, records are binary CloudEvents keyed by the customer.

`returning` customers are there already and hold a coupon of a multi-coupon game (see growth.py): half of the
events then belong to them, all in multi-coupon games, so that the same number of coupons is due however many
customers the database knows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaProducer

PARTNER_ID = 1
SINGLE_GAMES = (1, 2)
MULTIPLE_GAMES = (3, 4)
SOURCE = "/benchmark/games"
CUSTOMERS_PER_EVENT = 1.2
REPEAT_EVERY = 100
PRODUCE_CHUNK = 4_000


class Event(NamedTuple):
    """One completion. A tuple, because a million of them are held at once."""

    id: str
    game_id: int
    customer_id: str

    @property
    def key(self) -> bytes:
        return self.customer_id.encode()

    @property
    def value(self) -> bytes:
        return (
            f'{{"partner_id":{PARTNER_ID},"game_id":{self.game_id},"customer_id":"{self.customer_id}",'
            f'"session_id":"session-{self.id[:18]}","result":"won","score":900}}'
        ).encode()

    def headers(self, at: bytes) -> list[tuple[str, bytes]]:
        return [
            ("ce_specversion", b"1.0"),
            ("ce_id", self.id.encode()),
            ("ce_source", SOURCE.encode()),
            ("ce_type", b"game.completed"),
            ("ce_time", at),
            ("content-type", b"application/json"),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Records in the order they are produced; repeats of earlier ones among them."""

    records: tuple[Event, ...]

    def first(self, count: int) -> Workload:
        """The same topic data, cut short for a slow contestant."""
        return Workload(records=self.records[:count])

    def decided(self) -> list[Event]:
        """Every event once: what a correct service decides."""
        return list({event.id: event for event in self.records}.values())

    def issued(self) -> list[Event]:
        """The events that earn a coupon, in record order: under the single rule only a customer's first."""
        due, held = [], set()
        for event in self.decided():
            place = (event.customer_id, event.game_id)
            if event.game_id in MULTIPLE_GAMES or place not in held:
                due.append(event)
                held.add(place)
        return due


def make_workload(count: int, *, seed: int = 1, returning: int = 0, name: str = "c") -> Workload:
    """`count` records. `name` sets these customers apart from those of another workload."""
    return Workload(records=tuple(_draw(count, random.Random(f"{seed}{name}"), returning, name)))


def _draw(count: int, rng: random.Random, returning: int, name: str) -> Iterator[Event]:
    new_customers = max(1, int(count * CUSTOMERS_PER_EVENT))
    recent: list[Event] = []
    for number in range(count):
        if recent and number % REPEAT_EVERY == 0:
            yield rng.choice(recent)
            continue
        if returning and number % 2:
            customer, game = (
                known_customer(int(rng.random() * returning)),
                rng.choice(MULTIPLE_GAMES),
            )
        else:
            customer = f"{name}-{rng.randrange(new_customers):012d}"
            game = rng.choice(SINGLE_GAMES + MULTIPLE_GAMES)
        event = Event(str(UUID(int=rng.getrandbits(128), version=4)), game, customer)
        recent = [*recent[-99:], event] if number % 10 == 1 else recent
        yield event


def known_customer(number: int) -> str:
    return f"known-{number:010d}"


def instant(at: datetime | None = None) -> bytes:
    """RFC 3339 in UTC, as it stands in `ce_time`."""
    return (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()


async def produce(producer: AIOKafkaProducer, topic: str, workload: Workload) -> None:
    """Write the records and wait until the brokers have all of them."""
    at = instant()
    for start in range(0, len(workload.records), PRODUCE_CHUNK):
        sent = [
            await producer.send(topic, event.value, key=event.key, headers=event.headers(at))
            for event in workload.records[start : start + PRODUCE_CHUNK]
        ]
        for future in sent:
            await future
