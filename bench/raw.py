"""The limits: what the machine does when nothing is decided.

`consume+decode` reads the topic and decodes every record as the issuer does. `copy` writes every row that the service
writes for the same events (see tape.py) by COPY into the service's own tables, indexes and constraints included, in
durable transactions of 2,000 events. The rows are made before the clock starts; encoding them for the wire counts,
because a service pays for it too.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator

import asyncpg
from aiokafka import AIOKafkaConsumer

from bench.meter import Meter, per_thousand
from bench.race import Sample
from bench.release import load
from bench.stage import Stage, partitions_of
from bench.tape import Copy, play, program_of, taped
from bench.workload import Workload
from services.adapters.kafka import client_options
from services.domain.arrival import Incoming
from services.issuer.codec import read_record

COPY_BATCH = 2_000
POLL_RECORDS = 2_000
LABEL = "service"

RawRun = Callable[[Stage, Workload], Awaitable[Sample]]


async def consume_and_decode(stage: Stage, workload: Workload) -> Sample:
    consumer = AIOKafkaConsumer(
        **client_options(stage.settings), group_id=None, isolation_level="read_committed"
    )
    await consumer.start()
    try:
        partitions = await partitions_of(consumer, stage.completed)
        consumer.assign(partitions)
        starts = await consumer.end_offsets(partitions)
        await load(stage, workload)
        for partition, offset in starts.items():
            consumer.seek(partition, offset)
        meter, began, read = _meter(stage), time.perf_counter(), 0
        while read < len(workload.records):
            polled = await consumer.getmany(timeout_ms=1000, max_records=POLL_RECORDS)
            for records in polled.values():
                read += sum(isinstance(read_record(record), Incoming) for record in records)
        seconds, cpu_seconds = time.perf_counter() - began, meter.seconds()
    finally:
        await consumer.stop()
    return Sample(
        contestant="consume+decode",
        events=read,
        seconds=seconds,
        issued=0,
        cpu_per_thousand=per_thousand(cpu_seconds, read),
    )


def copy(connections: int) -> RawRun:
    async def run(stage: Stage, workload: Workload) -> Sample:
        batches = await taped(await program_of(stage), workload.decided(), COPY_BATCH)
        writers = [await asyncpg.connect(stage.dsn) for _ in range(connections)]
        try:
            await stage.owner.execute("CHECKPOINT")
            remaining = iter(batches)
            meter, began = _meter(stage), time.perf_counter()
            await asyncio.gather(*(_write(writer, remaining) for writer in writers))
            seconds, cpu_seconds = time.perf_counter() - began, meter.seconds()
            issued = await stage.owner.fetchval("SELECT count(*) FROM coupons")
        finally:
            for writer in writers:
                await writer.close()
        events = len(workload.decided())
        return Sample(
            contestant=f"copy-{connections}",
            events=events,
            seconds=seconds,
            issued=issued,
            cpu_per_thousand=per_thousand(cpu_seconds, events),
        )

    return run


async def _write(writer: asyncpg.Connection, remaining: Iterator[list[Copy]]) -> None:
    """Several writers share the batches that remain."""
    for copies in remaining:
        await play(writer, copies)


def _meter(stage: Stage) -> Meter:
    return Meter([*stage.server_pids(), (LABEL, os.getpid())])


RAW: dict[str, RawRun] = {
    "consume+decode": consume_and_decode,
    "copy-1": copy(1),
    "copy-2": copy(2),
}
