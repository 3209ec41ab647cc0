"""The issuer process, put together: pool, locks, lanes, FastStream's broker, health."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from schemas import topics
from services.adapters.failures import is_outage, server_of
from services.adapters.kafka import broker_options, require_topics
from services.adapters.postgres.clock import ClockGuard
from services.adapters.postgres.failures import OF_POSTGRES
from services.adapters.postgres.pool import open_pool
from services.adapters.postgres.schema import require_schema
from services.adapters.postgres.standing import Standing
from services.adapters.redis_locks import CustomerLocks
from services.decisions.manner import Manner
from services.issuer.again import Again
from services.issuer.bookmarks import Bookmarks
from services.issuer.brake import Brake
from services.issuer.lane import Lane
from services.issuer.pipeline import Pipeline
from services.runtime import crashpoints
from services.runtime.health import Health
from services.runtime.settings import Settings, SettingsError, require_code_secret, required
from services.runtime.side_by_side import side_by_side
from services.runtime.waiting import Waiting, keep_trying

SESSION_TIMEOUT_MS = 6_000
"""How long a killed issuer's partitions wait for their next owner; no broker takes less, where nobody has told it to.
Twice as long where it is killed while it joins: a lane that has asked to join is given its share once more, and missed
once more."""
HEARTBEAT_MS = 500
"""How soon a member hears that another joins or leaves. Lanes join one after the other, so every start waits for it."""
FETCH_MIN_BYTES = 64 * 1024
"""A broker answers at once when it has this much, a hundred records; otherwise when `batch_timeout_ms` have passed. The
cost of a small batch is in its round trips, so one of forty records costs hardly more than one of four."""
MONITOR_SECONDS = 1.0
METADATA_MS = 5_000
"""How long a topic that was made anew, or a new partition, goes unnoticed; the client's own five minutes are long."""
STOP_SECONDS = 5.0
"""What waits and is being tried has this long to be done when the process stops; nothing is lost by less."""

log = logging.getLogger(__name__)


async def serve(settings: Settings, health: Health) -> None:
    """Issue coupons until told to stop. Raises what a bug raises: the process ends rather than lose a record."""
    required(settings, "kafka_bootstrap_servers", "postgres_dsn", "redis_url")
    require_code_secret(settings)
    crashpoints.arm(settings.crash_at)
    bug: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    locks = CustomerLocks(settings)
    health.warns("redis", lambda: locks.fault)
    guard = ClockGuard()
    standing = Standing(guard)
    health.needs("postgres", lambda: standing.fault)
    health.needs("clock", lambda: guard.fault)
    try:
        async with _started(settings, health, locks, guard, bug) as started:
            if started is not None and not health.stopping.is_set():
                _, pool, lanes, pipeline = started
                again = Again(pool, pipeline, health)
                health.warns("waiting", again.warning)
                stop = asyncio.ensure_future(health.stopping.wait())
                watching = _monitor(lanes, locks, pool, standing)
                fresh = pipeline.speakers.keep_fresh(health.stopping)
                monitor = asyncio.ensure_future(side_by_side(watching, fresh))
                trying = asyncio.ensure_future(again.run())
                ends: set[asyncio.Future[Any]] = {stop, monitor, bug}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                stop.cancel()
                monitor.cancel()
                await asyncio.wait([trying], timeout=STOP_SECONDS)
                trying.cancel()
                if bug.done():
                    bug.result()
                if monitor.done() and not monitor.cancelled():
                    monitor.result()
    finally:
        await locks.close()


_Connected = tuple[KafkaBroker, asyncpg.Pool, list[Lane], Pipeline]


@asynccontextmanager
async def _started(
    settings: Settings,
    health: Health,
    locks: CustomerLocks,
    guard: ClockGuard,
    bug: asyncio.Future[None],
) -> AsyncIterator[_Connected | None]:
    """Everything connected, however long the servers take to answer; or None, once told to stop."""
    waiting = Waiting("waiting for a server", log)
    for server in ("kafka", "postgres"):
        health.needs(server, partial(_awaited, waiting, server))
    started = await keep_trying(
        lambda: _start(settings, health, locks, guard, bug),
        waiting.failed,
        is_outage=is_outage,
        stopping=health.stopping,
    )
    if started is None:
        yield None
        return
    broker, pool, lanes, _ = started
    for number, lane in enumerate(lanes):
        health.live(lane.liveness, f"lane-{number}")
        health.needs("kafka", partial(lane.waits_for, "kafka"))
        health.needs("postgres", partial(lane.waits_for, "postgres"))
        health.needs("clock", partial(lane.waits_for, "clock"))
        health.warns("partition", lane.brake.reason)
    for lane in lanes:
        await lane.measure_lag()  # what comes from now on is new
    waiting.over()
    health.started()
    try:
        yield started
    finally:
        await _close(broker, pool)


