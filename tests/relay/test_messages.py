"""What a reader gets: headers, key and value of an event, and a dead letter as it came."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from schemas.topics import COUPON_ISSUED, COUPON_LIFECYCLE, DEAD_LETTERS, ORDERS
from services.relay.app import STOP_SECONDS
from services.runtime.settings import Settings
from tests.relay.stand import is_drained, published, queue
from tests.stand.database import connected
from tests.stand.processes import ServiceProcess, relay
from tests.stand.waiting import eventually

INSERT_LETTER = """
INSERT INTO dead_letters (topic, partition, "offset", record_time, stage, exception, message,
                          key, value, header_names, header_values)
VALUES ('game-completed', 3, $1, now(), 'schema', 'ValidationError', 'game_id: not an integer', $2, $3, $4, $5)
RETURNING id"""
REASONS = [
    ("__connect.errors.topic", b"game-completed"),
    ("__connect.errors.partition", b"3"),
    ("__connect.errors.stage", b"schema"),
    ("__connect.errors.exception.class.name", b"ValidationError"),
    ("__connect.errors.exception.message", b"game_id: not an integer"),
]


@pytest.fixture
async def running(topics: Settings) -> AsyncIterator[ServiceProcess]:
    """A relay that publishes."""
    async with relay(topics) as process:
        await eventually(process.leads)
        yield process


async def _queue_letter(connection: asyncpg.Connection, offset: int, *columns: Any) -> None:
    letter = await connection.fetchval(INSERT_LETTER, offset, *columns)
    await connection.execute(
        "INSERT INTO outbox (topic, dead_letter_id) VALUES ($1, $2)", DEAD_LETTERS, letter
    )


async def test_event_is_a_binary_cloudevent(topics: Settings, running: ServiceProcess) -> None:
    """Headers in the order of the contract, the row's key and value; a subject only where there is one."""
    at = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
    columns = "(ce_time, topic, ce_type, ce_id, subject, key, value)"
    async with connected(topics) as connection:
        for subject in ("coupon-1", None):
            await connection.execute(
                f"INSERT INTO outbox {columns} VALUES ($1, $2, 'coupon.expired', 'c.1.expired', $3, 'Ąžuolas', '{{}}')",
                at, COUPON_LIFECYCLE, subject,
            )  # fmt: skip
        await eventually(lambda: is_drained(connection))
    with_subject, without = await published(topics, COUPON_LIFECYCLE)
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"c.1.expired"),
        ("ce_source", b"/couponry"),
        ("ce_type", b"coupon.expired"),
        ("ce_time", b"2026-01-31T12:30:00.000000Z"),
        ("ce_subject", b"coupon-1"),
        ("content-type", b"application/json"),
    ]
    assert list(with_subject.headers) == headers
    assert list(without.headers) == headers[:5] + headers[6:]
    assert (with_subject.key, with_subject.value) == ("Ąžuolas".encode(), b"{}")


async def test_event_goes_out_with_the_trace_it_belongs_to(
    topics: Settings, running: ServiceProcess
) -> None:
    """By both names, behind the other headers; the mark of a republished event stays the last."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    columns = "(ce_time, topic, ce_type, ce_id, key, value, republished, traceparent)"
    async with connected(topics) as connection:
        for again in (None, True):
            await connection.execute(
                f"INSERT INTO outbox {columns} VALUES (now(), $1, 'coupon.issued', 'c', 'k', '{{}}', $2, $3)",
                COUPON_ISSUED, again, trace,
            )  # fmt: skip
        await eventually(lambda: is_drained(connection))
    first, second = await published(topics, COUPON_ISSUED)
    traced = [("ce_traceparent", trace.encode()), ("traceparent", trace.encode())]
    assert list(first.headers)[-3:] == [("content-type", b"application/json"), *traced]
    assert list(second.headers)[-3:] == [*traced, ("couponry_republished", b"true")]


async def test_event_that_somebody_told_goes_out_under_its_own_source(
    topics: Settings, running: ServiceProcess
) -> None:
    """On a topic that comes in, each partner's under another one, ours between them."""
    columns = "(ce_time, topic, ce_type, ce_id, key, value, source)"
    sources = ["/couponry/http/1", None, "/couponry/http/2", "/couponry/http/1"]
    async with connected(topics) as connection:
        for source in sources:
            await connection.execute(
                f"INSERT INTO outbox {columns} VALUES (now(), $1, 'order.placed', 'o', 'k', '{{}}', $2)",
                ORDERS, source,
            )  # fmt: skip
        await eventually(lambda: is_drained(connection))
    told = [
        dict(record.headers)["ce_source"].decode() for record in await published(topics, ORDERS)
    ]
    assert told == [source or "/couponry" for source in sources]


