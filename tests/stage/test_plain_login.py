"""Postgres as a cloud grants it: a login with CREATEROLE, no superuser, that may make nobody who bypasses policies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from services.adapters.postgres.migrate import migrate
from services.adapters.postgres.pool import API_ROLE
from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.edge.tenant import open_tenant_pool
from services.api.partners.keys import Secret
from services.local.servers import start_servers
from services.runtime.settings import Settings
from tests.api.stand import SECRET, URL, a_tenant
from tests.stand.commands import CommandOn
from tests.stand.database import connected
from tests.stand.issuing import a_game, count
from tests.stand.world import at_work, completed, make_world, send, until_settled


@pytest.fixture
async def plain(servers: Settings, run_dir: Path, tmp_path: Path) -> AsyncIterator[Settings]:
    """A server of its own, because roles belong to a whole server; the login owns its database and nothing else."""
    own = await start_servers(
        Settings(postgres_dsn=None, state_dir=run_dir / tmp_path.name), want=("postgres",)
    )
    admin = await asyncpg.connect(own.postgres)
    await admin.execute("CREATE ROLE shop LOGIN CREATEROLE PASSWORD 'p'")
    await admin.execute("CREATE DATABASE shop OWNER shop")
    await admin.close()
    port = urlsplit(own.postgres or "").port
    yield servers.model_copy(
        update={
            "postgres_dsn": f"postgresql://shop:p@127.0.0.1:{port}/shop",
            "topic_prefix": f"plain-{port}-",
            "state_dir": tmp_path,
        }
    )
    await own.stop()


async def test_login_without_superuser_does_everything(
    plain: Settings, couponry_on: CommandOn
) -> None:
    """Schema, issuing, publishing, staff and verify: slower, with the same outcome; partners stay apart."""
    assert await migrate(plain)
    assert await migrate(plain) == []
    async with connected(plain, role=None) as owner:
        roles = "SELECT bool_or(rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname ~ '^couponry|^shop'"
        assert await owner.fetchval(roles) is False
        hidden = "SELECT relname FROM pg_class WHERE relrowsecurity AND relnamespace = 'couponry'::regnamespace"
        protected = [row["relname"] for row in await owner.fetch(hidden)]
    world = await make_world(plain)
    async with connected(plain) as worker, connected(plain, role=None) as owner:
        assert await count(worker, "coupons") > 0
        for table in protected:
            rows = f'SELECT count(*) FROM couponry."{table}"'
            assert await owner.fetchval(rows) == await worker.fetchval(rows), table
        pool, limits = await open_tenant_pool(plain), Limits(plain)
        app = build_app(plain, pool, limits=limits, keys=Secret(SECRET))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
            tenant = await a_tenant(plain, http, worker)
            game_id = await a_game(worker, tenant.id)
            async with at_work(plain):
                await send(plain, [completed("mine", "ona", tenant.id, game_id)])
                await until_settled(plain)
            listed = (await tenant.get(f"/staff/coupons?shop_id={tenant.shop_id}")).json()
            (coupon,) = listed["data"]["coupons"]
            step = f"/staff/coupons/{coupon['coupon_id']}/redeem"
            redeemed = await tenant.post(step, {"shop_id": tenant.shop_id})
            assert redeemed.status_code == 200, redeemed.text
        await limits.close()
        pool.terminate()
    async with connected(plain, role=API_ROLE) as api:
        await api.execute(f"SET couponry.partner_id = '{world.partner_id}'")
        assert {row[0] for row in await api.fetch("SELECT DISTINCT partner_id FROM coupons")} == {
            world.partner_id
        }
    couponry = couponry_on(plain)
    for command in (("verify",), ("replay", "--topic", "game-completed")):
        told = await couponry(*command, "--json")
        assert told.code == 0, (command, told.out, told.err)
