"""One house for all plays: each has a partner of its own, so they do not meet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest

from services.adapters.postgres.pool import connect, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.edge.tenant import open_tenant_pool
from services.api.partners.keys import Secret
from tests.api.stand import SECRET, URL
from tests.doors.doors import ISSUER, ONE_BY_ONE, PLANNED, House
from tests.doors.playing import Play, played
from tests.doors.script import Script
from tests.stand.copies import Copies

PlayedOneByOne = Callable[[str, Script], Awaitable[Play]]


@pytest.fixture(scope="session")
async def house(copies: Copies) -> AsyncIterator[House]:
    """The servers with everything that a door opens on."""
    async with AsyncExitStack() as stack:
        copied = await stack.enter_async_context(copies.copy())
        settings = copied.model_copy(update={"jwt_secret": SECRET})
        database = await connect(settings, "test")
        stack.push_async_callback(database.close)
        pool = await open_pool(settings, "couponry-issuer", enable_seqscan="off")
        stack.callback(pool.terminate)
        locks = CustomerLocks(settings)
        stack.push_async_callback(locks.close)
        api_pool = await open_tenant_pool(settings)
        stack.callback(api_pool.terminate)
        limits = Limits(settings)
        stack.push_async_callback(limits.close)
        app = build_app(settings, api_pool, limits=limits, keys=Secret(SECRET))
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL)
        )
        yield House(
            settings=settings, database=database, pool=pool, locks=locks, app=app, http=http
        )


@pytest.fixture(scope="session")
def one_by_one(house: House) -> PlayedOneByOne:
    """Scripts by name, played one by one: once for all doors that are compared with it."""
    plays: dict[str, Play] = {}

    async def play(name: str, script: Script) -> Play:
        if name not in plays:
            plays[name] = await played(house, ONE_BY_ONE, script)
        return plays[name]

    return play


@pytest.fixture(autouse=True)
def only_planned_faults(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No batch fails but for what the doors refuse: halved until it is small enough, a wrong one comes out right."""
    yield
    failed = [record.getMessage() for record in caplog.get_records("call") if record.name == ISSUER]
    assert [message for message in failed if not any(why in message for why in PLANNED)] == []