async def test_dead_letter_keeps_its_bytes_and_gains_the_reason(
    topics: Settings, running: ServiceProcess
) -> None:
    """Key, value and headers as they came, also when null, empty, binary or repeated."""
    noise = bytes(range(256))
    names, values = ["trace", "trace", "empty", "none"], [noise, b"2", b"", None]
    async with connected(topics) as connection:
        await _queue_letter(connection, 0, noise, noise * 8000, names, values)
        await _queue_letter(connection, 1, None, None, [], [])
        await _queue_letter(connection, 2, b"", b"", [], [])
        await eventually(lambda: is_drained(connection))
    found = {
        dict(r.headers)["__connect.errors.offset"]: r for r in await published(topics, DEAD_LETTERS)
    }
    for offset, key, value, original in (
        (b"0", noise, noise * 8000, list(zip(names, values, strict=True))),
        (b"1", None, None, []),
        (b"2", b"", b"", []),
    ):
        record = found[offset]
        assert (record.key, record.value) == (key, value)
        at = ("__connect.errors.offset", offset)
        assert list(record.headers) == [*original, *REASONS[:2], at, *REASONS[2:]]


async def test_large_dead_letters_pass_in_batches_of_bounded_size(
    topics: Settings, running: ServiceProcess
) -> None:
    """Twelve letters of nearly 4 MiB, among small events: all arrive, and no read takes all of them at once."""
    value = bytes(4 * 1024 * 1024 - 4096)
    async with connected(topics) as connection:
        async with connection.transaction():
            for offset in range(12):
                await queue(connection, [f"{offset:02}"])
                await _queue_letter(connection, offset, b"key", value, [], [])
        await connection.execute("NOTIFY couponry_outbox")
        await eventually(lambda: is_drained(connection))
    assert len(await published(topics)) == 12
    letters = await published(topics, DEAD_LETTERS)
    assert [len(record.value) for record in letters] == [len(value)] * 12
    assert await running.metric('couponry_relay_step_seconds_count{step="commit"}') >= 4


async def test_notification_wakes_the_relay_and_polling_is_the_net(topics: Settings) -> None:
    """With polling next to never a notified row leaves at once; with notifications lost it leaves soon."""
    async with connected(topics) as connection:
        async with relay(topics, relay_poll_seconds=60) as sleepy:
            await eventually(sleepy.leads)
            await queue(connection, ["notified"])
            assert not await is_drained(connection)
            await connection.execute("NOTIFY couponry_outbox")
            await eventually(lambda: is_drained(connection))
        async with relay(topics, relay_poll_seconds=0.2) as polling:
            await eventually(polling.leads)
            await queue(connection, ["unnoticed"])
            await eventually(lambda: is_drained(connection))


async def test_relay_counts_what_it_publishes_and_what_waits(
    topics: Settings, running: ServiceProcess
) -> None:
    """Messages by topic, depth and age of the outbox."""
    async with connected(topics) as connection:
        await queue(connection, ["1", "2"], topic=COUPON_LIFECYCLE)
        await connection.execute("NOTIFY couponry_outbox")
        await eventually(lambda: is_drained(connection))
    count = f'couponry_relay_messages_total{{topic="{COUPON_LIFECYCLE}"}}'
    await eventually(lambda: _is(running.metric(count), 2))
    await eventually(lambda: _is(running.metric("couponry_outbox_rows"), 0))


async def _is(metric: Any, value: float) -> bool:
    return bool(await metric == value)


async def test_relay_stops_within_seconds_when_told(
    topics: Settings, running: ServiceProcess
) -> None:
    """SIGTERM: exit code 0, soon."""
    running.process.terminate()
    assert await running.ended(3 * STOP_SECONDS) == 0
    assert not [line for line in running.lines if json.loads(line)["level"] == "error"]
