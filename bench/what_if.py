"""What it costs to decide history again: `python -m bench.what_if [--events N]`, one table.

One game under the single rule, which is harder than many coupons: everybody's coupon has to be remembered. A month of
completions, three for every two customers, a third of them blocked; half of the coupons were redeemed at a till. The
rows are those that the service itself would have written. Each run is the command, in a process of its own: its time
from start to end and the most memory it had, beside the targets (a million in 60 s and 500 MB).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
from rich.console import Console
from rich.table import Table

from bench.databases import new_database, prepare_database
from bench.meter import peak_mb
from bench.tape import play, taped
from bench.workload import SINGLE_GAMES, Event
from services.adapters.postgres.rules import load_games
from services.domain.program import Program
from services.local.servers import start_servers
from services.runtime.settings import read_settings

GAME_ID = SINGLE_GAMES[0]
CHUNK = 20_000
CUSTOMERS_PER_CHUNK = 13_000
MONTH = timedelta(days=30)
SERVERS = ("postgres",)
POLL_SECONDS = 0.05

RUNS: Sequence[Sequence[str]] = (
    (),
    ("coupon_validity_days=14",),
    ("allow_multiple_active_coupons=true",),
    ("customer_limit=1", "coupon_validity_days=3"),
)
REDEEM_HALF = """
    WITH used AS (
        UPDATE coupons SET status = 'redeemed', steps = 1, redeemed_at = issued_at + interval '2 days'
        WHERE customer_no % 2 = 0 RETURNING *)
    INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)
    SELECT id, 1, partner_id, redeemed_at, 'redeemed', 'active', 'redeemed', 'till' FROM used
"""


async def load(owner: asyncpg.Connection, events: int) -> None:
    """A month of completions, oldest first."""
    program = Program(games=await load_games(owner, [GAME_ID]))
    begin = datetime.now(UTC) - MONTH
    for number, start in enumerate(range(0, events, CHUNK)):
        some = list(_events(number, min(CHUNK, events - start)))
        at = begin + MONTH * (start / events)
        first = number * CUSTOMERS_PER_CHUNK + 1
        for copies in await taped(program, some, CHUNK, first_customer_no=first, at=at):
            await play(owner, [copy for copy in copies if copy.table != "outbox"])
        _progress(f"{start + len(some):,} of {events:,} events are there")
    await owner.execute(REDEEM_HALF)
    await owner.execute("VACUUM ANALYZE")


def _events(number: int, count: int) -> Iterator[Event]:
    rng = random.Random(number)
    for _ in range(count):
        customer = f"c-{number}-{rng.randrange(CUSTOMERS_PER_CHUNK)}"
        yield Event(str(UUID(int=rng.getrandbits(128), version=4)), GAME_ID, customer)


def run(dsn: str, changes: Sequence[str]) -> tuple[float, float, str]:
    """Seconds, peak memory in MB, and the first line of what the command said."""
    settings = [f"--set={change}" for change in changes]
    command = ["-m", "services.cli", "what-if", "--game-id", str(GAME_ID), *settings]
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], env={**os.environ, "COUPONRY_POSTGRES_DSN": dsn},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    peak = 0.0
    while process.poll() is None:
        # Not what the system counts of an ended child: that includes what this process had when it made it.
        with contextlib.suppress(OSError, StopIteration):
            peak = peak_mb(process.pid)
        time.sleep(POLL_SECONDS)
    took = time.perf_counter() - began
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the command ended with {process.returncode}: {said[:500]}")
    return took, peak, said.splitlines()[0]


async def measure(table: Table, events: int) -> None:
    """Load once, run each change."""
    settings = read_settings()
    state = (settings.state_dir / "benchmark-what-if").resolve()
    servers = await start_servers(
        settings.model_copy(update={"state_dir": state}), want=SERVERS, progress=_progress
    )
    try:
        settings = settings.model_copy(update={"postgres_dsn": servers.postgres})
        async with new_database(settings, f"couponry_what_if_{os.getpid()}") as (own, owner):
            await prepare_database(own, owner)
            await load(owner, events)
            for changes in RUNS:
                assert own.postgres_dsn
                seconds, peak, said = await asyncio.to_thread(run, own.postgres_dsn, changes)
                _progress(said)
                table.add_row(
                    ", ".join(changes) or "no change", f"{seconds:.1f} s",
                    f"{events / seconds:,.0f}/s", f"{peak:,.0f} MB",
                )  # fmt: skip
    finally:
        await servers.stop()


def _progress(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.what_if",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    arguments = parser.parse_args()
    table = Table("changed", "time", "events", "peak memory", title="What if")
    try:
        asyncio.run(measure(table, arguments.events))
    finally:
        Console(width=100).print(table)


if __name__ == "__main__":
    main()