def _awaited(waiting: Waiting, server: str) -> str | None:
    return waiting.why if waiting.error and server_of(waiting.error) == server else None


async def _start(
    settings: Settings,
    health: Health,
    locks: CustomerLocks,
    guard: ClockGuard,
    bug: asyncio.Future[None],
) -> _Connected:
    """One attempt to connect everything; a failed one leaves nothing open."""
    pool: asyncpg.Pool | None = None
    broker: KafkaBroker | None = None
    try:
        await require_schema(settings)
        pool = await _open_pool(settings)
        await require_topics(settings, topics.INCOMING)
        manner = Manner.by(settings, guard)
        pipeline = Pipeline(pool, locks, manner, ignored=settings.ignored_types, is_live=True)
        broker, lanes = _broker(settings, pool, pipeline, health, guard, bug)
        await broker.start()
    except asyncpg.ClientConfigurationError as error:
        raise SettingsError(f"COUPONRY_POSTGRES_DSN: {error}") from None
    except Exception:
        await _close(broker, pool)
        raise
    return broker, pool, lanes, pipeline


async def _close(broker: KafkaBroker | None, pool: asyncpg.Pool | None) -> None:
    """The broker first: it waits for the batches in hand, which need the pool."""
    if broker is not None:
        await broker.stop()
    if pool is not None:
        try:
            await asyncio.wait_for(pool.close(), 5)
        except OF_POSTGRES:
            pool.terminate()


async def _open_pool(settings: Settings) -> asyncpg.Pool:
    # Sequential scans off: look-ups are keyed, and tables grow under a prepared plan.
    return await open_pool(
        settings,
        "couponry-issuer",
        min_size=settings.issuer_lanes,
        max_size=settings.issuer_lanes + 2,
        enable_seqscan="off",
    )


def _broker(
    settings: Settings,
    pool: asyncpg.Pool,
    pipeline: Pipeline,
    health: Health,
    guard: ClockGuard,
    bug: asyncio.Future[None],
) -> tuple[KafkaBroker, list[Lane]]:
    """One batch subscriber per lane, all in one consumer group.

    What is overridden here, and why: no acknowledgement policy of the framework is safe for a batch, so offsets
    are committed by the lane; its parsers refuse a whole batch for one bad header, so records pass through raw;
    without `no_reply` an incoming header could name a topic to answer to.
    """

    def on_bug(error: Exception) -> None:
        if not bug.done():
            bug.set_exception(error)

    broker = KafkaBroker(
        **broker_options(settings),
        client_id="couponry-issuer",
        metadata_max_age_ms=METADATA_MS,
        consumer_only=True,
        allow_auto_create_topics=False,
        apply_types=False,
        logger=None,
        graceful_timeout=20.0,
    )
    lanes = []
    for _ in range(settings.issuer_lanes):
        subscriber = broker.subscriber(
            *(settings.topic(name) for name in topics.INCOMING),
            batch=True,
            group_id=settings.consumer_group,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            parser=_raw,
            decoder=_raw_body,
            max_records=settings.batch_max_records,
            batch_timeout_ms=settings.batch_timeout_ms,
            fetch_max_bytes=settings.batch_max_bytes,
            fetch_min_bytes=FETCH_MIN_BYTES,
            fetch_max_wait_ms=settings.batch_timeout_ms,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )
        lane = Lane(
            subscriber, pipeline, Brake(pool, settings.dead_letter_limit), bookmarks=Bookmarks(pool),
            guard=guard, stopping=health.stopping, on_bug=on_bug,
        )  # fmt: skip
        subscriber(lane.handle)
        lanes.append(lane)
    return broker, lanes


async def _raw(records: tuple[ConsumerRecord, ...]) -> KafkaMessage:
    return KafkaMessage(raw_message=records, body=b"", consumer=None)  # type: ignore[arg-type]


async def _raw_body(message: KafkaMessage) -> KafkaMessage:
    return message


async def _monitor(
    lanes: Sequence[Lane], locks: CustomerLocks, pool: asyncpg.Pool, standing: Standing
) -> None:
    """Keep the lag current, and notice what has changed: letters dealt with, a server that is away or back."""
    while True:
        await asyncio.sleep(MONITOR_SECONDS)
        await locks.look_again()
        await standing.look(pool)
        for lane in lanes:
            try:
                await lane.look_back()
                await lane.measure_lag()
                if lane.consumer is not None:
                    await lane.brake.release(lane.consumer)
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("monitoring: %s: %s", type(error).__name__, error)
