"""Where a command finds its servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from services.admin.token import with_local_secret, with_named_secret
from services.cli import processes
from services.cli.commands import execute
from services.local.state import CODE_SECRET_FILE, SECRET_FILE, SECRETS_KEY_FILE
from services.runtime import garbage
from services.runtime.processes import PROCESSES
from services.runtime.settings import SettingsError, read_settings
from services.terminal import addresses
from services.terminal.addresses import command_settings, process_settings, running_up
from services.terminal.output import CommandError
from tests.stand.servers import CODE_SECRET, SECRETS_KEY

LINE = {
    "kafka": "127.0.0.1:9",
    "postgres": "postgresql://up@127.0.0.1:5/couponry",
    "redis": "redis://127.0.0.1:6/0",
    "api": None,
    "pids": {"kafka": os.getpid(), "postgres": os.getpid(), "redis": None, "issuer": None},
    "health": None,
}


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory, and no address in the environment."""
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "POSTGRES_DSN", "REDIS_URL"):
        monkeypatch.delenv(f"COUPONRY_{name}", raising=False)
    monkeypatch.setenv("COUPONRY_STATE_DIR", str(tmp_path))
    return tmp_path


def _write(state_dir: Path, **changes: object) -> None:
    (state_dir / "up.json").write_text(json.dumps(LINE | changes), encoding="utf-8")


def test_command_uses_the_running_up(state_dir: Path) -> None:
    """Without addresses a command talks to the servers that `up` runs, or was given itself (no process id)."""
    _write(state_dir)
    settings = command_settings()
    assert settings.kafka_bootstrap_servers == LINE["kafka"]
    assert settings.postgres_dsn == LINE["postgres"]
    assert settings.redis_url == LINE["redis"]
    assert "api" not in running_up(settings)


def test_command_does_without_redis_where_up_does(state_dir: Path) -> None:
    """An `up` that runs without Redis says null, and that is an answer."""
    _write(state_dir, redis=None)
    assert command_settings().redis_url == "none"


def test_command_prefers_its_settings(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address in the environment wins, each by itself."""
    _write(state_dir)
    monkeypatch.setenv("COUPONRY_POSTGRES_DSN", "postgresql://mine@127.0.0.1/mine")
    settings = command_settings()
    assert settings.postgres_dsn == "postgresql://mine@127.0.0.1/mine"
    assert settings.kafka_bootstrap_servers == LINE["kafka"]


def test_command_passes_over_a_dead_up(state_dir: Path) -> None:
    """The address of a process that is gone is no address."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    _write(state_dir, pids={"kafka": gone.pid, "postgres": os.getpid()})
    settings = command_settings()
    assert settings.kafka_bootstrap_servers is None
    assert settings.postgres_dsn == LINE["postgres"]


@pytest.fixture
def by_chance(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `up` runs in the state directory below the working directory, and nobody has named that."""
    default = state_dir / ".couponry"
    default.mkdir()
    _write(default)
    (default / SECRET_FILE).write_text("x" * 48, encoding="utf-8")
    (default / CODE_SECRET_FILE).write_text(CODE_SECRET, encoding="utf-8")
    (default / SECRETS_KEY_FILE).write_text(SECRETS_KEY, encoding="utf-8")
    monkeypatch.chdir(state_dir)
    monkeypatch.delenv("COUPONRY_STATE_DIR")
    return default


@pytest.mark.parametrize("process", PROCESSES)
def test_process_takes_no_address_from_a_directory_nobody_named(
    process: str,
    by_chance: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every process stops for want of an address, though a command would find one there."""
    monkeypatch.setattr(processes, "run_service", lambda *_: pytest.fail("it starts"))
    assert command_settings().postgres_dsn == LINE["postgres"]
    assert execute([process]) == 2
    assert "is not set" in capsys.readouterr().err


@pytest.mark.parametrize("process", PROCESSES)
def test_process_takes_addresses_from_a_directory_that_was_named(
    process: str, by_chance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With COUPONRY_STATE_DIR it works on what `up` runs there, the API with the secret from there."""
    started = []

    def run_service(name: str, *_: object) -> int:
        started.append(name)
        return 0

    monkeypatch.setattr(processes, "run_service", run_service)
    monkeypatch.setattr(garbage, "look_only_when_told", lambda: None)
    monkeypatch.setenv("COUPONRY_STATE_DIR", str(by_chance))
    assert execute([process]) == 0
    assert started == [process]


def test_secret_of_a_directory_nobody_named_signs_nothing(by_chance: Path) -> None:
    """A development secret that lies below the working directory opens no API that runs there."""
    assert with_named_secret(process_settings()).jwt_secret is None
    assert with_local_secret(process_settings()).jwt_secret


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"pids": 5, "kafka": "x"}'])
def test_command_passes_over_a_broken_file(state_dir: Path, content: str) -> None:
    """A file half-written or of something else counts as none."""
    (state_dir / "up.json").write_text(content, encoding="utf-8")
    assert running_up(command_settings()) == {}


@pytest.mark.parametrize(
    "said",
    [
        TimeoutError(),
        asyncpg.InternalClientError("out of step"),
        asyncpg.QueryCanceledError("canceling statement due to user request"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_connection_that_closes_badly_hides_nothing(
    said: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a command has done, or was refused, stays what it says when the line is cut at its end."""

    class Cut:
        async def close(self, **_: object) -> None:
            raise said

    async def connect(*_: object) -> Cut:
        return Cut()

    monkeypatch.setattr(addresses, "connect", connect)
    settings = read_settings(postgres_dsn="postgresql://nobody@127.0.0.1:1/nowhere")
    async with addresses.postgres(settings, "test"):
        pass
    with pytest.raises(CommandError, match="the reason"):
        async with addresses.postgres(settings, "test"):
            raise CommandError("the reason")


def test_code_secret_comes_with_its_database_only(
    by_chance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another installation's coupons are drawn with must not draw for the database that was named."""
    assert command_settings().code_secret == CODE_SECRET
    monkeypatch.setenv("COUPONRY_POSTGRES_DSN", "postgresql://elsewhere")
    assert command_settings().code_secret is None


def test_secrets_key_comes_with_its_database_only(
    by_chance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor seal: whoever works on that database could not open it."""
    assert command_settings().secrets_key == SECRETS_KEY
    monkeypatch.setenv("COUPONRY_POSTGRES_DSN", "postgresql://elsewhere")
    assert command_settings().secrets_key is None


@pytest.mark.parametrize("process", ["issuer", "api"])
def test_process_that_issues_asks_for_the_code_secret(
    process: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says how to make one."""
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "POSTGRES_DSN", "REDIS_URL", "JWT_SECRET"):
        monkeypatch.setenv(f"COUPONRY_{name}", "x" * 32)
    monkeypatch.setattr(processes, "run_service", lambda *_: pytest.fail("it starts"))
    assert execute([process]) == 2
    said = capsys.readouterr().err
    assert "COUPONRY_CODE_SECRET is not set" in said
    assert "openssl rand -base64 32" in said


@pytest.mark.parametrize("wrong", ["", "x", "AAAA", f"{CODE_SECRET},AAAA", f"{CODE_SECRET},"])
def test_code_secret_is_base64_of_32_bytes(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is wrong with one does not show it."""
    monkeypatch.setenv("COUPONRY_CODE_SECRET", wrong)
    with pytest.raises(SettingsError, match="CODE_SECRET: must be base64 of 32 bytes") as caught:
        read_settings()
    assert "it is" not in str(caught.value)
