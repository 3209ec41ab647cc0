"""Releases and schemas that do not match: processes wait for an older schema, and work on a newer one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import httpx
import pytest

from services.adapters.postgres.failures import SchemaBehind
from services.adapters.postgres.migrate import migrate, migrations, plan
from services.adapters.postgres.pool import API_ROLE, SCHEMA
from services.adapters.postgres.schema import require_schema
from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.edge.tenant import open_tenant_pool
from services.api.partners.keys import Secret
from services.runtime.processes import PROCESSES
from services.runtime.settings import Settings
from tests.api.games import WHOLE
from tests.api.stand import SECRET, URL, a_tenant
from tests.stand.commands import CommandOn
from tests.stand.copies import with_database
from tests.stand.database import connected
from tests.stand.feed import feed, finished
from tests.stand.issuing import a_game, count
from tests.stand.processes import ServiceProcess, service
from tests.stand.records import completed
from tests.stand.waiting import eventually
from tests.stand.world import CUSTOMERS, World, at_work, until_settled

FUTURE = "INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, '9999_of_the_future', '')"


async def grow(owner: asyncpg.Connection) -> None:
    """What a newer release may do: a column in every table, one more table, and its line in the log."""
    for row in await owner.fetch("SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'", SCHEMA):  # fmt: skip
        await owner.execute(
            f"ALTER TABLE {row['relname']} ADD COLUMN of_the_future text NOT NULL DEFAULT 'x'"
        )
    await owner.execute("CREATE TABLE of_the_future (id bigint)")
    await owner.execute(FUTURE)


@pytest.fixture
async def unmigrated(topics: Settings) -> AsyncIterator[Settings]:
    """Topics are there, and a database with nothing in it."""
    name = f"couponry_empty_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(topics.postgres_dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    yield with_database(topics, name).model_copy(update={"jwt_secret": SECRET})
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def answers(process: ServiceProcess) -> dict[str, int]:
    """The status of each health path."""
    async with httpx.AsyncClient() as http:
        paths = ("livez", "startupz", "readyz")
        return {path: (await http.get(f"{process.url}/{path}")).status_code for path in paths}


async def test_process_waits_for_its_schema(unmigrated: Settings) -> None:
    """Started before `couponry migrate` it lives, says what it waits for, and starts as soon as that is done."""
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(service(name, unmigrated)) for name in PROCESSES]

        async def wait_for_it() -> bool:
            said = await asyncio.gather(*(process.complaint() for process in running))
            return all("run `couponry migrate`" in text for text in said)

        await eventually(wait_for_it, "all say what they wait for")
        for process in running:
            assert await answers(process) == {"livez": 200, "startupz": 503, "readyz": 503}
            assert any("run `couponry migrate`" in line for line in process.lines)
        await migrate(unmigrated)

        async def started() -> bool:
            every = await asyncio.gather(*map(answers, running))
            return all(set(statuses.values()) == {200} for statuses in every)

        await eventually(started, "all have started")


async def test_schema_is_required_as_it_grows(unmigrated: Settings) -> None:
    """None, an older one, ours, a newer one; for either role, also where the role is not there yet."""
    for role in ("couponry_worker", API_ROLE, "couponry_unknown"):
        with pytest.raises(SchemaBehind, match="it has none"):
            await require_schema(unmigrated, role=role)
    await migrate(unmigrated)
    await require_schema(unmigrated, role="couponry_worker")
    await require_schema(unmigrated, role=API_ROLE)
    async with connected(unmigrated, role=None) as owner:
        newest = migrations()[-1]
        await owner.execute("DELETE FROM schema_migrations WHERE version = $1", newest.version)
        with pytest.raises(SchemaBehind, match=f"needs the schema {newest.name}"):
            await require_schema(unmigrated)
        await owner.execute(FUTURE)
        await require_schema(unmigrated)


async def test_issuer_and_relay_outlive_a_migration(
    topics: Settings, owner: asyncpg.Connection, database: asyncpg.Connection, partner_id: int
) -> None:
    """A newer release migrates under them: statements are planned anew, and nothing is lost."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)

    def play(turn: str) -> list[object]:
        return [
            completed(f"{turn}-{n}", f"c-{n}", partner_id=partner_id, game_id=game_id)
            for n in range(20)
        ]

    async with at_work(topics):
        await feed(topics, play("before"))
        await until_settled(topics)
        await grow(owner)
        await feed(topics, play("after"))
        await until_settled(topics)
    async with at_work(topics):
        await feed(topics, play("anew"))
        await finished(topics)
    assert await count(database, "coupons") == 60
    assert await count(database, "dead_letters") == 0


async def test_api_outlives_a_migration(settings: Settings, owner: asyncpg.Connection) -> None:
    """No request fails for a column that came while its statement was planned."""
    settings = settings.model_copy(update={"jwt_secret": SECRET})
    pool, limits = await open_tenant_pool(settings), Limits(settings)
    app = build_app(settings, pool, limits=limits, keys=Secret(SECRET))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        partner = await a_tenant(settings, http, owner)

        async def use(turn: str) -> None:
            made = {}
            for path, body in (("/games", WHOLE), ("/shops", {"name": turn}), ("/products", {"name": turn})):  # fmt: skip
                answer = await partner.post(path, body)
                assert answer.status_code == 201, answer.text
                made[path] = answer.json()["data"]["id"]
                for shown in (path, f"{path}/{made[path]}"):
                    assert (await partner.get(shown)).status_code == 200, shown
                changed = await partner.put(f"{path}/{made[path]}", body)
                assert changed.status_code == 200, changed.text
            by_hand = {"game_id": made["/games"], "customer_id": turn, "reason": "asked"}
            answer = await partner.post("/staff/coupons", by_hand)
            assert answer.status_code == 201, answer.text
            coupon_id = answer.json()["data"]["coupon"]["coupon_id"]
            for shown in ("", f"/{coupon_id}"):
                found = await partner.get(f"/staff/coupons{shown}?shop_id={partner.shop_id}")
                assert found.status_code == 200, shown

        await use("before")
        await grow(owner)
        await use("after")
    await limits.close()
    pool.terminate()


async def test_command_works_on_a_newer_schema(
    copied: Settings, world: World, couponry_on: CommandOn
) -> None:
    """What an operator of the older release looks at and does; `migrate` finds nothing to do."""
    async with connected(copied, role=None) as owner:
        await grow(owner)
    couponry = couponry_on(copied)
    for arguments in (
        ("migrate",),
        ("verify",),
        ("status",),
        ("explain", f"{CUSTOMERS[0]}-single-1"),
        ("explain", "--customer", CUSTOMERS[0], "--partner-id", world.partner_id),
        ("partners", "list"),
        ("games", "list"),
        ("coupons", "list"),
        ("dead-letters", "list"),
        ("dead-letters", "redrive"),
        ("replay", "--topic", "game-completed"),
        ("republish",),
        ("what-if", "--game-id", world.single, "--set", "coupon_validity_days=3"),
    ):
        result = await couponry(*arguments, "--json")
        assert result.code == 0, (arguments, result.err, result.out)
    assert await plan(copied) == []
