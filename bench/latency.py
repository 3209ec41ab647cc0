"""Latency at a fixed offered rate: from the instant an event was due to be sent until its coupon is readable.

Open loop: events are due on a schedule that nothing slows down, and each latency counts from the schedule, so a
stall shows in every event that was due meanwhile (no coordinated omission). One reader of committed records, woken
by the broker, takes the time of arrival. The bare transactional loop (peers/bare_publish.py) runs under the same
producer and reader in the same round.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
from aiokafka import AIOKafkaConsumer

from bench.children import running
from bench.race import Service, checking
from bench.release import joined
from bench.stage import Stage, partitions_of
from bench.workload import Event, instant, make_workload
from services.adapters.kafka import client_options

TICK_SECONDS = 0.001
SETTLE_SECONDS = 3.0
"""The first events are sent but not counted: connections, caches and prepared statements come to be."""
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySample:
    """Milliseconds over all coupons of one run."""

    contestant: str
    rate: int
    coupons: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


async def measure_latency(
    stage: Stage, service: Service, *, rate: int, seconds: float, seed: int
) -> LatencySample:
    """Raises TimeoutError if coupons are missing `PATIENCE_SECONDS` after the last event."""
    # Customers of its own: those of an earlier run may hold coupons that this one would wait for in vain.
    workload = make_workload(int(rate * (seconds + SETTLE_SECONDS)), seed=seed, name=f"l{seed}")
    group = service.group(stage)
    await stage.forget_the_past(group)
    async with running(service.commands, service.environment(stage), stage.logs) as children:
        check = checking(stage, children)
        await joined(stage, group, service.members, check)
        # The bare loop knows no rule: it answers every event.
        answered = workload.issued() if service.publishes_once else workload.decided()
        arrivals: dict[str, float] = {}
        async with _reader(stage) as reader:
            reading = asyncio.create_task(_read(reader, arrivals, {event.id for event in answered}))
            try:
                intended = await _send_on_schedule(stage, workload.records, rate)
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await reading
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        check()
    counted_from = min(intended.values()) + SETTLE_SECONDS
    latencies = [
        at - intended[id_] for id_, at in arrivals.items() if intended[id_] >= counted_from
    ]
    return _sample(service.name, rate, sorted(latencies))


async def _send_on_schedule(stage: Stage, records: Sequence[Event], rate: int) -> dict[str, float]:
    """Send event n at n/rate seconds, late ones at once. Returns when each event id was first due."""
    intended: dict[str, float] = {}
    async with stage.producer(enable_idempotence=True) as producer:
        await producer.partitions_for(stage.completed)
        began, sent = time.perf_counter(), []
        for number, event in enumerate(records):
            at = began + number / rate
            while (early := at - time.perf_counter()) > 0:
                await asyncio.sleep(max(early, TICK_SECONDS))
            intended.setdefault(event.id, at)
            headers = event.headers(instant())
            sent.append(
                await producer.send(stage.completed, event.value, key=event.key, headers=headers)
            )
        await asyncio.gather(*sent)
    return intended


@asynccontextmanager
async def _reader(stage: Stage) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of committed records that stands at the topic's end already."""
    reader = AIOKafkaConsumer(
        **client_options(stage.settings), group_id=None, isolation_level="read_committed"
    )
    await reader.start()
    try:
        partitions = await partitions_of(reader, stage.issued)
        reader.assign(partitions)
        for partition, offset in (await reader.end_offsets(partitions)).items():
            reader.seek(partition, offset)
        yield reader
    finally:
        await reader.stop()


async def _read(reader: AIOKafkaConsumer, arrivals: dict[str, float], missing: set[str]) -> None:
    """Note when each of the missing events was answered first; return when none is missing."""
    while missing:
        polled = await reader.getmany(timeout_ms=1000)
        at = time.perf_counter()
        for records in polled.values():
            for record in records:
                cause = orjson.loads(record.value)["cause"]["id"]
                if cause in missing:
                    missing.remove(cause)
                    arrivals[cause] = at


def _sample(contestant: str, rate: int, latencies: list[float]) -> LatencySample:
    def percentile(share: float) -> float:
        return latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000

    return LatencySample(
        contestant=contestant,
        rate=rate,
        coupons=len(latencies),
        p50_ms=percentile(0.50),
        p95_ms=percentile(0.95),
        p99_ms=percentile(0.99),
        max_ms=latencies[-1] * 1000,
    )
