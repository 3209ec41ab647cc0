"""Real servers for every test that needs them, started once per run, and a clean corner of them per test.

Addresses in COUPONRY_* variables win, then containers (COUPONRY_USE_TESTCONTAINERS=1), else local servers in a
directory of their own that goes away with the run.
"""

from __future__ import annotations

import itertools
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from services.adapters.kafka import ensure_topics
from services.adapters.postgres.migrate import migrate
from services.local.servers import SETTING, start_servers
from services.runtime.settings import Settings, read_settings
from tests.stand.containers import running_containers

# A shell that runs us in the background has us ignore SIGINT, and whatever we start inherits that: tests of Ctrl-C
# would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

_RUN = secrets.token_hex(3)
_number = itertools.count(1)


@pytest.fixture(scope="session")
def run_dir() -> Iterator[Path]:
    """A directory for this run that Postgres' own account can enter, unlike pytest's."""
    path = Path(tempfile.mkdtemp(prefix="couponry-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
async def servers(run_dir: Path) -> AsyncIterator[Settings]:
    """Settings with the addresses of Kafka, Postgres and Redis; no database of ours in them yet."""
    settings = read_settings(state_dir=run_dir / "servers")
    if settings.use_testcontainers and not all(
        getattr(settings, name) for name in SETTING.values()
    ):
        with running_containers(settings) as contained:
            yield contained
        return
    local = await start_servers(settings)
    yield local.settings(settings)
    await local.stop()


@pytest.fixture(scope="session")
async def template(servers: Settings) -> AsyncIterator[str]:
    """A migrated database that is copied for each test: copying takes a tenth of migrating."""
    name = f"couponry_test_{_RUN}"
    assert servers.postgres_dsn
    admin = await asyncpg.connect(servers.postgres_dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    await migrate(_with_database(servers, name))
    yield name
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def settings(servers: Settings, template: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """A fresh migrated database, a topic prefix (which Redis keys carry too) and a state directory of its own.

    Topics exist only for tests that ask for `topics`.
    """
    number = next(_number)
    name = f"{template}_{number}"
    assert servers.postgres_dsn
    admin = await asyncpg.connect(servers.postgres_dsn)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    settings = _with_database(servers, name).model_copy(
        update={"topic_prefix": f"t{_RUN}-{number}-", "state_dir": tmp_path / "state"}
    )
    await _renew_identity(settings)
    yield settings
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def topics(settings: Settings) -> Settings:
    """The same settings, with this test's topics created."""
    await ensure_topics(settings)
    return settings


def _with_database(settings: Settings, name: str) -> Settings:
    parts = urlsplit(settings.postgres_dsn or "")
    return settings.model_copy(update={"postgres_dsn": urlunsplit(parts._replace(path=f"/{name}"))})


async def _renew_identity(settings: Settings) -> None:
    """A copied database must not pass for the one it was copied from."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    await connection.execute("UPDATE couponry.deployment SET id = gen_random_uuid()")
    await connection.close()
