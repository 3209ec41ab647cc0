"""Throughput with 10 thousand, 1 million and 5 million coupons already there, over a whole checkpoint cycle.

Each size is loaded once, with the rows the service itself would have written, and copied as a database for every
run, so that each run starts from exactly that size and the sizes can be interleaved. Half of the measured events
belong to known customers (see workload.py), so look-ups reach all over the tables.

After a checkpoint Postgres writes every page it touches to the log in full once, which costs most where tables are
large; a run that ends before that shows, or lies between two checkpoints, measures nothing. So a checkpoint is
finished right before the release, another begins when half of the coupons are out, and the run must outlast it.
Forced checkpoints write as fast as the disk takes it, which is harder than the spread ones of daily life.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from uuid import UUID

import asyncpg

from bench.databases import new_database, prepare_database
from bench.race import Sample, Service, run_service
from bench.reader import Reader
from bench.stage import Stage
from bench.tape import play, program_of, taped
from bench.workload import MULTIPLE_GAMES, Event, known_customer, make_workload
from services.domain.program import Program

LOAD_CHUNK = 20_000
LOADERS = 2
HALF_WAY_POLL_SECONDS = 0.05

NEW_IDENTITY = "UPDATE deployment SET id = gen_random_uuid()"
NUMBER_ON = "SELECT setval(pg_get_serial_sequence('couponry.customers', 'customer_no'), $1)"


class CheckpointOutside(Exception):
    """The run ended before its second checkpoint did: more events are needed."""


@asynccontextmanager
async def grown(stage: Stage, size: int) -> AsyncIterator[None]:
    """A database with this many coupons, nobody connected to it. Takes about 1.2 GB per million."""
    async with new_database(stage.settings, _name(stage, size)) as (settings, owner):
        await prepare_database(settings, owner)
        there = stage.in_database(_name(stage, size), owner)
        chunks = iter(range(0, size, LOAD_CHUNK))
        program = await program_of(there)
        await asyncio.gather(*(_load(there, program, chunks, size) for _ in range(LOADERS)))
        await owner.execute(NUMBER_ON, size)
        await owner.execute("VACUUM ANALYZE")
        await owner.close()
        yield


async def _load(stage: Stage, program: Program, chunks: Iterator[int], size: int) -> None:
    connection = await asyncpg.connect(stage.dsn)
    try:
        for first in chunks:
            events = _known_events(first, min(first + LOAD_CHUNK, size))
            for copies in await taped(program, events, LOAD_CHUNK, first_customer_no=first + 1):
                await play(connection, [copy for copy in copies if copy.table != "outbox"])
    finally:
        await connection.close()


def _known_events(first: int, end: int) -> list[Event]:
    rng = Random(first)
    return [
        Event(
            str(UUID(int=rng.getrandbits(128), version=4)),
            rng.choice(MULTIPLE_GAMES),
            known_customer(number),
        )
        for number in range(first, end)
    ]


async def run_grown(stage: Stage, service: Service, *, size: int, events: int, seed: int) -> Sample:
    """One run on a copy of that database. Raises CheckpointOutside, and what `run_service` raises."""
    name = f"{_name(stage, size)}_run"
    workload = make_workload(events, seed=seed, returning=size, name="growth")
    second_checkpoint_within = False

    async def checkpoint_half_way(reader: Reader, due: int) -> None:
        nonlocal second_checkpoint_within
        while reader.progress() < due / 2:
            await asyncio.sleep(HALF_WAY_POLL_SECONDS)
        await there.owner.execute("CHECKPOINT")
        second_checkpoint_within = reader.progress() < due

    async with new_database(stage.settings, name, template=_name(stage, size)) as (_, owner):
        there = stage.in_database(name, owner)
        # A copy is another database: the relay must not take its outbox ids for those of the copy before.
        await owner.execute(NEW_IDENTITY)
        label = replace(service, name=f"{service.name} at {size:,} coupons")
        sample = await run_service(there, label, workload, during=checkpoint_half_way)
    if not second_checkpoint_within:
        raise CheckpointOutside(
            f"{label.name}: {events:,} events were over before the second checkpoint"
        )
    return sample


def _name(stage: Stage, size: int) -> str:
    return f"{stage.dsn.rpartition('/')[2]}_{size}"
