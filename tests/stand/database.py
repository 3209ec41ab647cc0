"""A database with one partner, and a pipeline on it, per test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.adapters.postgres.pool import connect, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.stand.issuing import a_partner


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection as workers have it."""
    connection = await connect(settings, "test")
    yield connection
    await connection.close()


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may change the schema and sit on its locks, to make the database fail or wait."""
    patience = {"idle_in_transaction_session_timeout": "0"}
    connection = await connect(settings, "test", role=None, **patience)
    yield connection
    await connection.close()


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
