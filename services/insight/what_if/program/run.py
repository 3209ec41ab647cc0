"""From what was asked to what came of it, in one read-only snapshot: read the topics, decide, compare.

Processes share both: first the partitions among them, then the families of customers. What comes of it does not depend
on how many they are.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from services.adapters.postgres.clock import clock
from services.adapters.postgres.pool import Connection
from services.insight.what_if.program.again import Found, decide_again
from services.insight.what_if.program.changed import Changed, Programs, changed_by
from services.insight.what_if.program.families import Share, shares
from services.insight.what_if.program.processes import Processes
from services.insight.what_if.program.snapshot import Snapshot, reading, to_share
from services.insight.what_if.program.topics import divided, kept_now, read_events, size_of
from services.runtime.settings import Settings
from services.terminal.output import progress
from services.terminal.pace import PROGRESS_SECONDS, Tick

MOST_PROCESSES = 3
"""Unless told otherwise: each has 140 MB at most, of a million events, and together they may have 500."""
WORTH_ONE = 20_000
"""Records that a process of its own decides sooner than it takes to start."""


@dataclass(slots=True, kw_only=True)
class Tried:
    """What came of it, and of what."""

    partner_id: int
    changed: Sequence[str]
    found: Found


async def try_program(
    settings: Settings, connection: Connection, partner_id: int, file: Path, workers: int | None
) -> Tried:
    """Decide the partner's history again. Inside a read-only transaction. Raises CommandError, one line."""
    changed = await changed_by(connection, partner_id, file)
    at = await clock(connection, settings.clock_offset)
    parts = await kept_now(settings)
    count = workers or min(_processors(), MOST_PROCESSES, 1 + size_of(parts) // WORTH_ONE)
    found = Found()
    processes = Processes(count)
    try:
        with TemporaryDirectory(prefix="couponry-what-if-") as name:
            directory = Path(name)
            parts_of_each = [
                (settings, partner_id, some, directory, number)
                for number, some in enumerate(divided(parts, count))
            ]
            await processes.all(read_events, parts_of_each, _telling(connection, "records read"))
            snapshot = await to_share(connection, settings)
            deciding = [
                (snapshot, share, changed, directory, at)
                for share in await shares(connection, partner_id, count)
            ]
            telling = _telling(connection, "decisions so far")
            for each in await processes.all(decide_share, deciding, telling):
                found.add(each)
    finally:
        processes.close()
    return Tried(partner_id=partner_id, changed=list(changed.changes), found=found)


async def decide_share(
    told: Callable[[int], None],
    snapshot: Snapshot,
    share: Share,
    changed: Changed,
    directory: Path,
    at: datetime,
) -> Found:
    """What a process does."""
    async with reading(snapshot.settings, snapshot) as connection:
        programs = Programs(connection=connection, changed=changed)
        return await decide_again(told, connection, share, programs, directory, at)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _telling(connection: Connection, what: str) -> Callable[[int], Awaitable[None]]:
    """Say how far it has come, on stderr."""
    tick = Tick(PROGRESS_SECONDS)

    async def come_to(count: int) -> None:
        if tick.is_due():
            progress(f"what-if: {count:,} {what}")
            await connection.execute("SELECT 1")  # an idle transaction is ended after a while

    return come_to
