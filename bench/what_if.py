"""What it costs to decide history again: `python -m bench.what_if [--events N] [--orders N]`, one table.

One game under the single rule, which is harder than many coupons: everybody's coupon has to be remembered. A month of
completions, three for every two customers, a third of them blocked; half of the coupons were redeemed at a till. The
rows are those that the service itself would have written. Then orders under the sample program, see `shop_history`:
tried without a change, with other cashback, with other tiers. Each run is the command, in a process of its own: its
time from start to end and the most memory it had with all of its processes, beside the targets (a million events in
60 s, a million orders in 90 s, both in 500 MB), and the processor seconds of the command.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import psutil
from rich.console import Console
from rich.table import Table

from bench.databases import new_database, prepare_database
from bench.meter import peak_mb
from bench.shop_history import ORDERS_OF_A_TOWN, load_shop
from bench.tape import play, taped
from bench.workload import PARTNER_ID, SINGLE_GAMES, Event
from services.adapters.kafka import ensure_topics
from services.adapters.postgres.rules import load_games
from services.domain.program import Program
from services.local.servers import start_servers
from services.runtime.settings import WITHOUT_REDIS, Settings, read_settings

GAME_ID = SINGLE_GAMES[0]
CHUNK = 20_000
CUSTOMERS_PER_CHUNK = 13_000
MONTH = timedelta(days=30)
POLL_SECONDS = 0.05

RUNS: Sequence[Sequence[str]] = (
    (),
    ("coupon_validity_days=14",),
    ("allow_multiple_active_coupons=true",),
    ("customer_limit=1", "coupon_validity_days=3"),
)
PROGRAMS: Mapping[str, Mapping[str, Any]] = {
    "no change of the program": {},
    "cashback": {
        "cashback": {"defaultCashbackRule": {"amountRewardThreshold": 1, "rewardWalletFactor": 3, "rewardRankFactor": 1}},
    },
    "tiers": {
        "tiers": [
            {"name": "New", "minProgress": 0, "order": 1},
            {"name": "Known", "minProgress": 200, "order": 2, "benefits": [{"type": "Entry Reward", "walletReward": 77}]},
        ],
        "cashback": {"tierCashbackRules": []}, "campaigns": [],
    },
}  # fmt: skip
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


class Seen(NamedTuple):
    """A run of the command. `cpu` and `peak` are its processes' together: seconds, MB."""

    seconds: float
    cpu: float
    peak: float
    said: str

    def row(self, changed: str, events: int) -> Sequence[str]:
        rate = events / self.seconds
        return changed, f"{self.seconds:.1f} s", f"{rate:,.0f}/s", f"{self.cpu:.0f} s", f"{self.peak:,.0f} MB"  # fmt: skip


def run(settings: Settings, *arguments: object) -> Seen:
    """Run `what-if` with these, and look at it until it ends."""
    command = [sys.executable, "-m", "services.cli", "what-if", *map(str, arguments)]
    environment = {
        "COUPONRY_POSTGRES_DSN": settings.postgres_dsn or "",
        "COUPONRY_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers or "nowhere:1",
        "COUPONRY_TOPIC_PREFIX": settings.topic_prefix,
    }
    began, spent_before = time.perf_counter(), sum(os.times()[2:4])
    process = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True
    )
    peak = 0.0
    while process.poll() is None:
        # Not what the system counts of an ended child: that includes what this process had when it made it.
        with contextlib.suppress(OSError, StopIteration, psutil.Error):
            children = psutil.Process(process.pid).children(recursive=True)
            pids = [process.pid, *(child.pid for child in children)]
            peak = max(peak, sum([peak_mb(pid) for pid in pids]))
        time.sleep(POLL_SECONDS)
    took = time.perf_counter() - began
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the command ended with {process.returncode}: {said[:500]}")
    cpu = sum(os.times()[2:4]) - spent_before
    return Seen(took, cpu, peak, said.splitlines()[0])


async def measure(table: Table, settings: Settings, events: int) -> None:
    """A game's: load once, run each change."""
    async with new_database(settings, f"couponry_what_if_{os.getpid()}") as (own, owner):
        await prepare_database(own, owner)
        await load(owner, events)
        for changes in RUNS:
            sets = [f"--set={change}" for change in changes]
            seen = await asyncio.to_thread(run, own, "--game-id", GAME_ID, *sets)
            _progress(seen.said)
            table.add_row(*seen.row(", ".join(changes) or "no change", events))


async def measure_program(table: Table, settings: Settings, orders: int) -> None:
    """A shop's: load once, run each program."""
    own = settings.model_copy(
        update={"topic_prefix": f"shop-{os.getpid()}-", "redis_url": WITHOUT_REDIS}
    )
    async with new_database(own, f"couponry_what_if_shop_{os.getpid()}") as (there, owner):
        await prepare_database(there, owner)
        await ensure_topics(there)
        towns = max(1, orders // ORDERS_OF_A_TOWN)
        await load_shop(there, owner, towns, _progress)
        for changed, sections in PROGRAMS.items():
            with NamedTemporaryFile("w", suffix=".json") as file:
                json.dump({"partner_id": PARTNER_ID, **sections}, file)
                file.flush()
                seen = await asyncio.to_thread(run, there, "--partner-id", PARTNER_ID, "--program", file.name)  # fmt: skip
            _progress(seen.said)
            table.add_row(*seen.row(changed, towns * ORDERS_OF_A_TOWN))


async def measure_all(table: Table, events: int, orders: int) -> None:
    """On servers of its own."""
    settings = read_settings()
    state = (settings.state_dir / "benchmark-what-if").resolve()
    servers = await start_servers(
        settings.model_copy(update={"state_dir": state}),
        want=("postgres", "kafka") if orders else ("postgres",),
        progress=_progress,
    )
    try:
        settings = servers.settings(settings)
        if events:
            await measure(table, settings, events)
        if orders:
            await measure_program(table, settings, orders)
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
    parser.add_argument("--events", type=int, default=1_000_000, help="0: no game")
    parser.add_argument("--orders", type=int, default=1_000_000, help="0: no program")
    arguments = parser.parse_args()
    table = Table("changed", "time", "events", "processor", "peak memory", title="What if")
    try:
        asyncio.run(measure_all(table, arguments.events, arguments.orders))
    finally:
        Console(width=100).print(table)


if __name__ == "__main__":
    main()
