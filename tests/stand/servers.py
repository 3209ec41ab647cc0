"""Real servers, started once per run and shared by all its workers.

Addresses in COUPONRY_* variables win, then containers (COUPONRY_USE_TESTCONTAINERS=1), else local servers in a
directory of their own that goes away with the run. With `pytest -n` the controller owns them, so that they end with
it whatever happens to a worker.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from services.local.servers import SETTING, Servers, start_servers
from services.local.state import LocalServerError, StateDir
from services.runtime.settings import Settings, read_settings
from tests.stand.containers import running_containers
from tests.stand.copies import template_database

# A shell that runs us in the background has us ignore SIGINT, and whatever we start inherits that: tests of Ctrl-C
# would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Clients of the tests' own ask servers on this machine, whatever proxy leads to others.
_OURS = "127.0.0.1,localhost,::1"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(
    filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), _OURS))
)

SECRETS_KEY = "Y291cG9ucnkgZGV2ZWxvcG1lbnQgcGFydG5lcnMga2U="
CODE_SECRET = "Y291cG9ucnkgZGV2ZWxvcG1lbnQgY29kZSBzZWNyZXQ="
Shared = dict[str, str]
"""What a worker is told of the run: its `directory`, the `template`, and an address per field of the settings."""
_shared = pytest.StashKey[Shared]()


def pytest_configure(config: pytest.Config) -> None:
    """A controller starts the servers before its workers, and stops them when the last has ended."""
    config.stash[_shared] = getattr(config, "workerinput", {}).get("shared", {})
    if config.getoption("dist", "no") != "no" and not config.option.collectonly:
        # Told to go, as by a machine that tests for somebody else: like Ctrl-C, so that what follows happens.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        holding = ExitStack()
        config.add_cleanup(holding.close)
        config.stash[_shared] = holding.enter_context(_held_for_workers())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker that is about to start."""
    node.workerinput["shared"] = node.config.stash[_shared]


def shared_of(config: pytest.Config) -> Shared:
    """What the controller holds; nothing, where this is the only process."""
    return config.stash[_shared]


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest) -> Shared:
    """The same."""
    return shared_of(request.config)


@pytest.fixture(scope="session")
def run_dir(shared: Shared, worker_id: str) -> Iterator[Path]:
    """A directory for this process that Postgres' own account can enter, unlike pytest's."""
    if shared:
        path = Path(shared["directory"], worker_id)
        path.mkdir()
        yield path
        return
    with _directory() as path:
        yield path


@pytest.fixture(scope="session")
async def servers(shared: Shared, run_dir: Path) -> AsyncIterator[Settings]:
    """Settings with the addresses of Kafka, Postgres and Redis; no database of ours in them yet."""
    if shared:
        addresses = {name: shared[name] for name in SETTING.values()}
        yield read_settings(
            state_dir=run_dir / "servers", code_secret=CODE_SECRET, secrets_key=SECRETS_KEY
        ).model_copy(update=addresses)
        return
    async with _running(run_dir) as settings:
        yield settings


@pytest.fixture(scope="session")
async def template(shared: Shared, servers: Settings) -> AsyncIterator[str]:
    """A migrated database that is copied for each test: copying takes a tenth of migrating."""
    if shared:
        yield shared["template"]
        return
    async with template_database(servers) as name:
        yield name


@contextmanager
def _held_for_workers() -> Iterator[Shared]:
    async def hold(path: Path) -> AsyncGenerator[Shared]:
        async with _running(path) as settings, template_database(settings) as name:
            addresses = {field: str(getattr(settings, field)) for field in SETTING.values()}
            yield {"directory": str(path), "template": name, **addresses}

    with _directory() as path, asyncio.Runner() as runner:
        held = hold(path)
        try:
            yield runner.run(_first(held))
        finally:
            runner.run(held.aclose())
            _stop_leftovers(path)


async def _first(held: AsyncGenerator[Shared]) -> Shared:
    return await anext(held)


@contextmanager
def _directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="couponry-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@asynccontextmanager
async def _running(path: Path) -> AsyncIterator[Settings]:
    settings = read_settings(
        state_dir=path / "servers", code_secret=CODE_SECRET, secrets_key=SECRETS_KEY
    )
    if settings.use_testcontainers and not all(
        getattr(settings, name) for name in SETTING.values()
    ):
        with running_containers(settings) as contained:
            yield contained
        return
    local = await start_servers(settings)
    try:
        if local.pids["postgres"]:
            await _make_logins_cheap(local)
        yield local.settings(settings)
    finally:
        await _end(local)


async def _make_logins_cheap(local: Servers) -> None:
    """Proving a password costs a client thousands of rounds, some ten milliseconds, at every connection of every test."""
    connection = await asyncpg.connect(local.postgres)
    password = urlsplit(local.postgres or "").password
    await connection.execute("SET scram_iterations = 1")
    await connection.execute(f"ALTER ROLE CURRENT_USER PASSWORD '{password}'")
    await connection.close()


async def _end(local: Servers) -> None:
    """At once: nothing of theirs is kept."""
    kills = {"kafka": signal.SIGKILL, "postgres": signal.SIGQUIT, "redis": signal.SIGKILL}
    for name, number in kills.items():
        if pid := local.pids[name]:
            os.kill(pid, number)
    await local.stop()


def _stop_leftovers(path: Path) -> None:
    """Servers of a test's own, whose worker was killed."""
    for file in path.glob("*/*/servers.json"):
        try:
            state = StateDir(file.parent)
        except LocalServerError:
            continue  # its owner lives
        state.stop_leftovers()
        state.close()
