"""The table of errors: what each means, and what every process, a request and a command do about it."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka.errors import IllegalStateError, KafkaConnectionError, KafkaTimeoutError
from fastapi import FastAPI
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from services.adapters.failures import KAFKA_AWAY, REDIS_AWAY, is_of_a_server, is_outage
from services.adapters.postgres.failures import (
    CONFLICTS,
    ClockApart,
    Kind,
    LostRace,
    SchemaBehind,
    kind_of,
)
from services.api import app as api
from services.api.app import DIALECTS
from services.api.edge import tenant
from services.api.edge.answers import add_answers
from services.api.edge.asgi import Edge
from services.domain.folding import RuleFailed
from services.issuer import app as issuer
from services.relay import app as relay
from services.runtime import waiting
from services.runtime.health import Health
from services.runtime.settings import Settings, SettingsError, read_settings
from services.sweeper import app as sweeper
from services.terminal.addresses import reaching_kafka, reaching_postgres
from services.terminal.output import CommandError
from tests.stand.servers import CODE_SECRET

RACE, OUTAGE, FAULT = Kind.LOST_RACE, Kind.OUTAGE, Kind.FAULT

# issuer: its start (what it does with a batch is the kind). sweep: one batch of the sweeper. "exit 2": a setting is
# wrong. Commands: exit code, 1 with a traceback.
TABLE: list[tuple[Exception, Kind, str, str, str, str, str, int, int]] = [
    # error                                                kind    issuer    relay     sweeper  sweep     API start  API  command
    (LostRace("changed"),                                  RACE,   "ends",   "ends",   "ends",  "again",  "ends",    500, 1),
    (asyncpg.UniqueViolationError("taken"),                RACE,   "ends",   "waits",  "waits", "raises", "waits",   500, 1),
    (asyncpg.DeadlockDetectedError("crossed"),             RACE,   "ends",   "waits",  "waits", "again",  "waits",   503, 1),
    (asyncpg.SerializationError("overtaken"),              RACE,   "ends",   "waits",  "waits", "raises", "waits",   503, 1),
    # What the data can cause.
    (asyncpg.CheckViolationError("rule"),                  FAULT,  "ends",   "waits",  "waits", "raises", "waits",   500, 1),
    (asyncpg.ForeignKeyViolationError("rule"),             FAULT,  "ends",   "waits",  "waits", "raises", "waits",   500, 1),
    (asyncpg.NotNullViolationError("rule"),                FAULT,  "ends",   "waits",  "waits", "raises", "waits",   500, 1),
    (asyncpg.DataError("a value the client refuses"),      FAULT,  "ends",   "waits",  "waits", "raises", "waits",   500, 1),
    (asyncpg.InvalidParameterValueError("a value"),        FAULT,  "ends",   "waits",  "waits", "raises", "waits",   500, 1),
    (asyncpg.CharacterNotInRepertoireError("NUL"),         FAULT,  "ends",   "waits",  "waits", "raises", "waits",   500, 1),
    (asyncpg.NumericValueOutOfRangeError("large"),         FAULT,  "ends",   "waits",  "waits", "raises", "waits",   500, 1),
    (asyncpg.ProgramLimitExceededError("index row size"),  FAULT,  "ends",   "waits",  "waits", "raises", "waits",   500, 1),
    (asyncpg.RaiseError("a trigger's"),                    FAULT,  "ends",   "waits",  "waits", "raises", "waits",   500, 1),
    # Not of Postgres: a bug, or a rule's.
    (RuleFailed("OverflowError"),                          FAULT,  "ends",   "ends",   "ends",  "raises", "ends",    500, 1),
    (ValueError("a bug"),                                  FAULT,  "ends",   "ends",   "ends",  "raises", "ends",    500, 1),
    (KeyError("a bug"),                                    FAULT,  "ends",   "ends",   "ends",  "raises", "ends",    500, 1),
    # The server is away, or let go of us.
    (ConnectionResetError(),                               OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (OSError("no route"),                                  OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (TimeoutError(),                                       OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.InterfaceError("connection is closed"),       OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.InternalClientError("out of step"),           OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.PostgresConnectionError("lost"),              OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.ConnectionDoesNotExistError("cut"),           OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.CannotConnectNowError("starting up"),         OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.AdminShutdownError("stopped"),                OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.CrashShutdownError("crashed"),                OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.TooManyConnectionsError("full"),              OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.IdleInTransactionSessionTimeoutError("idle"), OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (ClockApart("2 hours ahead"),                          OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (SchemaBehind("needs 0009"),                           OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    # The address cannot be one.
    (asyncpg.ClientConfigurationError("invalid DSN"),      OUTAGE, "exit 2", "exit 2", "waits", "raises", "waits",   503, 2),
    (asyncpg.InvalidCachedStatementError("plan"),          OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 1),
    # The server is busy, or not what we were promised: no record is to blame.
    (asyncpg.QueryCanceledError("statement timeout"),      OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.LockNotAvailableError("lock timeout"),        OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.InvalidPasswordError("login"),                OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.InvalidCatalogNameError("no database"),       OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.UndefinedTableError("not migrated"),          OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   500, 2),
    (asyncpg.InsufficientPrivilegeError("role"),           OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   500, 2),
    (asyncpg.ReadOnlySQLTransactionError("standby"),       OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.DiskFullError("full"),                        OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.OutOfMemoryError("full"),                     OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
    (asyncpg.PostgresIOError("disk"),                      OUTAGE, "waits",  "waits",  "waits", "raises", "waits",   503, 2),
]  # fmt: skip
IDS = [type(row[0]).__name__ for row in TABLE]
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Addresses that nobody asks, and no time between attempts."""
    monkeypatch.setattr(waiting, "delays", lambda: itertools.repeat(0.0))
    monkeypatch.setattr(relay, "delays", lambda: itertools.repeat(0.0))
    return read_settings(
        kafka_bootstrap_servers=NOWHERE,
        postgres_dsn=f"postgresql://nobody@{NOWHERE}/nowhere",
        redis_url=f"redis://{NOWHERE}/0",
        code_secret=CODE_SECRET,
    )


