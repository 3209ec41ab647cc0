"""A database per test, with one partner and a pipeline on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from services.adapters.kafka import ensure_topics
from services.adapters.postgres.pool import WORKER_ROLE, connect, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.stand.copies import Copies, administration, leftovers
from tests.stand.issuing import a_partner


@asynccontextmanager
async def connected(
    settings: Settings, *, role: str | None = WORKER_ROLE, **overrides: str
) -> AsyncIterator[asyncpg.Connection]:
    """A connection as workers have it, while the block lasts."""
    connection = await connect(settings, "test", role=role, **overrides)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def copies(servers: Settings, template: str, worker_id: str) -> AsyncIterator[Copies]:
    """Makes databases that are copies of the template."""
    async with administration(servers) as admin, leftovers(servers) as left:
        yield Copies(servers, template, worker_id, admin, left)


@pytest.fixture
async def settings(copies: Copies, tmp_path: Path) -> AsyncIterator[Settings]:
    """A fresh migrated database, a topic prefix (which Redis keys carry too) and a state directory of its own.

    Topics exist only for tests that ask for `topics`.
    """
    async with copies.copy() as settings:
        await _renew_identity(settings)
        yield settings.model_copy(update={"state_dir": tmp_path / "state"})


@pytest.fixture
async def topics(settings: Settings) -> Settings:
    """The same settings, with this test's topics created."""
    await ensure_topics(settings)
    return settings


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection as workers have it."""
    async with connected(settings) as connection:
        yield connection


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may change the schema and sit on its locks, to make the database fail or wait."""
    patience = {"idle_in_transaction_session_timeout": "0"}
    async with connected(settings, role=None, **patience) as connection:
        yield connection


@pytest.fixture
async def partner_id(database: asyncpg.Connection) -> int:
    """The partner whose games are played."""
    return await a_partner(database)


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    """Connections as an issuer has them."""
    pool = await open_pool(settings, "couponry-issuer", enable_seqscan="off")
    yield pool
    pool.terminate()


@pytest.fixture
async def locks(settings: Settings) -> AsyncIterator[CustomerLocks]:
    """Locks in the Redis of this run."""
    locks = CustomerLocks(settings)
    yield locks
    await locks.close()


@pytest.fixture
async def pipeline(pool: asyncpg.Pool, locks: CustomerLocks) -> Pipeline:
    """The pipeline as the issuer builds it."""
    return Pipeline(pool, locks)


async def _renew_identity(settings: Settings) -> None:
    """A copied database must not pass for the one it was copied from."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    await connection.execute("UPDATE couponry.deployment SET id = gen_random_uuid()")
    await connection.close()
