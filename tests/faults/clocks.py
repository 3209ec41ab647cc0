"""The database's clock steps: by a year, which no process may believe, and by minutes, which it must put up with."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta
from functools import partial

from services.adapters.postgres.pool import connect
from tests.faults.fault import Fault
from tests.faults.system import System
from tests.stand.clocks import FakeClock

YEAR = timedelta(days=365)
MINUTES = timedelta(minutes=4)
"""Less than what stops a process, and less than a producer's clock may be ahead."""
APART_SECONDS = 6.0


async def set_clock(system: System, ahead: timedelta) -> None:
    """From now on the database is so far ahead of the world, or behind it."""
    owner = await connect(system.direct, "faults", role=None)
    try:
        await FakeClock(owner).set(ahead)
    finally:
        await owner.close()


async def step(ahead: timedelta, system: System) -> Collection[str]:
    """There, and back again; over when it is right."""
    await set_clock(system, ahead)
    try:
        await asyncio.sleep(APART_SECONDS)
    finally:
        await set_clock(system, timedelta())
    return ()


FAULTS = [
    Fault(
        name=f"clock {by} {where}",
        about=f"the database's clock is {by} {where} for {APART_SECONDS:.0f} s",
        act=partial(step, distance),
    )
    for by, length in (("a year", YEAR), ("four minutes", MINUTES))
    for where, distance in (("ahead", length), ("behind", -length))
]
