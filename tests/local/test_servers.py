"""Local servers: started, used again, replaced after a kill, and clear words when they cannot be."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import signal
import socket
import stat
from pathlib import Path

import asyncpg
import psutil
import pytest

from services.adapters.kafka import ensure_topics
from services.local import postgres
from services.local.elsewhere import new_place, remembered_place, remove_state
from services.local.process import Account
from services.local.servers import start_servers
from services.local.state import LocalServerError, StateDir
from services.runtime.settings import Settings
from tests.local.processes import owner, runs


@pytest.fixture
def bare(run_dir: Path, tmp_path: Path) -> Settings:
    """Settings without addresses, whatever the environment says, and a directory of their own."""
    return Settings(
        kafka_bootstrap_servers=None,
        postgres_dsn=None,
        redis_url=None,
        state_dir=run_dir / tmp_path.name,
    )


async def _remember(dsn: str, word: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
    await connection.execute("INSERT INTO words VALUES ($1)", word)
    await connection.close()


async def _remembered(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    words = [row["word"] for row in await connection.fetch("SELECT word FROM words")]
    await connection.close()
    return words


async def test_servers_are_used_again(bare: Settings) -> None:
    """A second start has the same addresses and data, and a stop leaves no process."""
    first = await start_servers(bare, want=("postgres", "redis"))
    assert first.postgres
    assert first.kafka is None
    await _remember(first.postgres, "kept")
    pids = [pid for pid in first.pids.values() if pid]
    await first.stop()
    assert not any(map(runs, pids))
    second = await start_servers(bare, want=("postgres", "redis"))
    assert second.addresses == first.addresses
    assert second.postgres
    assert await _remembered(second.postgres) == ["kept"]
    await second.stop()


async def test_servers_with_an_address_are_left_alone(bare: Settings) -> None:
    """What the settings name is not started, and is handed on as it is."""
    named = bare.model_copy(update={"postgres_dsn": "postgresql://db/x", "redis_url": None})
    servers = await start_servers(named, want=("postgres", "redis"))
    assert servers.postgres == "postgresql://db/x"
    assert servers.pids["postgres"] is None
    assert runs(servers.pids["redis"] or 0)
    assert servers.settings(named).redis_url == servers.redis
    await servers.stop()


async def test_servers_of_a_killed_owner_are_replaced(bare: Settings) -> None:
    """After a kill -9 of the owner the next start ends what it left and goes on with its ports and data."""
    with owner(bare.state_dir, "kafka", "postgres", "redis") as (process, left):
        await _remember(left["addresses"]["postgres"], "kept")
        before = bare.model_copy(
            update={"kafka_bootstrap_servers": left["addresses"]["kafka"], "topic_prefix": "kept-"}
        )
        assert await ensure_topics(before)
        process.kill()
    assert all(map(runs, left["pids"].values()))
    said: list[str] = []
    servers = await start_servers(bare, progress=said.append)
    assert not any(map(runs, left["pids"].values()))
    assert servers.addresses == left["addresses"]
    stopped = said[0].removeprefix("stopped what an earlier run left behind: ")
    assert set(stopped.split(", ")) == {"kafka", "postgres", "redis"}
    assert servers.postgres
    assert await _remembered(servers.postgres) == ["kept"]
    assert await ensure_topics(before, plan_only=True) == []
    await servers.stop()


async def test_postgres_comes_back_after_a_kill_with_busy_sessions(bare: Settings) -> None:
    """Sessions that outlive a killed server do not keep its successor from the data."""
    servers = await start_servers(bare, want=("postgres",))
    assert servers.postgres
    connection = await asyncpg.connect(servers.postgres)
    busy = asyncio.ensure_future(
        connection.execute("DO 'BEGIN LOOP PERFORM 1; END LOOP; END'", timeout=60)
    )
    observer = await asyncpg.connect(servers.postgres)
    active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO%' AND state = 'active'"
    async with asyncio.timeout(60):
        while not await observer.fetchval(active):
            await asyncio.sleep(0.01)
    pid = servers.pids["postgres"]
    assert pid
    os.kill(pid, signal.SIGKILL)
    await servers.processes.ended("postgres")
    await servers.processes.restart("postgres")
    await _remember(servers.postgres, "back")
    with pytest.raises((asyncpg.PostgresError, ConnectionError)):
        await busy
    observer.terminate()
    await servers.stop()


async def test_servers_stop_when_the_start_is_cancelled(bare: Settings) -> None:
    """A start that is given up in its middle leaves no process and lets the next one in."""
    said: list[str] = []
    start = asyncio.ensure_future(
        start_servers(bare, want=("postgres", "redis"), progress=said.append)
    )
    async with asyncio.timeout(60):
        while "redis is ready" not in said:
            await asyncio.sleep(0.01)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    inside = [p.pid for p in psutil.process_iter(["cmdline"]) if _names(p, bare.state_dir)]
    assert inside == []
    servers = await start_servers(bare, want=("postgres", "redis"))
    await servers.stop()


def _names(process: psutil.Process, directory: Path) -> bool:
    return any(str(directory) in part for part in process.info["cmdline"] or [])


async def test_server_that_ends_at_once_says_why(bare: Settings) -> None:
    """The error carries the name, the log and its last line; what else was started is stopped."""
    servers = await start_servers(bare, want=("postgres",))
    await servers.stop()
    (bare.state_dir / "postgres" / "data" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(
        LocalServerError, match=r"^postgres ended while starting; .*postgres.log: .*9"
    ):
        await start_servers(bare, want=("postgres", "redis"))


async def test_server_moves_when_its_port_is_taken(bare: Settings) -> None:
    """Somebody else on a remembered port is no obstacle and is not disturbed."""
    first = await start_servers(bare, want=("redis",))
    await first.stop()
    port = int((first.redis or "").rpartition(":")[2].partition("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        second = await start_servers(bare, want=("redis",))
        assert second.redis != first.redis
        await second.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands Postgres to another account")
async def test_data_that_postgres_account_cannot_reach_go_to_a_place_of_their_own(
    tmp_path: Path,
) -> None:
    """As root in a closed home: a drawn directory of that account's own, said once, found again, gone with the state."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    bare = Settings(postgres_dsn=None, state_dir=closed / "state")
    places: list[Path] = []
    for told in ("first", "second"):
        said: list[str] = []
        servers = await start_servers(bare, want=("postgres",), progress=said.append)
        assert servers.postgres
        await _remember(servers.postgres, told)
        assert await _remembered(servers.postgres) == ["first", "second"][: len(places) + 1]
        await servers.stop()
        (line,) = [line for line in said if "/var/tmp" in line]
        place = Path(re.findall(r"/var/tmp/[^:\s]+", line)[0])
        places.append(place)
        found = os.lstat(place)
        assert stat.S_IMODE(found.st_mode) == 0o700
        assert found.st_uid == pwd.getpwnam("nobody").pw_uid
    assert places[0] == places[1]
    remove_state(bare.state_dir)
    assert not places[0].exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands Postgres to another account")
