"""Start and stop one child process: own session, output to a log file, recorded in the state directory.

Own session: a Ctrl-C at the terminal reaches the parent alone, which then stops its children in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.local.state import LocalServerError, StateDir

POLL_SECONDS = 0.05
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The system account a process runs as, where the caller is root and the program refuses to be."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that is ready to be started. `answers` returns once a client gets an answer, or raises."""

    name: str
    address: str
    argv: tuple[str, ...]
    log: Path
    answers: Callable[[], Awaitable[None]]
    account: Account | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15.0


def spawn(state: StateDir, server: Server) -> subprocess.Popen[bytes]:
    """Start the process and record it. Its output goes to `server.log`, which starts anew."""
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            server.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **server.environment},
            start_new_session=True,
            **as_account(server.account),
        )
    with contextlib.suppress(
        Exception
    ):  # it may be gone already: whoever waits for readiness sees that
        state.record(server.name, process.pid, server.stop_signal)
    return process


async def wait_until_it_answers(server: Server, process: subprocess.Popen[bytes]) -> None:
    """Return when the server answers. Raises LocalServerError with the end of its log if it ends or stays mute."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            await asyncio.wait_for(server.answers(), timeout=5)
            return
        except Exception as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise LocalServerError(_why(server, process, error)) from None
        await asyncio.sleep(POLL_SECONDS)


async def stop(state: StateDir, server: Server, process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, then insist. Returns when it is gone."""
    deadline = time.monotonic() + server.stop_seconds
    if process.poll() is None:
        process.send_signal(server.stop_signal)
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        await asyncio.sleep(POLL_SECONDS)
    state.forget(server.name)


def run_once(argv: list[str], *, account: Account | None = None) -> None:
    """Run a preparing command to its end. Raises LocalServerError with the last line it wrote."""
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
        **as_account(account),
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise LocalServerError(
            f"{Path(argv[0]).name} failed with exit code {done.returncode}: {lines[-1]}"
        )


def as_account(account: Account | None) -> dict[str, Any]:
    """Arguments of subprocess that make a child run as this account."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def _why(server: Server, process: subprocess.Popen[bytes], error: Exception) -> str:
    lines = server.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    end = (
        "ended"
        if process.poll() is not None
        else f"does not answer after {READY_SECONDS:.0f} s ({error!r})"
    )
    return (
        f"the local {server.name} server {end}; see {server.log}: {lines[-1] if lines else 'empty'}"
    )
