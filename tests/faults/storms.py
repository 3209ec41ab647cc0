"""Issuers that join and leave quickly, some of them without a word, so that the group never comes to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from tests.faults.fault import Fault
from tests.faults.system import System

VISITORS, VISITS = 2, 3
LONGEST_STAY_SECONDS = 1.5


async def storm(system: System) -> Collection[str]:
    """Two come and go side by side, three times each; it is over when the last one is gone."""
    await asyncio.gather(*(_visit(system, f"issuer-{3 + number}") for number in range(VISITORS)))
    return ()


async def _visit(system: System, name: str) -> None:
    for _ in range(VISITS):
        member = await system.fleet.start(name, ready=True)
        await asyncio.sleep(system.dice.random() * LONGEST_STAY_SECONDS)
        if system.dice.random() < 0.5:
            await system.fleet.stop([member])
        else:
            await system.fleet.drop(member)


FAULTS = [
    Fault(
        name="rebalance storm",
        about=f"{VISITORS * VISITS} issuers join and leave within seconds, half of them by kill -9",
        act=storm,
    )
]
