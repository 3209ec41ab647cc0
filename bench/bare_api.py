"""The yardstick of the partner API: FastAPI, the same check of the same token, one primary-key read, nothing else."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import asyncpg
from fastapi import Depends, FastAPI, Request

from services.api.edge.dialect import Caller
from services.api.partners.access import Access
from services.api.partners.keys import keys_by
from services.runtime.health import Health
from services.runtime.process import run_service
from services.runtime.serving import serving
from services.runtime.settings import Settings, read_settings

QUERY = "SELECT id, code, status, issued_at, expires_at FROM couponry.coupons WHERE id = $1"


async def caller_of(request: Request) -> Caller:
    """Who asks."""
    caller: Caller = await request.app.state.access.caller(request.headers.get("authorization"))
    return caller


app = FastAPI()


@app.get("/coupons/{coupon_id}")
async def coupon(
    request: Request, coupon_id: str, caller: Annotated[Caller, Depends(caller_of)]
) -> dict[str, Any]:
    """One row."""
    return dict(await request.app.state.pool.fetchrow(QUERY, coupon_id))


async def serve(settings: Settings, health: Health) -> None:
    """Until told to stop."""

    async def exists(partner_id: int) -> bool:
        return True

    async with asyncpg.create_pool(settings.postgres_dsn, min_size=10, max_size=10) as pool:
        app.state.pool = pool
        app.state.access = Access(settings, keys_by(settings), exists)
        async with serving(app, "127.0.0.1", 0, announce_as="api"):
            health.started()
            await health.stopping.wait()
            await asyncio.sleep(0)


if __name__ == "__main__":
    settings = read_settings()
    raise SystemExit(run_service("bare", settings, lambda health: serve(settings, health)))
