"""The relay process, put together: lead, recover, then publish batch after batch; after any error, start over.

Why each event comes out once, for readers of committed records, whatever is killed when: a batch's messages and
the ids of its rows become visible in one Kafka transaction; whoever publishes next has first fenced every older
producer and then deleted the rows that the last committed transaction names; and no batch is begun before the
rows of the one before are deleted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import asyncpg

from schemas import topics
from services.adapters.failures import is_of_a_server, server_of
from services.adapters.kafka import require_topics
from services.adapters.postgres.schema import require_schema
from services.relay import metrics
from services.relay.condition import STUCK_AFTER_SECONDS, Condition
from services.relay.leadership import Leadership, leadership
from services.relay.outbox import Batch, Outbox, open_outbox
from services.relay.progress import last_published
from services.relay.publisher import Publisher, RecordsRefused, answered_within, open_publisher
from services.runtime import crashpoints
from services.runtime.backoff import delays, pause
from services.runtime.crashpoints import reach
from services.runtime.health import Health
from services.runtime.settings import Settings, SettingsError, required
from services.runtime.waiting import keep_trying

STOP_SECONDS = 5.0
"""After a stop signal the batch in hand has this long; being cut off is safe, only less tidy."""
RECOVERY_SECONDS = 20.0
"""For each of two steps of a start that ask Kafka."""
LONGEST_IDLE_SECONDS = 30.0
"""However seldom the settings let it poll, it must be seen to live."""
assert LONGEST_IDLE_SECONDS < STUCK_AFTER_SECONDS
GATHER_SECONDS = 0.025
"""At the least from one transaction that took all there was to the next: a transaction costs the broker a marker in
every partition, whatever is in it."""
ROWS_WHILE_ALONE = 100
"""Batch size while rows travel in record batches of their own, one request after the other."""

log = logging.getLogger(__name__)


async def serve(settings: Settings, health: Health) -> None:
    """Publish the outbox until told to stop. Raises SettingsError, and what a bug raises."""
    required(settings, "kafka_bootstrap_servers", "postgres_dsn")
    crashpoints.arm(settings.crash_at)
    condition = Condition(on_start=health.started)
    health.live(condition.why_not_live, "progress")
    health.needs("kafka", condition.why_not_kafka)
    health.needs("postgres", condition.why_not_postgres)
    health.warns("kafka", condition.missing_topics)
    health.warns("row", condition.refusals)
    waits = delays()

    def failed(error: Exception) -> float:
        nonlocal waits
        if not condition.trouble:
            waits = delays()
        name, text = type(error).__name__, str(error)
        why = text if text.startswith(name) else f"{name}: {text}".rstrip(": ")
        condition.trouble = {server_of(error): why}
        log.warning("starting over: %s", why)
        metrics.START_OVERS.inc()
        return next(waits)

    while not health.stopping.is_set():
        await keep_trying(
            lambda: _round(settings, condition, health.stopping),
            failed,
            is_outage=is_of_a_server,
            stopping=health.stopping,
        )


async def _round(settings: Settings, condition: Condition, stopping: asyncio.Event) -> None:
    """Once from the start: until told to stop, or something fails."""
    condition.moved()
    try:
        await _first_to_end(_lead(settings, condition, stopping), _some_time_after(stopping))
    except RecordsRefused as refusal:
        log.error("%s", refusal)
        condition.alone |= refusal.suspects
    except asyncpg.ClientConfigurationError as error:
        raise SettingsError(f"COUPONRY_POSTGRES_DSN: {error}") from None


async def _lead(settings: Settings, condition: Condition, stopping: asyncio.Event) -> None:
    """Become the one relay, and publish until told to stop or something fails."""
    if not condition.started:
        await require_schema(settings)
    async with answered_within(RECOVERY_SECONDS):
        # Later, a topic that has gone missing only holds up its own rows.
        await require_topics(
            settings,
            (topics.RELAY_PROGRESS, *(() if condition.started else topics.PUBLISHED)),
        )
    condition.started = True
    async with leadership(settings, stopping, on_wait=condition.stand_by) as leader:
        if leader is None:
            return
        condition.moved()
        try:
            await _first_to_end(
                _relay(settings, leader, condition, stopping), leader.beat(condition.note)
            )
        finally:
            metrics.ACTIVE.set(0)


async def _first_to_end(*works: Coroutine[Any, Any, None]) -> None:
    """Run all until one returns or fails; end the others with it."""
    tasks = {asyncio.ensure_future(work) for work in works}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _some_time_after(stopping: asyncio.Event) -> None:
    await stopping.wait()
    await asyncio.sleep(STOP_SECONDS)


async def _relay(
    settings: Settings, leader: Leadership, condition: Condition, stopping: asyncio.Event
) -> None:
    """Fence, recover, publish. The order of the first three steps is what the promise rests on."""
    async with open_outbox(settings) as outbox, open_publisher(settings) as publisher:
        database = await outbox.database_id()
        async with answered_within(RECOVERY_SECONDS):
            published = await last_published(settings, database)
        recovered = await outbox.delete_published(published)
        log.info("publishing", extra={"recovered_rows": recovered})
        condition.on_start()
        metrics.ACTIVE.set(1)
        while not stopping.is_set():
            condition.moved()
            leader.wake.clear()
            began_at, passed_over = time.monotonic(), False
            with condition.batch():
                batch = await outbox.read(
                    leader.floor.id,
                    without=condition.passed_over(),
                    max_rows=ROWS_WHILE_ALONE if condition.alone else None,
                )
                if batch.rows:
                    metrics.BATCH_ROWS.observe(len(batch.rows))
                if batch.rows:
                    if await _all_known(batch, publisher, condition):
                        await _publish(batch, outbox, publisher, condition, database)
                    else:
                        passed_over = True
            condition.works()
            if not batch.rows:
                condition.alone.clear()
            if batch.is_all and not passed_over:
                if batch.rows:
                    await pause(stopping, GATHER_SECONDS - (time.monotonic() - began_at))
                seconds = min(settings.relay_poll_seconds, LONGEST_IDLE_SECONDS)
                await leader.idle(seconds, stopping)
                if not batch.rows and not leader.wake.is_set():
                    condition.kafka_silence = await publisher.silence()


async def _all_known(batch: Batch, publisher: Publisher, condition: Condition) -> bool:
    """Has Kafka every topic of this batch? Those it has not are passed over from the next read on."""
    unknown = False
    for topic in {row["topic"] for row in batch.rows}:
        if await publisher.knows(topic):
            condition.held.pop(topic, None)
        else:
            unknown = True
            condition.hold(topic)
    return not unknown


async def _publish(
    batch: Batch, outbox: Outbox, publisher: Publisher, condition: Condition, database: UUID
) -> None:
    """Publish one batch and delete its rows; what Kafka refuses for good is set aside on the way."""
    reach("relay.after_read")
    packed = publisher.pack(batch, condition.alone)
    if packed.unfit:
        await outbox.refuse(packed.unfit)
    if packed.parcels:
        try:
            await publisher.publish(packed, database)
        except RecordsRefused as refusal:
            await outbox.refuse(refusal.refused)
            raise
        reach("relay.after_commit")
        await outbox.delete(packed.ids)
        reach("relay.after_delete")
    condition.alone.difference_update(row["id"] for row in batch.rows)
