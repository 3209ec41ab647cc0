"""Child processes of the benchmark: started with a log file, watched, stopped by their own pid within a time limit."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 35.0
TAIL_BYTES = 2_000


class ChildEnded(Exception):
    """A process that should serve has ended; the message carries the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A Python module to run as a process. `label` is its column in the table."""

    label: str
    module: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    label: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """Raises ChildEnded if it does not run any more."""
        code = self.process.poll()
        if code is not None:
            tail = self.log.read_bytes()[-TAIL_BYTES:].decode(errors="replace").strip()
            raise ChildEnded(f"{self.label} ended with {code}: {tail}")


@asynccontextmanager
async def running(
    commands: Sequence[Command], environment: Mapping[str, str], logs: Path
) -> AsyncIterator[list[Child]]:
    """Start these processes; stop them when the block is left, however it is left."""
    children: list[Child] = []
    try:
        for number, command in enumerate(commands):
            log = logs / f"{command.label}-{number}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", command.module, *command.arguments],
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            children.append(Child(label=command.label, process=process, log=log))
        yield children
    finally:
        await asyncio.shield(stop(children))


async def stop(children: Sequence[Child]) -> None:
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    deadline = asyncio.get_running_loop().time() + STOP_SECONDS
    while any(child.process.poll() is None for child in children):
        if asyncio.get_running_loop().time() > deadline:
            for child in children:
                child.process.kill()
        await asyncio.sleep(0.02)
