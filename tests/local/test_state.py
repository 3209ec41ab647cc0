"""A state directory: one owner, remembered ports, and the processes that a killed owner left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.local.process import WHEN_RECORDED
from services.local.state import HOST, LocalServerError, StateDir
from tests.local.processes import runs


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs until it is told to end."""
    code = "import time; print('up', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline()
        yield process
        process.kill()


def test_port_is_remembered(tmp_path: Path) -> None:
    """The next owner gets the same port for the same name, and another one for another name."""
    first = StateDir(tmp_path)
    ports = first.port("kafka"), first.port("redis")
    first.close()
    second = StateDir(tmp_path)
    assert (second.port("kafka"), second.port("redis")) == ports
    assert ports[0] != ports[1]
    second.close()


def test_port_moves_away_from_somebody_else(tmp_path: Path) -> None:
    """A remembered port on which a stranger listens is given up, not fought for."""
    state = StateDir(tmp_path)
    port = state.port("redis")
    with socket.create_server((HOST, port)):
        assert state.port("redis") != port
    state.close()


def test_directory_has_one_owner(tmp_path: Path) -> None:
    """A second owner is refused with one line that names the first; after the first's end it gets in."""
    first = StateDir(tmp_path)
    with pytest.raises(LocalServerError, match=r"^COUPONRY_STATE_DIR: .* in use by process \d+"):
        StateDir(tmp_path)
    first.close()
    StateDir(tmp_path).close()


def test_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A path below a file is refused with one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalServerError, match=r"COUPONRY_STATE_DIR: cannot use .*file/state"):
        StateDir(tmp_path / "file" / "state")


def test_directory_with_broken_memory_is_named(tmp_path: Path) -> None:
    """A damaged file is refused by name rather than overwritten: it holds the database's password."""
    (tmp_path / "servers.json").write_text("{")
    with pytest.raises(LocalServerError, match=r"servers.json is not readable"):
        StateDir(tmp_path)
    (tmp_path / "servers.json").unlink()
    StateDir(tmp_path).close()


def test_leftover_is_stopped(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """What a former owner recorded and left running is ended by the signal it was recorded with."""
    former = StateDir(tmp_path)
    former.record("relay", sleeper.pid, signal.SIGINT)
    former.close()
    state = StateDir(tmp_path)
    assert state.stop_leftovers() == ["relay"]
    assert sleeper.wait(10) == -signal.SIGINT
    assert state.stop_leftovers() == []
    state.close()


def test_leftover_that_is_frozen_is_killed(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that does not follow the signal in time is killed."""
    monkeypatch.setattr("services.local.state.LEFTOVER_STOP_SECONDS", 0.2)
    sleeper.send_signal(signal.SIGSTOP)
    # Of two signals that wait together the lower number goes first, and SIGTERM's is lower.
    os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED)
    state = StateDir(tmp_path)
    state.record("relay", sleeper.pid, signal.SIGTERM)
    assert state.stop_leftovers() == ["relay"]
    assert sleeper.wait(10) == -signal.SIGKILL
    state.close()


def test_stranger_with_a_recorded_pid_is_left_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    """A pid that belongs to somebody else by now, seen by its start time, is not touched."""
    former = StateDir(tmp_path)
    former.record("relay", sleeper.pid, signal.SIGTERM)
    former.close()
    memory = json.loads((tmp_path / "servers.json").read_text())
    memory["processes"]["relay"]["created"] -= 60
    (tmp_path / "servers.json").write_text(json.dumps(memory))
    state = StateDir(tmp_path)
    assert state.stop_leftovers() == []
    assert runs(sleeper.pid)
    state.close()


def test_memory_is_private(tmp_path: Path) -> None:
    """Others cannot read the file with the passwords."""
    state = StateDir(tmp_path)
    state.secret("postgres")
    assert (tmp_path / "servers.json").stat().st_mode & 0o077 == 0
    state.close()


def test_child_of_an_owner_killed_before_recording_ends() -> None:
    """A child that nobody tells to begin, because its parent died before noting its pid, ends by itself."""
    child = subprocess.Popen(
        ["/bin/sh", "-c", WHEN_RECORDED, "sleeper", "sleep", "600"], stdin=subprocess.PIPE
    )
    child.communicate(timeout=10)
    assert child.returncode == 1
