"""Servers that go: killed and started again, frozen for some seconds, and slow."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Collection
from functools import partial

import psutil

from services.local.servers import NAMES
from tests.faults.fault import Fault
from tests.faults.system import System

FROZEN_SECONDS = 6.0
"""Longer than a broker may be silent before its controller shuts it out."""
SLOW_SECONDS = 8.0
SLOWEST_SECONDS = 0.15
"""Per piece and direction: a round trip that takes a third of a second, where it took less than a thousandth."""


async def kill(server: str, system: System) -> Collection[str]:
    """Kill −9; over when it answers again."""
    os.kill(_pid(server, system), signal.SIGKILL)
    await system.servers.processes.ended(server)
    await system.servers.processes.restart(server)
    return ()


async def freeze(server: str, system: System) -> Collection[str]:
    """With all of its processes: lines stay open and nobody answers. Over when they go on."""
    main = psutil.Process(_pid(server, system))
    main.suspend()  # first, so that it has no more children after them
    frozen = [main, *main.children(recursive=True)]
    for process in frozen[1:]:
        process.suspend()
    await asyncio.sleep(FROZEN_SECONDS)
    for process in frozen:
        if process.is_running():
            process.resume()
    return ()


async def slow(server: str, system: System) -> Collection[str]:
    """Every piece takes its time; over when they are quick again."""
    proxy = system.proxies[server]
    proxy.delay_seconds = SLOWEST_SECONDS * (0.5 + system.dice.random() / 2)
    await asyncio.sleep(SLOW_SECONDS)
    proxy.delay_seconds = 0.0
    return ()


def _pid(server: str, system: System) -> int:
    pid = system.servers.pids[server]
    assert pid
    return pid


FAULTS = [
    fault
    for server in NAMES
    for fault in (
        Fault(
            name=f"kill {server}",
            about=f"kill -9 of {server}, which is started again at once",
            act=partial(kill, server),
        ),
        Fault(
            name=f"freeze {server}",
            about=f"{server} stops for {FROZEN_SECONDS:.0f} s, with every line open",
            act=partial(freeze, server),
        ),
        Fault(
            name=f"slow {server}",
            about=f"{server} takes up to {2 * SLOWEST_SECONDS:.1f} s a round trip for {SLOW_SECONDS:.0f} s",
            act=partial(slow, server),
        ),
    )
]
