"""Kill −9 at a moment that nobody chose: every kind of process, and of the relays the one that publishes."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from services.runtime.processes import PROCESSES
from tests.faults.fault import Fault
from tests.faults.system import System


async def kill(command: str, system: System) -> Collection[str]:
    """It is over at once: what follows is the recovery."""
    fleet = system.fleet
    victim = await fleet.leader() if command == "relay" else system.dice.choice(fleet.of(command))
    system.progress(f"  kill -9 {victim.name}")
    await fleet.kill(victim)
    return ()


FAULTS = [
    Fault(
        name=f"kill {command}",
        about=f"kill -9 of {'the relay that publishes' if command == 'relay' else f'one {command}'}",
        act=partial(kill, command),
    )
    for command in PROCESSES
]
