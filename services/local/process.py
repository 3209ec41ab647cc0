"""Child processes: own session, output to a log file, recorded in the state directory, ended in the end.

Own session: a Ctrl-C at the terminal reaches the parent alone, which then stops its children in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.local.state import LocalServerError, StateDir

POLL_SECONDS = 0.05
WATCH_SECONDS = 0.25  # for as long as everything runs, so it must cost nothing
READY_SECONDS = 90.0
ANSWER_SECONDS = 5.0
# The program begins once its pid is on record. If we are killed before that, it ends instead of living on unknown.
WHEN_RECORDED = 'read -r go && exec "$@" </dev/null'


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The system account a process runs as, where the caller is root and the program refuses to be."""

    uid: int
    gid: int

    def arguments(self) -> dict[str, Any]:
        """Arguments of `subprocess` that make a child run as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How to run something and how to end it: by `stop_signal`, after `stop_seconds` by `kill_signal`."""

    name: str
    argv: tuple[str, ...]
    log: Path
    account: Account | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    kill_signal: signal.Signals = signal.SIGKILL
    stop_seconds: float = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(Program):
    """A program that others talk to. `answers` returns once a client gets an answer, and raises until then.

    `clear`, where there is one, runs before every start and removes what a killed predecessor left.
    """

    address: str
    answers: Callable[[], Awaitable[None]]
    clear: Callable[[], None] | None = None


class Processes:
    """Owns the processes that were started in one state directory, by name."""

    def __init__(self, state: StateDir) -> None:
        self.state = state
        self._running: dict[str, tuple[Program, subprocess.Popen[bytes]]] = {}

    @property
    def names(self) -> list[str]:
        """In the order in which they were started first."""
        return list(self._running)

    def pid(self, name: str) -> int | None:
        """The process id, or None if nothing of this name was started here."""
        return self._running[name][1].pid if name in self._running else None

    async def start(self, server: Server) -> None:
        """Start it and return when it answers; it is stopped first if it runs.

        Raises LocalServerError with the end of its log if it ends or stays mute.
        """
        await self.stop([server.name])
        if server.clear:
            await asyncio.to_thread(server.clear)
        process = self._spawn(server)
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                await asyncio.wait_for(server.answers(), ANSWER_SECONDS)
                return
            except Exception as error:
                if process.poll() is not None:
                    raise _failure(server, "ended while starting") from None
                if time.monotonic() > deadline:
                    raise _failure(server, f"does not answer ({error!r})") from None
            await asyncio.sleep(POLL_SECONDS)

    async def restart(self, name: str) -> None:
        """Start what has ended again, exactly as before. Raises like `start`."""
        program, _ = self._running[name]
        if isinstance(program, Server):
            await self.start(program)

    async def run(self, program: Program) -> None:
        """Run a program to its end. Raises LocalServerError if it fails; ends it when cancelled."""
        process = self._spawn(program)
        try:
            code = await self.ended(program.name, POLL_SECONDS)
        finally:
            await self.stop([program.name])
            del self._running[program.name]
        if code:
            raise _failure(program, f"failed with exit code {process.returncode}")

    async def ended(self, name: str, poll_seconds: float = WATCH_SECONDS) -> int:
        """Wait until this process has ended; its exit code."""
        _, process = self._running[name]
        while process.poll() is None:
            await asyncio.sleep(poll_seconds)
        return process.returncode

    async def stop(self, names: Collection[str] | None = None) -> None:
        """End these processes, or all, together; return when they are gone."""
        chosen = [name for name in self._running if names is None or name in names]
        await asyncio.gather(*(self._stop(name) for name in chosen))

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        with program.log.open("wb") as log:
            process = subprocess.Popen(
                ("/bin/sh", "-c", WHEN_RECORDED, program.name, *program.argv),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **program.environment},
                cwd="/",
                start_new_session=True,
                **(program.account.arguments() if program.account else {}),
            )
        self._running[program.name] = (program, process)
        self.state.record(program.name, process.pid, program.stop_signal)
        with contextlib.suppress(BrokenPipeError), process.stdin as start:  # type: ignore[union-attr]
            start.write(b"go\n")
        return process

    async def _stop(self, name: str) -> None:
        program, process = self._running[name]
        deadline = time.monotonic() + program.stop_seconds
        if process.poll() is None:
            process.send_signal(program.stop_signal)
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.send_signal(program.kill_signal)
            await asyncio.sleep(POLL_SECONDS)
        self.state.forget(name)


def _failure(program: Program, what: str) -> LocalServerError:
    lines = program.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    end = lines[-1] if lines else "it is empty"
    return LocalServerError(f"{program.name} {what}; the end of {program.log}: {end}")
