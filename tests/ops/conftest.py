"""The command line, run inside the test process or as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from services.ops.commands import execute
from services.runtime.settings import PREFIX, Settings

ENVIRONMENT = (
    "kafka_bootstrap_servers", "postgres_dsn", "redis_url", "topic_prefix", "state_dir",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one document on stdout of a command that succeeded."""
        assert self.code == 0, self.err
        return json.loads(self.out)


Command = Callable[..., Awaitable[Result]]


def environment(settings: Settings) -> dict[str, str]:
    """These settings as variables, and no others of ours."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    ours = {f"{PREFIX}{name.upper()}": getattr(settings, name) for name in ENVIRONMENT}
    return others | {name: str(value) for name, value in ours.items() if value is not None}


@pytest.fixture
def couponry(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run a command line in this process against the test's own database and topics."""
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)

    async def run(*arguments: object) -> Result:
        capsys.readouterr()
        # Each command has an event loop of its own, hence the thread.
        code = await asyncio.to_thread(execute, [str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Result(code=code, out=printed.out, err=printed.err)

    return run


def couponry_process(
    settings: Settings | None, *arguments: str, **changes: str
) -> subprocess.Popen[str]:
    """The command as a process; without settings it has no COUPONRY_* variable but the `changes`."""
    env = environment(settings) if settings else environment(Settings.model_construct())
    return subprocess.Popen(
        [sys.executable, "-m", "services.ops.cli", *arguments],
        env=env | changes,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_process(settings: Settings | None, *arguments: str, **changes: str) -> Result:
    """Run it to its end."""
    process = couponry_process(settings, *arguments, **changes)
    out, err = process.communicate(timeout=60)
    return Result(code=process.returncode, out=out, err=err)
