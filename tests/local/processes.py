"""Looking at processes, and at the owner of a state directory that a test may kill."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
_OWNER = """
import asyncio, json, sys
from pathlib import Path
from services.local.servers import start_servers
from services.runtime.settings import Settings

async def own(state_dir, want):
    servers = await start_servers(Settings(state_dir=Path(state_dir)), want=want)
    print(json.dumps({"addresses": servers.addresses, "pids": servers.pids}), flush=True)
    await asyncio.Event().wait()

asyncio.run(own(sys.argv[1], sys.argv[2:]))
"""


def runs(pid: int) -> bool:
    """Whether this process lives; one that only waits for its parent to notice its end does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def owner(state_dir: Path, *want: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Another process that owns the directory, and the addresses and pids of what it started."""
    command = [sys.executable, "-c", _OWNER, str(state_dir), *want]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()
