"""Servers that a run has started end with it, whatever becomes of its workers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from services.runtime.settings import PREFIX, Settings
from tests.local.processes import ROOT, runs
from tests.stand.waiting import eventually

PLUGINS = ("servers", "turns", "database")
SUITE = """
import os, signal, time
from pathlib import Path

def test_that_waits(settings, shared):
    memory = Path(shared["directory"], "servers", "servers.json").read_text()
    Path(__file__).with_name("started.json").write_text(memory)
    time.sleep({sleep})

def test_that_is_killed(settings):
    if {kill}:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("told", "code", "said"),
    [
        (None, 1, "crashed while running"),
        (signal.SIGTERM, 2, "KeyboardInterrupt"),
    ],
)
async def test_servers_of_a_run_end_with_it(
    servers: Settings, tmp_path: Path, told: signal.Signals | None, code: int, said: str
) -> None:
    """A worker is killed, or the run is told to go: a failure, and nothing runs on."""
    suite, started = tmp_path / "test_suite.py", tmp_path / "started.json"
    suite.write_text(SUITE.format(sleep=120 if told else 0, kill=told is None))
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap_servers,
        "POSTGRES_DSN": servers.postgres_dsn,
    }
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-n", "1", "-c", "pyproject.toml", str(suite),
        *(part for name in PLUGINS for part in ("-p", f"tests.stand.{name}")),
        cwd=ROOT, stdout=PIPE, stderr=STDOUT,
        env={**os.environ, **{PREFIX + name: str(value) for name, value in given.items()}},
    )  # fmt: skip
    if told:

        async def at_work() -> bool:
            return started.exists() and bool(started.read_text())

        await eventually(at_work, "its tests run", seconds=60)
        run.send_signal(told)
    output, _ = await asyncio.wait_for(run.communicate(), 120)
    assert run.returncode == code, output.decode()
    assert said in output.decode()
    processes = json.loads(started.read_text())["processes"]
    assert list(processes) == ["redis"]
    assert not runs(processes["redis"]["pid"])
