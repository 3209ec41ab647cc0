"""Migrations on a real server: once, in order, whole or not at all."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from services.adapters.postgres import migrate as migrating
from services.adapters.postgres.migrate import (
    LOCK_KEY,
    MigrationError,
    migrate,
    migrations,
    plan,
)
from services.adapters.postgres.pool import connect
from services.runtime.settings import Settings
from tests.stand.waiting import eventually

RELEASED = Path(__file__).with_name("migrations.sha256")
ALL = [migration.name for migration in migrations()]


@pytest.fixture
async def empty(servers: Settings) -> AsyncIterator[Settings]:
    """A database with nothing in it."""
    name = f"couponry_empty_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(servers.postgres_dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    parts = urlsplit(servers.postgres_dsn or "")
    yield servers.model_copy(update={"postgres_dsn": urlunsplit(parts._replace(path=f"/{name}"))})
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def _execute(settings: Settings, *statements: str) -> None:
    connection = await connect(settings, "test", role=None)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def test_migrate_applies_each_file_once(empty: Settings) -> None:
    """The first run applies everything in order, the second finds nothing to do."""
    assert await migrate(empty) == ALL
    assert await migrate(empty) == []
    assert await plan(empty) == []


def test_file_that_was_ever_applied_is_as_it_was() -> None:
    """A database that has applied it refuses an edited one. What is to be other than it was comes in a file of its own,
    whose line is added to the list."""
    listed = [line.split() for line in RELEASED.read_text().splitlines()]
    assert [(each.checksum.hex(), each.name) for each in migrations()] == [*map(tuple, listed)]


async def test_plan_changes_nothing(empty: Settings) -> None:
    """A plan of an empty database names every file and leaves not even the schema."""
    assert await plan(empty) == ALL
    connection = await connect(empty, "test", role=None)
    assert await connection.fetchval("SELECT to_regnamespace('couponry')") is None
    await connection.close()


async def test_migrate_by_several_at_once_applies_each_file_once(empty: Settings) -> None:
    """Of six processes that start together one works; the others wait and find nothing left."""
    applied = await asyncio.gather(*(migrate(empty) for _ in range(6)))
    assert sorted(name for names in applied for name in names) == sorted(ALL)


async def test_migrate_says_how_far_it_is(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file as it begins, and what it waits for, again and again; another's index need not wait for it."""
    monkeypatch.setattr(migrating, "TELL_SECONDS", 0.02)
    said: list[str] = []
    other = await connect(empty, "test", role=None)
    await other.execute("CREATE TABLE public.large (id bigint)")
    await other.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    waiting = asyncio.create_task(migrate(empty, said.append))

    async def waits() -> bool:
        return any("waiting for another migration" in line for line in said)

    await eventually(waits, "it says that it waits")
    await other.execute("CREATE INDEX CONCURRENTLY ON public.large (id)", timeout=20)
    await other.close()
    assert await waiting == ALL
    assert f"applying {ALL[-1]} ({len(ALL)} of {len(ALL)})" in said


async def test_migrate_refuses_an_edited_file(empty: Settings) -> None:
    """A file that is not what was applied under its number is named, and nothing is done."""
    await migrate(empty)
    await _execute(empty, "UPDATE schema_migrations SET checksum = '\\x00' WHERE version = 2")
    for attempt in (migrate, plan):
        with pytest.raises(MigrationError, match=f"{ALL[1]} differs from what was applied"):
            await attempt(empty)


async def test_migrate_leaves_a_newer_database_alone(empty: Settings) -> None:
    """An older release, started beside the newer one that has migrated, finds nothing to do."""
    await migrate(empty)
    await _execute(
        empty,
        "INSERT INTO schema_migrations (version, name, checksum)"
        " VALUES (9999, '9999_of_the_future', '\\x00')",
    )
    assert await plan(empty) == []
    assert await migrate(empty) == []


