"""The API, put together: pool, access, limits, the dialects' routers, the edge around them; and its process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
from fastapi import FastAPI

from services.adapters.postgres.clock import OWN_CLOCK, ClockGuard
from services.adapters.postgres.failures import OF_POSTGRES, is_of_postgres
from services.adapters.postgres.pool import API_ROLE
from services.adapters.postgres.schema import require_schema
from services.adapters.postgres.standing import Standing
from services.api.edge import tenant
from services.api.edge.answers import add_answers
from services.api.edge.asgi import Edge
from services.api.edge.call import Api
from services.api.edge.description import describe
from services.api.edge.dialect import Dialect
from services.api.edge.limits import Limits
from services.api.gameball_v3.access import Stores
from services.api.gameball_v3.access import looking_up as looking_up_stores
from services.api.gameball_v3.dialect import GAMEBALL_V3
from services.api.gameball_v4.dialect import GAMEBALL_V4
from services.api.gameball_v4.keys import PartnerKeys, looking_up
from services.api.gameball_v4.programs import KnownPrograms
from services.api.partners.access import Access
from services.api.partners.dialect import PARTNERS
from services.api.partners.keys import Keys, keys_by
from services.decisions.manner import Manner
from services.runtime.backoff import pause
from services.runtime.docs_page import add_docs
from services.runtime.health import LICENSE, Health, add_health
from services.runtime.serving import serving
from services.runtime.settings import Settings, require_code_secret, required
from services.runtime.side_by_side import side_by_side
from services.runtime.waiting import Waiting, keep_trying

DIALECTS: tuple[Dialect, ...] = (PARTNERS, GAMEBALL_V4, GAMEBALL_V3)
"""All there are; the first one answers for paths that are nobody's."""
GRACE_SECONDS = 10
"""How long requests in hand may take when the process stops."""
WATCH_SECONDS = 5.0

log = logging.getLogger(__name__)


def build_app(
    settings: Settings,
    pool: asyncpg.Pool,
    *,
    limits: Limits,
    keys: Keys,
    dialects: Sequence[Dialect] = DIALECTS,
    guard: ClockGuard = OWN_CLOCK,
    stopping: asyncio.Event | None = None,
) -> FastAPI:
    """The application on this pool (see `tenant.open_tenant_pool`), until `stopping`."""

    async def exists(partner_id: int) -> bool:
        async with tenant.reading(pool, partner_id) as connection:
            return bool(await connection.fetchval("SELECT count(*) FROM partners"))

    app = unserved_app(dialects)
    app.state.access = Access(settings, keys, exists)
    app.state.stores = Stores(looking_up_stores(pool))
    app.state.partner_keys = PartnerKeys(looking_up(pool))
    app.state.programs = KnownPrograms()
    app.state.api = Api(
        settings=settings,
        pool=pool,
        limits=limits,
        manner=Manner.by(settings, guard).under_row_level_security(),
        stopping=stopping or asyncio.Event(),
    )
    return app


def unserved_app(dialects: Sequence[Dialect] = DIALECTS) -> FastAPI:
    """Every path, nothing behind it: enough to describe the API."""
    app = FastAPI(
        title="Couponry partner API",
        description="Games, cards, shops, products, coupons and the program of one partner.",
        version="1",
        license_info=LICENSE,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    routers = [router for dialect in dialects for router in dialect.routers]
    app.state.routes = [route for router in routers for route in router.routes]
    for router in routers:
        app.include_router(router)
    add_answers(app)
    app.add_middleware(Edge, dialects=dialects)
    describe(app, dialects)
    return app


async def serve(settings: Settings, health: Health) -> None:
    """Answer requests until told to stop; wait for the database as long as it takes."""
    required(settings, "postgres_dsn")
    keys = keys_by(settings)
    require_code_secret(settings)
    limits = Limits(settings)
    try:
        async with _pool(settings, health) as pool:
            if pool is None:
                return
            guard = ClockGuard()
            app = build_app(
                settings, pool, limits=limits, keys=keys, guard=guard, stopping=health.stopping
            )
            add_health(app, health)
            add_docs(app)
            served = serving(
                app,
                settings.api_host,
                settings.api_port,
                announce_as="api",
                grace_seconds=GRACE_SECONDS,
            )
            async with served:
                health.warns("redis", lambda: limits.fault)
                health.started()
                await side_by_side(
                    limits.keep_sharing(lambda s: pause(health.stopping, s)),
                    _watch(pool, health, guard),
                )
    finally:
        await limits.close()


@asynccontextmanager
async def _pool(settings: Settings, health: Health) -> AsyncIterator[asyncpg.Pool | None]:
    """The pool, however long the database takes to answer; None once told to stop."""
    waiting = Waiting("waiting for Postgres", log)
    health.needs("postgres", lambda: waiting.why)
    pool = await keep_trying(
        partial(_opened, settings),
        waiting.failed,
        is_outage=is_of_postgres,  # also not there yet, or not migrated yet
        stopping=health.stopping,
    )
    if pool is None:
        yield None
        return
    waiting.over()
    try:
        yield pool
    finally:
        try:
            await asyncio.wait_for(pool.close(), 5)
        except OF_POSTGRES:
            pool.terminate()


async def _opened(settings: Settings) -> asyncpg.Pool:
    await require_schema(settings, role=API_ROLE)
    return await tenant.open_tenant_pool(settings)


async def _watch(pool: asyncpg.Pool, health: Health, guard: ClockGuard) -> None:
    """Ready is who reaches the database, one that takes writes and whose clock is right."""
    standing = Standing(guard)
    health.needs("clock", lambda: guard.fault)
    health.needs("postgres", lambda: standing.fault)
    while not await pause(health.stopping, WATCH_SECONDS):
        await standing.look(pool)
        if standing.fault is not None:
            # What answers there may never take writes again; a new connection may lead to a server that does.
            await pool.expire_connections()