class Attempt:
    """In place of what a process does first: fails with `error`, and next time has the process stop."""

    def __init__(self, error: Exception) -> None:
        self.health = Health("test")
        self._error = error
        self._times = 0

    async def __call__(self, *_: object, **__: object) -> Any:
        self._times += 1
        if self._times == 1:
            raise self._error
        self.health.stopping.set()
        raise TimeoutError

    async def fate(self, process: Awaitable[object]) -> str:
        """How the process takes it."""
        try:
            await process
        except SettingsError:
            return "exit 2"
        except Exception as error:
            return "ends" if error is self._error else f"raises {error!r}"
        return "waits" if self._times == 2 else "returns"


@pytest.mark.parametrize("row", TABLE, ids=IDS)
async def test_process_waits_or_ends(
    row: tuple[Any, ...], nowhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What each process does when its first step fails with this error."""
    error, _, at_issuer, at_relay, at_sweeper, _, at_api, *_ = row

    async def until_stopped(_: Settings, health: Health) -> None:
        await health.stopping.wait()

    async def api_start(health: Health) -> None:
        async with api._pool(nowhere, health) as pool:
            assert pool is None

    async def there(*_: object, **__: object) -> None:
        pass

    for process in (issuer, relay, sweeper, api):
        monkeypatch.setattr(process, "require_schema", there)
    monkeypatch.setattr(sweeper, "count_until_stopped", until_stopped)
    starts: list[tuple[object, str, Callable[[Health], Awaitable[None]], str]] = [
        (issuer, "_open_pool", lambda health: issuer.serve(nowhere, health), at_issuer),
        (relay, "_lead", lambda health: relay.serve(nowhere, health), at_relay),
        (sweeper, "connect", lambda health: sweeper.serve(nowhere, health), at_sweeper),
        (tenant, "open_tenant_pool", api_start, at_api),
    ]
    for module, step, start, expected in starts:
        attempt = Attempt(error)
        monkeypatch.setattr(module, step, attempt)
        assert await attempt.fate(start(attempt.health)) == expected, module


@pytest.mark.parametrize("row", TABLE, ids=IDS)
async def test_sweep_begins_again_after_a_race(
    row: tuple[Any, ...], nowhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of the sweeper that lost a race settled nothing; any other error is its loop's to judge."""

    async def settle_due(*_: object, **__: object) -> None:
        raise row[0]

    monkeypatch.setattr(sweeper, "settle_due", settle_due)
    connection: Any = SimpleNamespace(transaction=nullcontext)
    try:
        settlement = await sweeper.sweep_once(connection, nowhere)
        fate = "again" if not settlement.total else "settled"
    except Exception as error:
        fate = "raises" if error is row[0] else f"raises {error!r}"
    assert fate == row[5]


@pytest.mark.parametrize("row", TABLE, ids=IDS)
async def test_request_is_answered_by_its_error(row: tuple[Any, ...]) -> None:
    """503 where the same request may work later; a bug is 500. Changes by staff have begun again before that."""
    app = FastAPI()
    add_answers(app)
    app.add_middleware(Edge, dialects=DIALECTS)

    @app.get("/")
    async def fails() -> None:
        raise row[0]

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        answer = await http.get("/")
    assert answer.status_code == row[7]
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_command_refuses_or_fails(row: tuple[Any, ...], nowhere: Settings) -> None:
    """A server that cannot be used is one line and exit 2."""
    with pytest.raises(Exception) as end, reaching_postgres(nowhere):
        raise row[0]
    code = end.value.exit_code if isinstance(end.value, CommandError) else 1
    assert code == row[8]
    assert code == 2 or end.value is row[0]


@pytest.mark.parametrize(("error", "kind"), [row[:2] for row in TABLE], ids=IDS)
def test_failure_has_one_kind(error: Exception, kind: Kind) -> None:
    """Each error is an outage, a lost race, or the batch's own fault; staff's conflicts are the races of Postgres."""
    assert kind_of(error) is kind
    races = kind is Kind.LOST_RACE and not isinstance(error, LostRace)
    assert isinstance(error, CONFLICTS) == races


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_user_of_two_servers_judges_postgres_alike(row: tuple[Any, ...]) -> None:
    """With Kafka beside Postgres an error of Postgres means what it means alone."""
    assert is_outage(row[0]) == (row[1] is Kind.OUTAGE)
    assert is_of_a_server(row[0]) == (row[6] == "waits")


@pytest.mark.parametrize(
    "error",
    [KafkaConnectionError("no broker"), KafkaTimeoutError(), IllegalStateError("not assigned")],
    ids=lambda error: type(error).__name__,
)
def test_error_of_kafka_is_an_outage(error: Exception, nowhere: Settings) -> None:
    """Issuer and relay wait for the cluster, a command refuses; to a batch it would be a bug."""
    assert is_outage(error)
    assert is_of_a_server(error)
    assert isinstance(error, KAFKA_AWAY)
    assert kind_of(error) is Kind.FAULT
    with pytest.raises(CommandError, match="cannot use Kafka"), reaching_kafka(nowhere):
        raise error


@pytest.mark.parametrize(
    "error",
    [RedisError("gone"), RedisTimeoutError(), ConnectionRefusedError(), TimeoutError()],
    ids=lambda error: type(error).__name__,
)
def test_error_of_redis_is_gone_without(error: Exception) -> None:
    """None of them is worth waiting for."""
    assert isinstance(error, REDIS_AWAY)