def test_place_that_is_not_what_was_made_is_not_used(tmp_path: Path) -> None:
    """A link, another's directory or an open one in the place that the state remembers: as if there were none."""
    account = Account(uid=65_534, gid=65_534)
    state = StateDir(tmp_path)
    place = new_place(state, "postgres", account)
    assert remembered_place(state, "postgres", account) == place
    place.chmod(0o777)
    assert remembered_place(state, "postgres", account) is None
    place.chmod(0o700)
    os.chown(place, 0, 0)
    assert remembered_place(state, "postgres", account) is None
    place.rmdir()
    place.symlink_to(tmp_path)
    assert remembered_place(state, "postgres", account) is None
    place.unlink()
    state.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands Postgres to another account")
async def test_programs_that_postgres_account_cannot_reach_are_copied(
    bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root with an environment in a closed home: the programs are copied into the state directory."""
    can_reach = postgres._can_reach
    closed = postgres.INSTALLATION
    monkeypatch.setattr(
        postgres,
        "_can_reach",
        lambda path, account: not path.is_relative_to(closed) and can_reach(path, account),
    )
    servers = await start_servers(bare, want=("postgres",))
    pid = servers.pids["postgres"]
    assert psutil.Process(pid).exe().startswith(str(bare.state_dir.resolve()))
    await servers.stop()
