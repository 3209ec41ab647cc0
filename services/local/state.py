"""One state directory: who uses it, which ports its servers have, which processes it started.

Everything that must survive a kill -9 of the owner is in `servers.json` here. A process counts as ours only if the
recorded pid still has the recorded start time: a pid that was given to somebody else since is never touched.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import socket
import time
from pathlib import Path
from typing import IO, Any

import psutil

from services.runtime.settings import SettingsError

HOST = "127.0.0.1"
STATE_FILE = "servers.json"
SECRET_FILE = "jwt-secret"  # noqa: S105 - a file name
"""In the directory: what signs and verifies development tokens."""
CODE_SECRET_FILE = "code-secret"  # noqa: S105 - a file name
"""In the directory: what coupon ids and codes are drawn with."""
SECRETS_KEY_FILE = "secrets-key"
"""In the directory: what partners' secrets are sealed with."""
# Below the range that systems use for outgoing connections, so that nobody sits on a remembered port by accident.
PORTS = range(20_000, 32_000)
# A process' start time is derived from the boot time, which moves when the clock is corrected.
START_TIME_TOLERANCE_SECONDS = 2.0
LEFTOVER_STOP_SECONDS = 8.0


class LocalServerError(SettingsError):
    """A local server cannot be started. The message is one line that says what to do."""


class StateDir:
    """Owns one state directory from `StateDir(path)` to `close()`. Raises LocalServerError if another process does."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock: IO[str] = (self.path / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise LocalServerError(
                f"COUPONRY_STATE_DIR: cannot use {self.path}: {error.strerror}; choose a directory that can be written"
            ) from None
        self._take_lock()
        self._file = self.path / STATE_FILE
        self._content: dict[str, dict[str, Any]] = {
            "ports": {},
            "secrets": {},
            "processes": {},
            "places": {},
        }
        try:
            self._content |= _read_json(self._file)
        except LocalServerError:
            self.close()
            raise

    def close(self) -> None:
        """Let the next owner in."""
        self._lock.close()

    def port(self, name: str) -> int:
        """The remembered port of this name, or a new free one if there is none or somebody else listens there."""
        port = self._content["ports"].get(name)
        taken = set(self._content["ports"].values())
        while port is None or not _is_free(port):
            port = random.choice([candidate for candidate in PORTS if candidate not in taken])
        self._remember("ports", name, port)
        return int(port)

    def secret(self, name: str) -> str:
        """A random secret of this name, made once."""
        if name not in self._content["secrets"]:
            self._remember("secrets", name, secrets.token_hex(24))
        return str(self._content["secrets"][name])

    def place(self, name: str) -> Path | None:
        """Where else something of this name is kept, if it is."""
        recorded = self._content["places"].get(name)
        return Path(recorded) if recorded else None

    def remember_place(self, name: str, place: Path) -> None:
        """Note that something of this name is kept outside."""
        self._remember("places", name, str(place))

    def record(self, name: str, pid: int, stop_signal: int) -> None:
        """Note a process that we have just started; it has to be our child, so that its pid is still its own."""
        created = psutil.Process(pid).create_time()
        self._remember(
            "processes", name, {"pid": pid, "created": created, "signal": int(stop_signal)}
        )

    def forget(self, name: str) -> None:
        """Note that this process has ended."""
        if self._content["processes"].pop(name, None):
            self._write()

    def stop_leftovers(self) -> list[str]:
        """Stop what a killed owner of this directory left running, last started first. Returns the names found."""
        found = []
        for name, entry in reversed(self._content["processes"].items()):
            process = _recorded_process(entry)
            if process:
                found.append(name)
                _end(process, entry["signal"])
        self._content["processes"] = {}
        self._write()
        return found

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            owner = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise LocalServerError(
                f"COUPONRY_STATE_DIR: {self.path} is in use by process {owner}: stop it, or choose another directory"
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def _remember(self, section: str, name: str, value: Any) -> None:
        if self._content[section].get(name) != value:
            self._content[section][name] = value
            self._write()

    def _write(self) -> None:
        write_private(self._file, json.dumps(self._content, indent=1))


def recorded_places(path: Path) -> list[Path]:
    """What a state directory keeps outside itself. Raises LocalServerError when its file is not readable."""
    return [Path(place) for place in _read_json(path / STATE_FILE).get("places", {}).values()]


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it. What lies in the draft's place is not followed."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    created = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(created, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content
    except FileNotFoundError:
        return {}
    except ValueError:
        raise LocalServerError(
            f"{path} is not readable as JSON: remove it or the whole directory"
        ) from None


def _recorded_process(entry: dict[str, Any]) -> psutil.Process | None:
    """The recorded process if it still runs and is the same one."""
    try:
        process = psutil.Process(entry["pid"])
        is_same = abs(process.create_time() - entry["created"]) < START_TIME_TOLERANCE_SECONDS
    except psutil.NoSuchProcess:
        return None
    return process if is_same and _runs(process) else None


def _end(process: psutil.Process, stop_signal: int) -> None:
    """Ask, and insist after a while. It is not our child, so there is nothing to wait for but its absence."""
    deadline = time.monotonic() + LEFTOVER_STOP_SECONDS
    asked = False
    while _runs(process):
        try:
            if time.monotonic() > deadline:
                process.kill()
            elif not asked:
                process.send_signal(stop_signal)
                asked = True
        except psutil.NoSuchProcess:
            return
        time.sleep(0.05)


def _runs(process: psutil.Process) -> bool:
    """A zombie has ended: it only waits for a parent that may never ask."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
