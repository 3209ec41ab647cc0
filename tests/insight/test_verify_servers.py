"""`couponry verify` while a server is away: one line that names it and exit 2, whatever the other half says meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from services.adapters.records import side_reader
from services.insight.verify import published, run
from services.insight.verify.scan import Scan
from services.runtime.settings import Settings
from services.terminal.addresses import reaching_kafka
from tests.stand.commands import CommandOn, run_process
from tests.stand.proxy import Fate, proxied

KAFKA_AWAY = "COUPONRY_KAFKA_BOOTSTRAP_SERVERS: cannot use Kafka at 127.0.0.1:1"
POSTGRES_AWAY = "COUPONRY_POSTGRES_DSN: cannot use Postgres"

SAID_WHILE_ENDED: list[Callable[[], BaseException]] = [
    asyncio.CancelledError,
    lambda: asyncpg.InterfaceError("connection is closed"),
    lambda: asyncpg.InternalClientError("out of step"),
    lambda: asyncpg.ConnectionDoesNotExistError("cut"),
    lambda: asyncpg.QueryCanceledError("canceling statement due to user request"),
    lambda: KafkaConnectionError("no broker"),
    lambda: TimeoutError("close took too long"),
    lambda: AssertionError("self.waiter is None"),
]
ALIKE = pytest.mark.parametrize(
    "said", SAID_WHILE_ENDED, ids=[type(make()).__name__ for make in SAID_WHILE_ENDED]
)


@pytest.fixture
def away(settings: Settings) -> Settings:
    """A Postgres that answers, and a Kafka that refuses."""
    return settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})


@ALIKE
async def test_kafka_that_is_away_is_one_line(
    away: Settings,
    couponry_on: CommandOn,
    monkeypatch: pytest.MonkeyPatch,
    said: Callable[[], BaseException],
) -> None:
    """The half in the database is in the middle of a statement then, and has something else to say about it."""
    begun = asyncio.Event()

    async def in_a_statement(scan: Scan) -> None:
        try:
            begun.set()
            await scan.connection.execute("SELECT pg_sleep(600)")
        finally:
            raise said()

    async def then_kafka(scan: Scan) -> None:
        await begun.wait()
        await published.check(scan)

    monkeypatch.setattr(run, "IN_THE_DATABASE", {"database": in_a_statement})
    monkeypatch.setattr(run, "AGAINST_THE_TOPICS", {"topics": then_kafka})
    result = await couponry_on(away)("verify", "--json")
    assert (result.code, result.out) == (2, "")
    assert sorted(result.err.splitlines()[:-1]) == ["database", "topics"]
    assert KAFKA_AWAY in result.err.splitlines()[-1]


@ALIKE
async def test_postgres_that_goes_while_kafka_is_read_is_one_line(
    topics: Settings,
    couponry_on: CommandOn,
    monkeypatch: pytest.MonkeyPatch,
    said: Callable[[], BaseException],
) -> None:
    """The other way round: the half that reads topics is ended while it waits for records."""
    reading = asyncio.Event()

    async def reads_for_ever(scan: Scan) -> None:
        with reaching_kafka(scan.settings):
            async with side_reader(scan.settings):
                try:
                    reading.set()
                    await asyncio.Event().wait()
                finally:
                    raise said()

    async def then_cut(scan: Scan) -> None:
        await reading.wait()
        await scan.connection.execute(
            "SET ROLE NONE; SELECT pg_terminate_backend(pg_backend_pid())"
        )

    monkeypatch.setattr(run, "IN_THE_DATABASE", {"database": then_cut})
    monkeypatch.setattr(run, "AGAINST_THE_TOPICS", {"topics": reads_for_ever})
    result = await couponry_on(topics)("verify", "--json")
    assert (result.code, result.out) == (2, "")
    assert sorted(result.err.splitlines()[:-1]) == ["database", "topics"]
    assert POSTGRES_AWAY in result.err.splitlines()[-1]


async def test_kafka_that_is_away_ends_a_statement_that_waits(
    away: Settings, owner: asyncpg.Connection
) -> None:
    """The whole command: its first statement waits for a lock when Kafka refuses, and is cancelled."""
    async with owner.transaction():
        await owner.execute("LOCK couponry.coupons, couponry.decisions IN ACCESS EXCLUSIVE MODE")
        result = await asyncio.to_thread(run_process, away, "verify", "--json")
    assert (result.code, result.out) == (2, "")
    assert KAFKA_AWAY in result.err.splitlines()[-1]
    assert "Traceback" not in result.err


async def test_kafka_that_is_away_ends_a_connection_in_the_making(away: Settings) -> None:
    """The whole command: its first connection to Postgres has no answer yet when Kafka refuses."""
    assert away.postgres_dsn
    async with proxied(away.postgres_dsn) as (proxy, dsn):
        met = 0

        def first_is_held(_: bytes) -> Fate:
            nonlocal met
            met += 1
            return "hold" if met == 1 else "pass"

        proxy.fate = first_is_held
        slow = away.model_copy(update={"postgres_dsn": dsn})
        result = await asyncio.to_thread(run_process, slow, "verify", "--json")
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 2  # the check against the topics has begun, and is refused
    assert KAFKA_AWAY in result.err.splitlines()[-1]
