"""What can be seen from outside: messages as readers of committed records get them, and decisions in the database.

While the run lasts, `watch` crosses off what has an outcome; a glance that fails is taken again. In the end `published`
reads every message there is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from schemas.topics import COUPON_ISSUED, DEAD_LETTERS, OUTGOING
from services.adapters.kafka import client_options
from services.adapters.postgres.failures import OF_POSTGRES, Errors
from services.adapters.postgres.pool import connect
from services.adapters.records import bounds_of, partitions_of, read_parts, side_reader
from services.runtime.settings import Settings, SettingsError
from services.runtime.side_by_side import side_by_side
from tests.faults.ledger import TAG, Ledger, Place
from tests.faults.load import Load

GLANCE_SECONDS = 0.25
UNANSWERED: Errors = (*OF_POSTGRES, SettingsError)
"""A server that is just starting may be taken for a pooler, or for one that lacks what it has."""
REPUBLISHED = "couponry_republished"
ERRORS = "__connect.errors."


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One that is out. `name`: of an event its topic and `ce_id`, of a letter the place of its record. Time in ms."""

    name: str
    at_ms: int
    tag: str


@asynccontextmanager
async def watching(settings: Settings, load: Load) -> AsyncIterator[None]:
    """Cross off what becomes visible while the block lasts. Ends the block if that fails: nothing would be seen any more."""
    block = asyncio.current_task()
    assert block is not None
    work = asyncio.create_task(
        side_by_side(_listen(settings, load), _look(settings, load.ledger)), name="watching"
    )
    work.add_done_callback(lambda done: done.cancelled() or block.cancel())
    try:
        yield
    except asyncio.CancelledError:
        if work.done() and not work.cancelled():
            work.result()
        raise
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _listen(settings: Settings, load: Load) -> None:
    """Messages, as they become readable."""
    consumer = AIOKafkaConsumer(
        *map(settings.topic, OUTGOING), **client_options(settings), group_id=None,
        auto_offset_reset="earliest", isolation_level="read_committed",
        metadata_max_age_ms=2_000,
    )  # fmt: skip
    await consumer.start()
    try:
        while True:
            try:
                polled = await consumer.getmany(timeout_ms=200)
            except KafkaError:
                await asyncio.sleep(GLANCE_SECONDS)
                continue
            for record in (record for some in polled.values() for record in some):
                load.ledger.see(_cause(record))
                if record.topic == settings.topic(COUPON_ISSUED):
                    coupon = json.loads(record.value)
                    if coupon["game_id"] == load.games.many:
                        load.codes.append((coupon["customer_id"], coupon["code"]))
    finally:
        await consumer.stop()


def _cause(record: ConsumerRecord) -> str:
    """The tag of what a message comes of; empty where it is of no record of ours."""
    headers = dict(record.headers)
    if f"{ERRORS}stage" in headers:
        return str(headers.get(TAG, b""), "utf-8")
    cause = json.loads(record.value).get("cause") or {}  # what time does has none
    return str(cause.get("id", ""))


async def _look(settings: Settings, ledger: Ledger) -> None:
    """What messages do not tell is seen where it is decided."""
    while True:
        await asyncio.sleep(GLANCE_SECONDS)
        waiting = ledger.to_look_up()
        for key in await decided(settings, list(waiting)):
            ledger.see(waiting[key])


async def decided(settings: Settings, keys: list[str]) -> set[str]:
    """Those of these event keys that have a decision; none while the database cannot be asked."""
    query = "SELECT event_key::text FROM decisions WHERE event_key = ANY($1::uuid[])"
    try:
        async with asyncio.timeout(5):
            connection = await connect(settings, "faults")
            try:
                return {row[0] for row in await connection.fetch(query, keys)}
            finally:
                connection.terminate()
    except UNANSWERED:
        return set()


async def published(settings: Settings) -> list[Message]:
    """Every message that readers of committed records can get, apart from those that were sent again on request."""
    places = await partitions_of(settings, [settings.topic(name) for name in OUTGOING])
    async with side_reader(settings) as reader:
        bounds = await bounds_of(reader, places)
        starts = {place: one.first for place, one in bounds.items()}
        ends = {place: one.end for place, one in bounds.items()}
        return [
            _message(record, settings)
            async for some in read_parts(reader, starts, ends)
            for record in some
            if REPUBLISHED not in dict(record.headers)
        ]


def _message(record: ConsumerRecord, settings: Settings) -> Message:
    headers: dict[str, Any] = dict(record.headers)
    tag = _cause(record)
    if record.topic != settings.topic(DEAD_LETTERS):
        return Message(
            name=f"{record.topic} {headers['ce_id'].decode()}", at_ms=record.timestamp, tag=tag
        )
    topic, partition, offset = (
        headers[f"{ERRORS}{name}"].decode() for name in ("topic", "partition", "offset")
    )
    return Message(
        name=letter_name(Place(topic, int(partition), int(offset), tag)),
        at_ms=record.timestamp, tag=tag,
    )  # fmt: skip


def letter_name(place: Place) -> str:
    """The name of the message of a letter."""
    return f"letter {place.topic}:{place.partition}:{place.offset} {place.tag}"
