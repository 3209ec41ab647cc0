"""The command line, run inside the test process or as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.adapters.postgres.pool import open_pool
from services.adapters.redis_locks import CustomerLocks
from services.cli.commands import execute
from services.issuer.parts import Report
from services.issuer.pipeline import Pipeline
from services.runtime.settings import PREFIX, Settings
from tests.stand.copies import Copies, database_name
from tests.stand.issuing import a_game, a_partner
from tests.stand.world import World, make_world

ENVIRONMENT = (
    "kafka_bootstrap_servers", "postgres_dsn", "redis_url", "topic_prefix", "state_dir",
    "allow_test_clock", "clock_offset_seconds", "code_secret", "secrets_key",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one document on stdout of a command that succeeded."""
        assert self.code == 0, self.err
        return json.loads(self.out)


Command = Callable[..., Awaitable[Result]]
CommandOn = Callable[[Settings], Command]
Process = Callable[[Sequence[ConsumerRecord]], Awaitable[Report]]


def environment(settings: Settings) -> dict[str, str]:
    """These settings as variables, and no others of ours."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    ours = {f"{PREFIX}{name.upper()}": getattr(settings, name) for name in ENVIRONMENT}
    return others | {name: str(value) for name, value in ours.items() if value is not None}


@pytest.fixture
def couponry_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandOn:
    """Run command lines in this process, with these settings as its environment."""

    def prepare(settings: Settings) -> Command:
        for name, value in environment(settings).items():
            monkeypatch.setenv(name, value)

        async def run(*arguments: object) -> Result:
            capsys.readouterr()
            # Each command has an event loop of its own, hence the thread.
            code = await asyncio.to_thread(execute, [str(argument) for argument in arguments])
            printed = capsys.readouterr()
            return Result(code=code, out=printed.out, err=printed.err)

        return run

    return prepare


@pytest.fixture
def couponry(settings: Settings, couponry_on: CommandOn) -> Command:
    """Run command lines against the test's own database and topics."""
    return couponry_on(settings)


@pytest.fixture
async def process(settings: Settings) -> AsyncIterator[Process]:
    """An issuer's pipeline, fed by hand."""
    pool = await open_pool(settings, "test", enable_seqscan="off")
    locks = CustomerLocks(settings)
    yield Pipeline(pool, locks).process
    await locks.close()
    pool.terminate()


@pytest.fixture
async def game(database: asyncpg.Connection) -> dict[str, Any]:
    """A partner and a game of many coupons, as `completed` takes them."""
    partner_id = await a_partner(database)
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    return {"partner_id": partner_id, "game_id": game_id}


@pytest.fixture(scope="session")
async def world(copies: Copies) -> AsyncIterator[World]:
    """A small system that has worked and is at rest; nobody is connected to its database."""
    async with copies.copy() as settings:
        yield await make_world(settings)


@pytest.fixture
async def copied(copies: Copies, world: World) -> AsyncIterator[Settings]:
    """A copy of the world's database to plant faults in, with the same topics."""
    async with copies.copy(database_name(world.settings)) as settings:
        yield settings.model_copy(update={"topic_prefix": world.settings.topic_prefix})


def couponry_process(
    settings: Settings | None, *arguments: str, **changes: str
) -> subprocess.Popen[str]:
    """The command as a process; without settings it has no COUPONRY_* variable but the `changes`."""
    env = environment(settings) if settings else environment(Settings.model_construct())
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", *arguments],
        env=env | changes,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_process(settings: Settings | None, *arguments: str, **changes: str) -> Result:
    """Run it to its end."""
    process = couponry_process(settings, *arguments, **changes)
    out, err = process.communicate(timeout=60)
    return Result(code=process.returncode, out=out, err=err)
