"""The process as it runs: killed anywhere it has told everybody in the end, and two of them tell nobody twice."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from schemas.topics import COUPON_ISSUED, COUPON_LIFECYCLE
from services import webhooks
from services.adapters.kafka import client_options
from services.runtime.settings import Settings
from tests.stand.processes import service
from tests.stand.receiver import Got, Receiver, own_code, receiving
from tests.stand.waiting import eventually
from tests.webhooks.stand import Stand

POINTS = (
    "webhooks.before_offsets",
    "webhooks.after_begin",
    "webhooks.after_send",
    "webhooks.after_write",
)
"""All that the room reaches."""
RETRIES = ",".join(["0"] + ["1"] * 12)


@pytest.fixture
async def producer(topics: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """In place of the relay."""
    producer = AIOKafkaProducer(**client_options(topics))
    await producer.start()
    yield producer
    await producer.stop()


async def published(
    producer: AIOKafkaProducer, stand: Stand, coupons: Sequence[tuple[str, str]]
) -> None:
    """`coupon.issued` of each (coupon id, customer id)."""
    for coupon_id, customer_id in coupons:
        value = {"coupon_id": coupon_id, "partner_id": stand.partner_id, "game_id": None}
        await producer.send(
            stand.settings.topic(COUPON_ISSUED),
            json.dumps(value).encode(),
            key=customer_id.encode(),
            headers=[("ce_type", b"coupon.issued")],
        )
    await producer.flush()


async def issued(stand: Stand, customers: int, each: int) -> list[tuple[str, str]]:
    """So many coupons of each of so many customers, in order of issue."""
    names = [f"c{number}" for _ in range(each) for number in range(customers)]
    return [(await stand.coupon(name), name) for name in names]


def assert_told_in_order(receiver: Receiver, coupons: Sequence[tuple[str, str]]) -> None:
    """Everybody heard of all theirs, first of the first, under one id each."""
    expected, heard = defaultdict(list), defaultdict(list)
    for coupon_id, customer_id in coupons:
        expected[customer_id].append(f"issued_{coupon_id}")
    for got in receiver.got:
        heard[got.json()["customerId"]].append(got.id)
    firsts = {customer_id: list(dict.fromkeys(ids)) for customer_id, ids in heard.items()}
    assert firsts == dict(expected)


def test_every_point_of_the_room_is_met() -> None:
    """One that comes is killed at here too."""
    files = Path(webhooks.__path__[0]).glob("*.py")
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    assert set(re.findall(r'\breach\("([\w.]+)"\)', code)) == set(POINTS)


@pytest.mark.parametrize("point", POINTS)
async def test_killed_anywhere_it_loses_nothing_and_keeps_the_order(
    stand: Stand, producer: AIOKafkaProducer, point: str
) -> None:
    """At each point of the way, in the middle of much: delivered at least once under one id, none out of its order."""
    settings = stand.settings.model_copy(update={"webhook_retry_seconds": RETRIES})
    async with receiving() as receiver:
        await stand.webhook(receiver.url)
        coupons = await issued(stand, customers=8, each=4)
        await published(producer, stand, coupons)
        nth = 1 if point.endswith("offsets") else 3
        async with service(
            "webhooks", settings, allow_crash_points=True, crash_at=f"{point}:{nth}"
        ) as doomed:
            assert await doomed.ended() == -signal.SIGKILL
        async with service("webhooks", settings) as running:
            await stand.until([coupon_id for coupon_id, _ in coupons], "delivered")
            assert await running.stopped() == 0
    assert_told_in_order(receiver, coupons)
    codes = [await stand.code(coupon_id) for coupon_id, _ in coupons]
    assert codes == [f"OWN-issued_{coupon_id}" for coupon_id, _ in coupons]
    told = await stand.connection.fetchval(
        "SELECT count(*) FROM outbox WHERE ce_type = 'coupon.delivered'"
    )
    assert told == len(coupons)


async def test_two_processes_tell_nobody_twice_and_one_takes_over(
    stand: Stand, producer: AIOKafkaProducer
) -> None:
    """One sends while the other stands by; when the first is killed, the second goes on where it was."""
    settings = stand.settings.model_copy(update={"webhook_retry_seconds": RETRIES})

    async def slowly(got: Got) -> bytes:
        await asyncio.sleep(0.05)
        return own_code(got)

    async with receiving(slowly) as receiver, AsyncExitStack() as stack:
        await stand.webhook(receiver.url, maxInFlight=4)
        first = await stack.enter_async_context(service("webhooks", settings))
        await first.ready()
        second = await stack.enter_async_context(service("webhooks", settings))
        await second.ready()
        coupons = await issued(stand, customers=10, each=3)
        await published(producer, stand, coupons)
        await published(producer, stand, coupons)
        await stand.until([coupon_id for coupon_id, _ in coupons], "delivered")
        assert len(receiver.got) == len(coupons)
        assert receiver.most_at_once <= 4
        more = await issued(stand, customers=10, each=3)
        await published(producer, stand, more)
        await stand.until([coupon_id for coupon_id, _ in more[:5]], "delivered")
        first.signal(signal.SIGKILL)
        await stand.until([coupon_id for coupon_id, _ in more], "delivered")
        assert await second.metric("couponry_webhook_attempts_total") > 0
    assert_told_in_order(receiver, [*coupons, *more])
    assert len(receiver.got) <= len(coupons) + len(more) + 4


async def test_cancellation_that_is_published_is_told(
    stand: Stand, producer: AIOKafkaProducer
) -> None:
    """And records of games, of other steps, and of no kind at all are read past."""
    settings = stand.settings.model_copy(update={"webhook_retry_seconds": RETRIES})
    async with receiving() as receiver, service("webhooks", settings) as running:
        await stand.webhook(receiver.url, cancelUrl=receiver.url)
        (coupon,) = await issued(stand, customers=1, each=1)
        topic = stand.settings.topic(COUPON_LIFECYCLE)
        for junk in (
            b"",
            b"{",
            b"[]",
            b'{"game_id": null}',
            b'{"game_id": null, "coupon_id": 7, "partner_id": 1}',
        ):
            await producer.send(stand.settings.topic(COUPON_ISSUED), junk)
            await producer.send(topic, junk, headers=[("ce_type", b"coupon.cancelled")])
        await published(producer, stand, [coupon])
        await stand.until([coupon[0]], "delivered")
        value = {
            "coupon_id": coupon[0],
            "partner_id": stand.partner_id,
            "game_id": None,
            "at": "2026-11-02T00:00:00.000000Z",
        }
        for step in (b"coupon.expiring", b"coupon.cancelled"):
            await producer.send(topic, json.dumps(value).encode(), headers=[("ce_type", step)])
        await producer.flush()
        async with asyncio.timeout(20):
            while len(receiver.got) < 2:
                await asyncio.sleep(0.05)
        assert await running.is_ready()
        assert await running.stopped() == 0
    assert receiver.ids == [f"issued_{coupon[0]}", f"cancelled_{coupon[0]}"]


async def test_sender_that_is_frozen_is_followed_and_comes_back_to_nothing(
    stand: Stand, producer: AIOKafkaProducer
) -> None:
    """Another takes over in the middle of its attempts; thawed, it ends nothing that is not its own any more."""
    settings = stand.settings.model_copy(update={"webhook_retry_seconds": RETRIES})
    thawed = asyncio.Event()

    async def held_up(got: Got) -> bytes:
        await thawed.wait()
        return own_code(got)

    async with receiving(held_up) as receiver, AsyncExitStack() as stack:
        await stand.webhook(receiver.url, timeoutSeconds=30)
        first = await stack.enter_async_context(service("webhooks", settings))
        await first.ready()
        coupons = await issued(stand, customers=4, each=3)
        await published(producer, stand, coupons)

        async def are_asked() -> bool:
            return receiver.at_once == 4

        await eventually(are_asked, "the first of each line is under way")
        first.signal(signal.SIGSTOP)
        receiver.script = own_code
        second = await stack.enter_async_context(service("webhooks", settings))
        await stand.until([coupon_id for coupon_id, _ in coupons], "delivered")
        first.signal(signal.SIGCONT)
        thawed.set()
        await first.ready()
        more = await issued(stand, customers=4, each=1)
        await published(producer, stand, more)
        await stand.until([coupon_id for coupon_id, _ in more], "delivered")
        assert await first.stopped() == 0
        assert await second.stopped() == 0
    assert_told_in_order(receiver, [*coupons, *more])
    times = Counter(receiver.ids)
    assert [times[f"issued_{coupon_id}"] for coupon_id, _ in coupons] == [2] * 4 + [1] * 8
    for coupon_id, _ in coupons[:4]:
        assert await stand.errors(coupon_id) == ["interrupted", None]
    told = await stand.connection.fetchval(
        "SELECT count(*) FROM outbox WHERE ce_type = 'coupon.delivered'"
    )
    assert told == len(coupons) + len(more)
