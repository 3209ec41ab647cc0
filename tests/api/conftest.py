"""One database, one pool and one application for all tests of the partner API; a partner of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from services.adapters.postgres.pool import connect, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.edge.tenant import open_tenant_pool
from services.api.partners.keys import Secret
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.api.stand import SECRET, URL, Partner, a_tenant
from tests.stand.copies import Copies


@pytest.fixture(scope="session")
async def api_settings(copies: Copies) -> AsyncIterator[Settings]:
    """A database that these tests share: partners do not see each other, so their tests do not either."""
    async with copies.copy() as settings:
        yield settings.model_copy(update={"jwt_secret": SECRET})


@pytest.fixture(scope="session")
async def app(api_settings: Settings) -> AsyncIterator[FastAPI]:
    """The application as its process builds it."""
    pool = await open_tenant_pool(api_settings)
    limits = Limits(api_settings)
    yield build_app(api_settings, pool, limits=limits, keys=Secret(SECRET))
    await limits.close()
    pool.terminate()


@pytest.fixture(scope="session")
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        yield client


@pytest.fixture(scope="session")
async def database(api_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A worker's connection to the same database."""
    connection = await connect(api_settings, "test")
    yield connection
    await connection.close()


@pytest.fixture
async def partner(
    api_settings: Settings, http: httpx.AsyncClient, database: asyncpg.Connection
) -> Partner:
    """The partner of this test, in Vilnius."""
    return await a_tenant(api_settings, http, database)


@pytest.fixture
async def stranger(
    api_settings: Settings, http: httpx.AsyncClient, database: asyncpg.Connection
) -> Partner:
    """Another partner."""
    return await a_tenant(api_settings, http, database)


@pytest.fixture
async def issuing(api_settings: Settings) -> AsyncIterator[Pipeline]:
    """The pipeline as the issuer builds it, on the database of these tests."""
    pool, locks = await open_pool(api_settings, "couponry-issuer"), CustomerLocks(api_settings)
    yield Pipeline(pool, locks)
    await locks.close()
    pool.terminate()
