"""A small system at work: three games, five customers, and every kind of record that a topic may hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from schemas.topics import GAME_COMPLETED, INCOMING
from services.adapters.kafka import client_options, ensure_topics
from services.adapters.postgres.pool import connect
from services.issuer.app import serve as serve_issuer
from services.relay.app import serve as serve_relay
from services.runtime.health import Health
from services.runtime.settings import Settings
from tests.stand.database import connected
from tests.stand.feed import has_committed, reader_of
from tests.stand.issuing import a_game, a_partner
from tests.stand.waiting import eventually

CUSTOMERS = ("ona", "jonas", "rūta", "petras", "eglė")
SOURCE, OTHER_SOURCE = "/games", "/other-games"
NOBODYS_GAME = 99
WAITS = "SELECT EXISTS (SELECT FROM outbox WHERE refused IS NULL)"

Headers = list[tuple[str, bytes]]
Message = tuple[str, Headers, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Ids of the games under the single rule, of many coupons with a prefix, and of coupons without end."""

    settings: Settings
    partner_id: int
    single: int
    many: int
    forever: int


async def make_world(settings: Settings) -> World:
    """Everything below, sent, decided and published."""
    await ensure_topics(settings)
    connection = await connect(settings, "test")
    partner_id = await a_partner(connection)
    many = {
        "allow_multiple_active_coupons": True,
        "coupon_validity_days": 365,
        "code_prefix": "MANY",
    }
    forever = {"allow_multiple_active_coupons": True, "coupon_validity_days": None}
    world = World(
        settings=settings,
        partner_id=partner_id,
        single=await a_game(connection, partner_id),
        many=await a_game(connection, partner_id, **many),
        forever=await a_game(connection, partner_id, **forever),
    )
    await connection.close()
    async with at_work(settings):
        await send(settings, _records(world))
        await until_settled(settings)
    return world


def _records(world: World) -> Iterable[Message]:
    """In the order in which they are sent; one customer's stay in it."""

    def of(customer: str, event_id: str, game_id: int, result: str = "won") -> Message:
        return completed(event_id, customer, world.partner_id, game_id, result=result)

    for customer in CUSTOMERS:
        yield of(customer, f"{customer}-single-1", world.single)
        yield of(customer, f"{customer}-single-2", world.single)
        yield of(customer, f"{customer}-many-1", world.many)
        yield of(customer, f"{customer}-many-2", world.many)
        yield of(customer, f"{customer}-forever", world.forever)
    yield of("ona", "ona-many-1", world.many)  # a repeat
    yield of("ona", "lost", world.many, result="lost")
    yield of("ona", "nobodys", NOBODYS_GAME)
    yield of("ona", "shared", world.many)
    yield completed("shared", "ona", world.partner_id, world.many, source=OTHER_SOURCE)
    yield ("ona", headers("bad-json"), b"{")
    yield ("ona", [("ce_specversion", b"1.0")], b"{}")
    yield ("ona", headers("mended"), b"[]")
    yield of("ona", "mended", world.forever)
    data = {"partner_id": world.partner_id, "game_id": world.forever, "customer_id": "ona"}
    event = {name[3:]: value.decode() for name, value in headers("structured")} | {"data": data}
    kind = [("content-type", b"application/cloudevents+json")]
    yield ("ona", kind, json.dumps(event).encode())


def completed(
    event_id: str,
    customer_id: str,
    partner_id: int,
    game_id: int,
    source: str = SOURCE,
    **more: object,
) -> Message:
    """A completion in binary mode."""
    data = {"partner_id": partner_id, "game_id": game_id, "customer_id": customer_id} | more
    return (customer_id, headers(event_id, source), json.dumps(data).encode())


def headers(event_id: str, source: str = SOURCE, type_: str = "game.completed") -> Headers:
    """Good headers."""
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": type_,
        "time": datetime.now(UTC).isoformat(),
    }
    return [(f"ce_{name}", value.encode()) for name, value in attributes.items()]


@asynccontextmanager
async def at_work(settings: Settings) -> AsyncIterator[None]:
    """An issuer and a relay run in this process."""
    services = {Health("issuer"): serve_issuer, Health("relay"): serve_relay}
    tasks = [asyncio.create_task(serve(settings, health)) for health, serve in services.items()]
    try:
        yield
    finally:
        for health in services:
            health.stopping.set()
        await asyncio.gather(*tasks)


async def send(
    settings: Settings, messages: Iterable[Message], topic: str = GAME_COMPLETED
) -> None:
    """Produce these to a topic, in order."""
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    try:
        sent = [
            await producer.send(settings.topic(topic), value, key=key.encode(), headers=some)
            for key, some, value in messages
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def commit(settings: Settings, offsets: Mapping[TopicPartition, int]) -> None:
    """Move the issuers' group there; it must have no members."""
    consumer = AIOKafkaConsumer(
        **client_options(settings), group_id=settings.consumer_group, enable_auto_commit=False
    )
    await consumer.start()
    consumer.assign(list(offsets))
    await consumer.commit({place: OffsetAndMetadata(at, "") for place, at in offsets.items()})
    await consumer.stop()


async def until_settled(settings: Settings) -> None:
    """Everything sent is committed by the group, nothing waits in the outbox, and nothing has come of it meanwhile."""
    async with (
        reader_of(settings, *INCOMING) as (reader, places),
        connected(settings) as connection,
    ):

        async def settled() -> bool:
            ends = await reader.end_offsets(places)
            return (
                await has_committed(settings, reader, ends)
                and not await connection.fetchval(WAITS)
                and bool(ends == await reader.end_offsets(places))
            )

        await eventually(settled, "all is decided and published", 60)
