"""Sessions: of the role that was asked for, on a server that takes writes, with a server process of their own."""

from __future__ import annotations

import asyncio
import secrets
from urllib.parse import urlsplit

import asyncpg
import pytest

from services.adapters.postgres.clock import ClockGuard
from services.adapters.postgres.failures import Kind, kind_of
from services.adapters.postgres.hosts import ReadOnlyServer, hosts_of
from services.adapters.postgres.pool import connect, open_pool
from services.adapters.postgres.session import are_sessions, examine, keeps_sessions
from services.adapters.postgres.standing import Standing
from services.runtime.settings import Settings, SettingsError
from tests.stand.commands import CommandOn, run_process
from tests.stand.pooler import pooled
from tests.stand.proxy import proxied

SECRET = {"COUPONRY_JWT_SECRET": "s" * 32}


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql://u:p@h:1/d", ["postgresql://u:p@h:1/d"]),
        ("postgresql://u:p@a:1,b:2/d?x=y", ["postgresql://u:p@a:1/d?x=y", "postgresql://u:p@b:2/d?x=y"]),
        ("postgresql://a,b", ["postgresql://a", "postgresql://b"]),
        ("postgresql:///d?host=/tmp,h", ["postgresql:///d?host=/tmp,h"]),
        ("postgresql://u@a,[::1]:2?x=a,b", ["postgresql://u@a?x=a,b", "postgresql://u@[::1]:2?x=a,b"]),
        ("nonsense", ["nonsense"]),
    ],
)  # fmt: skip
def test_address_names_hosts(dsn: str, hosts: list[str]) -> None:
    """One address for each host, with everything else of it."""
    assert hosts_of(dsn) == hosts


@pytest.mark.parametrize(
    ("first", "second", "are"),
    [
        (["1", "1"], ["2", "2"], True),
        ([], [], True),
        (["1", "1"], ["1"], False),
        (["1", "3"], ["2"], False),
        (["1"], ["2", "3"], False),
    ],
)
def test_sessions_are_told_from_loans(first: list[str], second: list[str], are: bool) -> None:
    """One process each, all the time, and never the same."""
    assert are_sessions(first, second) is are


async def test_pooler_in_transaction_mode_is_refused(
    topics: Settings, couponry_on: CommandOn
) -> None:
    """By a connection, by a pool, and by every command in one line with exit code 2."""
    async with pooled(topics.postgres_dsn or "") as address:
        behind = topics.model_copy(update={"postgres_dsn": address})
        with pytest.raises(SettingsError, match="pooler"):
            await connect(behind, "test")
        with pytest.raises(SettingsError, match="pooler"):
            await open_pool(behind, "test", min_size=2)
        with pytest.raises(SettingsError, match="pooler"):
            await connect(behind, "test", role=None)
        for command in ("migrate", "status"):
            told = await couponry_on(behind)(command)
            assert (told.code, told.err.count("\n"), "pooler" in told.err) == (2, 1, True), command
        processes = ("issuer", "relay", "sweeper", "webhooks", "api")
        for name, told in zip(
            processes,
            await asyncio.gather(
                *(asyncio.to_thread(run_process, behind, name, **SECRET) for name in processes)
            ),
            strict=True,
        ):
            assert (told.code, "pooler" in told.err.splitlines()[-1]) == (2, True), (name, told.err)


async def test_slow_server_is_no_pooler(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that answers nobody in time is an outage: who is starting waits for it."""
    monkeypatch.setattr("services.adapters.postgres.session.PATIENCE_SECONDS", 0.1)
    async with proxied(settings.postgres_dsn or "") as (proxy, address):
        session, other = await asyncpg.connect(address), await asyncpg.connect(address)
        proxy.fate = lambda _: "hold"

        async def another() -> asyncpg.Connection:
            return other

        with pytest.raises(TimeoutError):
            await keeps_sessions(session, another)
        session.terminate()


async def test_session_of_another_role_is_refused(settings: Settings) -> None:
    """A login that may not work as the role, and an API role that would see every partner."""
    owner = await connect(settings, "test", role=None)
    login = f"stranger_{secrets.token_hex(4)}"
    await owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'p'")
    try:
        parts = urlsplit(settings.postgres_dsn or "")
        stranger = f"postgresql://{login}:p@{parts.hostname}:{parts.port}{parts.path}"
        with pytest.raises(SettingsError, match="may not work as role 'couponry_worker'"):
            await connect(settings.model_copy(update={"postgres_dsn": stranger}), "test")
        with pytest.raises(SettingsError, match="should be 'couponry_worker'"):
            await examine(owner, "couponry_worker", "couponry", of_one_partner=False)
        await owner.execute(f"ALTER ROLE {login} BYPASSRLS; SET ROLE {login}")
        with pytest.raises(SettingsError, match="would see every partner"):
            await examine(owner, login, "couponry", of_one_partner=True)
    finally:
        await owner.execute("RESET ROLE")
        await owner.execute(f"DROP ROLE {login}")
        await owner.close()


async def test_pool_lets_go_of_a_server_that_became_read_only(settings: Settings) -> None:
    """After the first refusal every connection is a new one, at the next host that takes writes."""
    async with proxied(settings.postgres_dsn or "") as (_, again):
        there, here = urlsplit(settings.postgres_dsn or ""), urlsplit(again)
        both = f"{there.scheme}://{there.netloc},{here.hostname}:{here.port}{there.path}"
        pool = await open_pool(
            settings.model_copy(update={"postgres_dsn": both}), "test", min_size=2, max_size=2
        )
        async with pool.acquire() as first, pool.acquire() as second:
            before = {await each.fetchval("SELECT pg_backend_pid()") for each in (first, second)}
            await first.execute("SET default_transaction_read_only = on")  # as a demotion does
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await first.execute("UPDATE customers SET last_at = now()")
        async with pool.acquire() as first, pool.acquire() as second:
            after = {await each.fetchval("SELECT pg_backend_pid()") for each in (first, second)}
            await first.execute("UPDATE customers SET last_at = now()")
        assert not before & after
        pool.terminate()


async def test_idle_process_says_that_the_server_became_read_only(
    settings: Settings, owner: asyncpg.Connection
) -> None:
    """Also when its connections are gone and no new one is to be had."""
    pool, standing = await open_pool(settings, "test"), Standing(ClockGuard())
    await standing.look(pool)
    assert standing.fault is None
    name = await owner.fetchval("SELECT current_database()")
    await owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await pool.expire_connections()
    await standing.look(pool)
    assert str(standing.fault).startswith("Postgres refuses writes")
    await owner.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await standing.look(pool)
    assert standing.fault is None
    pool.terminate()


async def test_worker_passes_over_hosts_that_do_not_serve_it(
    settings: Settings, owner: asyncpg.Connection
) -> None:
    """Nobody there, and a standby: the next host is asked; a reader takes the first that answers."""
    there = urlsplit(settings.postgres_dsn or "")
    login, _, host = there.netloc.rpartition("@")
    beyond = settings.model_copy(
        update={"postgres_dsn": f"{there.scheme}://{login}@127.0.0.1:9,{host}{there.path}"}
    )
    for overrides in ({}, {"default_transaction_read_only": "on"}):
        connection = await connect(beyond, "test", **overrides)
        await connection.close()
    name = await owner.fetchval("SELECT current_database()")
    await owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    for open_one in (connect(beyond, "test"), open_pool(settings, "test")):
        with pytest.raises(ReadOnlyServer, match="refuses writes") as refusal:
            await open_one
        assert kind_of(refusal.value) is Kind.OUTAGE
    reader = await connect(settings, "test", default_transaction_read_only="on")
    await reader.close()
