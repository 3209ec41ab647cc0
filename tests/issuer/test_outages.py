"""An outage is waited for: it raises, the same records come again, and nothing becomes a dead letter meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.adapters.postgres.failures import Kind, kind_of
from services.adapters.postgres.hosts import ReadOnlyServer
from services.adapters.postgres.pool import SCHEMA, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.stand.issuing import a_game, audit, count, letters, outcomes
from tests.stand.proxy import Fate, proxied
from tests.stand.records import completed, poison


@pytest.fixture
async def play(database: asyncpg.Connection, partner_id: int) -> Callable[..., ConsumerRecord]:
    """Make completions of one game, each by a customer of its own."""
    game_id = await a_game(database, partner_id)
    return lambda name, event_id=None: completed(
        event_id or name, name, partner_id=partner_id, game_id=game_id
    )


@asynccontextmanager
async def a_pipeline(settings: Settings, locks: CustomerLocks) -> AsyncIterator[Pipeline]:
    """A pipeline with connections of its own."""
    pool = await open_pool(settings, "couponry-issuer")
    try:
        yield Pipeline(pool, locks)
    finally:
        pool.terminate()


@pytest.mark.parametrize("value", [2**63, "text"])
async def test_value_that_no_column_takes_is_a_fault(
    database: asyncpg.Connection, value: object
) -> None:
    """The client itself refuses such a value, in a statement as in a COPY."""
    for refused in (
        database.fetchval("SELECT $1::bigint", value),
        database.copy_records_to_table(
            "decisions", records=[(value,)], columns=["customer_no"], schema_name="couponry"
        ),
    ):
        with pytest.raises(Exception) as refusal:
            await refused
        assert kind_of(refusal.value) is Kind.FAULT


@pytest.mark.parametrize("fate", ["cut", "cut the answer"])
async def test_commit_whose_outcome_is_unknown_is_run_again(
    settings: Settings,
    locks: CustomerLocks,
    database: asyncpg.Connection,
    play: Callable[..., ConsumerRecord],
    fate: Fate,
) -> None:
    """The line breaks before the server sees COMMIT, or before we see its answer: either way one decision each."""
    records = [play("e-1"), *poison(2), play("e-2")]
    async with proxied(str(settings.postgres_dsn)) as (proxy, dsn):
        async with a_pipeline(settings.model_copy(update={"postgres_dsn": dsn}), locks) as pipeline:
            proxy.fate = lambda piece: fate if b"COMMIT" in piece else "pass"
            with pytest.raises(Exception) as failure:
                await pipeline.process(records)
            assert kind_of(failure.value) is Kind.OUTAGE
            assert await count(database, "decisions") == (2 if fate == "cut the answer" else 0)

            proxy.fate = lambda _: "pass"
            await pipeline.process(records)

    assert await outcomes(database) == [("e-1", "issued", None), ("e-2", "issued", None)]
    assert len(await letters(database)) == 2
    await audit(database)


@pytest.mark.parametrize("table", ["customers", "decisions", "outbox"])
async def test_session_ended_by_the_server_decides_nothing_and_blames_nobody(
    owner: asyncpg.Connection,
    database: asyncpg.Connection,
    pipeline: Pipeline,
    play: Callable[..., ConsumerRecord],
    table: str,
) -> None:
    """The backend is terminated in mid-transaction; the next try goes through on a new connection."""
    await owner.execute(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$"
        " BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;"
        f"CREATE TRIGGER die BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION die()"
    )
    records = [play("e-1"), play("e-2")]
    with pytest.raises(Exception) as failure:
        await pipeline.process(records)
    assert kind_of(failure.value) is Kind.OUTAGE
    assert (await count(database, "decisions"), await count(database, "dead_letters")) == (0, 0)

    await owner.execute(f"DROP TRIGGER die ON {table}")
    await pipeline.process(records)

    assert len(await outcomes(database)) == 2
    await audit(database)


@pytest.mark.parametrize("code", ["53100", "53200", "58030", "XX000"])
async def test_server_without_room_blames_no_record(
    owner: asyncpg.Connection,
    database: asyncpg.Connection,
    pipeline: Pipeline,
    play: Callable[..., ConsumerRecord],
    code: str,
) -> None:
    """Disk full, out of memory, I/O error, broken inside: raised at once, and nothing is dead-lettered."""
    await owner.execute(
        f"CREATE FUNCTION full_() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '{code}'; END $$;"
        "CREATE TRIGGER full_ BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION full_()"
    )

    with pytest.raises(asyncpg.PostgresError) as failure:
        await pipeline.process([play("e-1"), play("e-2"), *poison()])

    assert failure.value.sqlstate == code
    assert (await count(database, "outbox"), await count(database, "dead_letters")) == (0, 0)


async def test_read_only_database_is_an_outage(
    settings: Settings,
    locks: CustomerLocks,
    owner: asyncpg.Connection,
    database: asyncpg.Connection,
    play: Callable[..., ConsumerRecord],
) -> None:
    """A primary that became a standby takes no dead letters either: everything waits, and then for another server."""
    name = await owner.fetchval("SELECT current_database()")
    for records in ([play("e-1")], poison()):
        pool = await open_pool(settings, "test", max_size=1)
        async with pool.acquire() as connection:
            await connection.execute("SET default_transaction_read_only = on")
        await owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        for refusal in (asyncpg.ReadOnlySQLTransactionError, ReadOnlyServer):
            with pytest.raises(refusal) as failure:
                await Pipeline(pool, locks).process(records)
            assert kind_of(failure.value) is Kind.OUTAGE
        await owner.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        pool.terminate()
    assert (await count(database, "decisions"), await count(database, "dead_letters")) == (0, 0)


@pytest.mark.parametrize("setting", ["statement_timeout_ms", "lock_timeout_ms"])
async def test_held_row_is_waited_for_only_so_long(
    settings: Settings,
    locks: CustomerLocks,
    owner: asyncpg.Connection,
    database: asyncpg.Connection,
    play: Callable[..., ConsumerRecord],
    setting: str,
) -> None:
    """Whoever sits on a customer's row holds a batch up for the time limit, and blames no record: that customer's waits."""
    async with a_pipeline(settings.model_copy(update={setting: 1_000}), locks) as pipeline:
        await pipeline.process([play("e-1")])
        async with owner.transaction():
            await owner.execute("SELECT FROM customers FOR UPDATE")
            report = await pipeline.process([play("e-2"), play("e-1", "later")])
        assert (len(report.verdicts), len(report.waiting)) == (1, 1)
    assert await letters(database) == []


async def test_transaction_left_idle_is_ended_by_the_server(
    settings: Settings,
    locks: CustomerLocks,
    owner: asyncpg.Connection,
    database: asyncpg.Connection,
    play: Callable[..., ConsumerRecord],
) -> None:
    """A connection whose client went silent in mid-transaction frees its customers after the session's limit."""
    quick = settings.model_copy(update={"idle_in_transaction_timeout_ms": 200})
    pool = await open_pool(quick, "couponry-issuer")
    async with pool.acquire() as silent, a_pipeline(settings, locks) as pipeline:
        await silent.execute(
            "BEGIN; INSERT INTO customers (partner_id, customer_id, last_at) SELECT max(id), 'e-1', now() FROM partners"
        )
        began = time.monotonic()
        await pipeline.process([play("e-1")])
        assert time.monotonic() - began < 5
    pool.terminate()
    assert await outcomes(database) == [("e-1", "issued", None)]


async def test_line_that_goes_mute_is_given_up(
    settings: Settings,
    locks: CustomerLocks,
    database: asyncpg.Connection,
    play: Callable[..., ConsumerRecord],
) -> None:
    """A server that neither answers nor closes the line: the client gives up by itself, and blames no record."""
    async with proxied(str(settings.postgres_dsn)) as (proxy, dsn):
        pool = await asyncpg.create_pool(
            dsn, min_size=1, command_timeout=2, server_settings={"search_path": SCHEMA}
        )
        pipeline = Pipeline(pool, locks)
        await pipeline.process([play("e-1")])
        proxy.fate = lambda _: "hold"
        with pytest.raises(Exception) as failure:
            await asyncio.wait_for(pipeline.process([play("e-2")]), 60)
        pool.terminate()
    assert kind_of(failure.value) is Kind.OUTAGE
    assert await outcomes(database) == [("e-1", "issued", None)]
    assert await letters(database) == []
