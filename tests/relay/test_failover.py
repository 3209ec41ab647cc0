"""A standby that lagged is promoted while events come in: what it had forgotten is decided and published again."""

from __future__ import annotations

import asyncio
from collections import Counter

import asyncpg
from aiokafka import ConsumerRecord

from schemas.topics import COUPON_ISSUED, DEAD_LETTERS
from services.adapters.postgres.pool import connect
from services.adapters.records import bounds_of, partitions_of, read_parts, side_reader
from services.runtime.settings import Settings
from tests.stand.commands import CommandOn
from tests.stand.copies import administration, alone, database_name, with_database
from tests.stand.feed import feed, finished
from tests.stand.issuing import a_game, a_partner, count
from tests.stand.processes import issuer, relay
from tests.stand.records import again, completed, raw
from tests.stand.waiting import eventually

EVENTS, CHUNK = 240, 20
FORGETS_FROM, KNOWN, FORGOTTEN = 60, 120, 60
"""The standby hears no more once so many are decided, which is before more than `KNOWN` were sent; it is promoted once
so many more are."""


async def decided(settings: Settings, number: int) -> None:
    """Wait until so many events are decided, seen by a new session each time."""

    async def is_so() -> bool:
        try:
            connection = await connect(settings, "test")
            try:
                return await count(connection, "decisions") >= number
            finally:
                await connection.close()
        except (asyncpg.PostgresError, OSError):
            return False

    await eventually(is_so, f"{number} events are decided", seconds=90)


async def coupons(settings: Settings) -> set[tuple[str, str]]:
    """(id, code) of every coupon."""
    connection = await connect(settings, "test")
    try:
        return {tuple(row) for row in await connection.fetch("SELECT id::text, code FROM coupons")}
    finally:
        await connection.close()


async def published(settings: Settings, topic: str) -> list[ConsumerRecord]:
    """Every committed record of the topic."""
    places = await partitions_of(settings, [settings.topic(topic)])
    async with side_reader(settings) as reader:
        bounds = await bounds_of(reader, places)
        starts, ends = (
            {at: one.first for at, one in bounds.items()},
            {at: one.end for at, one in bounds.items()},
        )
        return [record async for some in read_parts(reader, starts, ends) for record in some]


async def send(settings: Settings, events: list[ConsumerRecord], left: asyncio.Event) -> None:
    """In chunks, of every ten records one a repeat and one poison; what the standby must not know, once it is left."""
    for start in range(0, EVENTS, CHUNK):
        if start >= KNOWN:
            await left.wait()
        some = events[start : start + CHUNK]
        bad = [raw((("ce_id", f"bad-{start + n}".encode()),), b"{") for n in range(2)]
        await feed(settings, [*some, *bad, *(again(event) for event in some[:2])])


async def test_promoted_standby_loses_no_event_and_no_message(
    topics: Settings, couponry_on: CommandOn
) -> None:
    """Tables and sequences go back, under load, with issuer and relay at work: each event is decided, its message is
    out once or twice with one `ce_id`, and the letters likewise."""
    connection = await connect(topics, "test")
    partner_id = await a_partner(connection)
    game_id = await a_game(connection, partner_id, allow_multiple_active_coupons=True)
    await connection.close()
    events = [
        completed(f"e-{n}", f"c-{n % 17}", partner_id=partner_id, game_id=game_id)
        for n in range(EVENTS)
    ]
    primary = database_name(topics)
    standby, gone = f"{primary}_standby", f"{primary}_gone"
    async with administration(with_database(topics, "postgres")) as admin:
        async with issuer(topics) as deciding, relay(topics) as publishing:
            left = asyncio.Event()
            sending = asyncio.create_task(send(topics, events, left))
            await decided(topics, FORGETS_FROM)
            await alone(admin, [primary], f"CREATE DATABASE {standby} TEMPLATE {primary}")
            heard = len(await coupons(with_database(topics, standby)))
            left.set()
            await decided(topics, heard + FORGOTTEN)
            promotion = f"ALTER DATABASE {primary} RENAME TO {gone}; ALTER DATABASE {standby} RENAME TO {primary}"
            await alone(admin, [primary, standby], promotion)
            await sending
            await decided(topics, EVENTS)
            await finished(topics)
            await eventually(lambda: _is_empty(topics), "everything is published", seconds=60)
            assert (await deciding.stopped(), await publishing.stopped()) == (0, 0)
        issued = await coupons(with_database(topics, gone))
        assert heard < len(issued), "something was forgotten"
        assert issued <= await coupons(topics), "what was decided again is the same coupon"
        await admin.execute(f"DROP DATABASE {gone} WITH (FORCE)")

    connection = await connect(topics, "test")
    wanted = {f"{id_}.issued" for id_, _ in await coupons(topics)}
    letters = await count(connection, "dead_letters")
    assert await count(connection, "decisions") == len(wanted) == EVENTS
    await connection.close()
    out = await published(topics, COUPON_ISSUED)
    times = Counter(dict(record.headers)["ce_id"].decode() for record in out)
    assert times.keys() == wanted, "no coupon of before is another one now"
    assert max(times.values()) <= 2
    dead = Counter(dict(r.headers)["ce_id"] for r in await published(topics, DEAD_LETTERS))
    assert letters == len(dead) == EVENTS // CHUNK * 2
    assert max(dead.values()) <= 2
    report = (await couponry_on(topics)("verify", "--json")).json()
    assert report["violations"] == []


async def _is_empty(settings: Settings) -> bool:
    connection = await connect(settings, "test")
    try:
        return await count(connection, "outbox") == 0
    finally:
        await connection.close()