async def test_migrate_leaves_nothing_of_a_file_that_fails(empty: Settings) -> None:
    """What stands in the way is named in one line, the file leaves no trace, and a later run completes."""
    await _execute(empty, "CREATE SCHEMA couponry", "CREATE TABLE couponry.coupons ()")
    with pytest.raises(MigrationError, match=f"{ALL[0]} was refused: .*coupons") as refused:
        await migrate(empty)
    assert "\n" not in str(refused.value)
    assert await plan(empty) == ALL
    await _execute(empty, "DROP TABLE couponry.coupons")
    assert await migrate(empty) == ALL


async def test_migrate_works_for_an_owner_who_is_no_superuser(
    empty: Settings, settings: Settings
) -> None:
    """Where an administrator has made the roles and granted them, the database's owner migrates by himself."""
    name, owner = urlsplit(empty.postgres_dsn or "").path[1:], f"owner_{secrets.token_hex(4)}"
    await _execute(
        empty,
        f"CREATE ROLE {owner} LOGIN PASSWORD 'owner' IN ROLE couponry_worker, couponry_api",
        f"ALTER DATABASE {name} OWNER TO {owner}",
    )
    place = (empty.postgres_dsn or "").rpartition("@")[2]
    owned = empty.model_copy(update={"postgres_dsn": f"postgresql://{owner}:owner@{place}"})
    assert await migrate(owned) == ALL
    worker = await connect(owned, "test")
    assert await worker.fetchval("SELECT count(*) FROM deployment") == 1
    await worker.close()
    await _execute(
        empty, f"ALTER DATABASE {name} OWNER TO postgres", f"DROP OWNED BY {owner} CASCADE"
    )
    await _execute(empty, f"DROP ROLE {owner}")


async def test_migrate_says_what_a_login_may_not(empty: Settings) -> None:
    """A login that may not change this database gets one line about it."""
    stranger = f"stranger_{secrets.token_hex(4)}"
    await _execute(empty, f"CREATE ROLE {stranger} LOGIN PASSWORD 'stranger'")
    place = (empty.postgres_dsn or "").rpartition("@")[2]
    dsn = f"postgresql://{stranger}:stranger@{place}"
    with pytest.raises(MigrationError, match="permission denied"):
        await migrate(empty.model_copy(update={"postgres_dsn": dsn}))
    await _execute(empty, f"DROP ROLE {stranger}")


INVALID = """
    SELECT indexrelid::regclass::text FROM pg_index
    WHERE NOT indisvalid AND indrelid = to_regclass('couponry.coupons')
"""


async def test_index_that_was_begun_is_built_again(empty: Settings) -> None:
    """A migration that dies while an index is built leaves one that is not valid, and no log of the file: the next run
    makes a whole one. Whoever writes to the table meanwhile waits for nothing."""
    name = urlsplit(empty.postgres_dsn or "").path[1:]
    admin, reader = [await asyncpg.connect(empty.postgres_dsn) for _ in range(2)]
    # An index that is built concurrently waits for whoever may still see the table as it was before.
    async with reader.transaction(isolation="repeatable_read"):
        await reader.fetchval("SELECT 1")
        migrating = asyncio.create_task(migrate(empty))
        await eventually(lambda: admin.fetchval(INVALID), "the index is begun")
        await admin.execute("SET lock_timeout = '1s'")
        await admin.execute("UPDATE couponry.coupons SET steps = steps")
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'couponry-migrate' AND datname = $1",
            name,
        )
        with pytest.raises((MigrationError, asyncpg.PostgresConnectionError)):
            await migrating
    assert await admin.fetchval(INVALID)
    outside = [migration.name for migration in migrations() if migration.is_outside]
    missing = await plan(empty)
    assert outside[0] == missing[0]
    assert await migrate(empty) == missing
    assert await admin.fetchval(INVALID) is None
    for connection in (admin, reader):
        await connection.close()


def test_file_outside_a_transaction_can_be_run_again() -> None:
    """Each of its statements does nothing where it was done before, and is one that needs to be there."""
    outside = [migration for migration in migrations() if migration.is_outside]
    assert outside
    for migration in outside:
        for statement in migration.statements():
            assert "CONCURRENTLY" in statement
            assert re.search(r"\bIF (NOT )?EXISTS\b", statement), statement
    assert not any("CONCURRENTLY" in each.sql for each in migrations() if not each.is_outside)
