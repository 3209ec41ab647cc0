"""Orders and balances among millions of ledger entries: `python -m bench.accounts [--entries N]`, one table.

- orders: the pipeline alone, as in `program`, on two databases of one shop, one with a town of it and one with as many
  towns as have so many entries. The same orders go to both, of as many customers of the same history; in the large one
  they are spread over all of it. Interleaved rounds, the ratio is the median of each round's own. Both grow by the same.
- balance: GET of a customer's balance from a running API, customers by chance of all; as fast as it goes, then the
  latency at half of that.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import uvloop
from aiokafka import ConsumerRecord
from rich.console import Console
from rich.table import Table

from bench.api import CONNECTIONS, serving
from bench.api import OURS as API
from bench.databases import new_database
from bench.http_load import Load, as_fast_as_it_goes, at_rate, connections, request
from bench.lifecycle import LANES, rate
from bench.program import OURS, POSTGRES, Cost, take
from bench.shop_accounts import KEY, anybody, fill_town, more_orders, multiply
from services.adapters.postgres.migrate import migrate
from services.adapters.postgres.pool import connect, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.decisions.manner import Manner
from services.issuer.pipeline import Pipeline
from services.local.servers import Servers, start_servers
from services.runtime.garbage import look_only_when_told
from services.runtime.settings import Settings, read_settings
from services.stage.children import new_code_secret

WITHIN = 0.15
MOST_MS = 10.0
WARM_UP_SEED = -1
WARM_UP_SECONDS = 1.0
WHO = f"apiKey: {KEY}\r\nsecretKey: {KEY}"
BALANCE = "/api/v4/integrations/customers/{}/balance"


@dataclass(slots=True, kw_only=True)
class Size:
    """A database of so many towns, each of so many customers, and what was measured there.

    `entries` are there when the orders begin, `grown` when they are over.
    """

    settings: Settings
    customers: int
    towns: int
    entries: int
    grown: int = 0
    cost: Cost = field(default_factory=Cost)
    fastest: Load = field(default_factory=Load)
    at_half: Load = field(default_factory=Load)

    @property
    def label(self) -> str:
        return f"{self.entries:,} entries"


@asynccontextmanager
async def deciding(settings: Settings) -> AsyncIterator[Pipeline]:
    """An issuer's pipeline on this database."""
    pool = await open_pool(
        settings, "benchmark", min_size=LANES, max_size=LANES, enable_seqscan="off"
    )
    locks = CustomerLocks(settings)
    yield Pipeline(pool, locks, Manner.by(settings))
    await locks.close()
    await pool.close()


@asynccontextmanager
async def both(settings: Settings, customers: int, entries: int) -> AsyncIterator[list[Size]]:
    """A database of one town, and one with at least so many entries: a copy of it, multiplied."""
    name = f"couponry_benchmark_accounts_{secrets.token_hex(3)}"
    async with new_database(settings, f"{name}_small") as (small, first):
        await migrate(small)
        async with deciding(small) as pipeline:
            found = await fill_town(first, pipeline, customers)
        _progress(f"a town of {customers:,} customers has {found:,} ledger entries")
        await first.close()  # nobody may be connected to what is copied
        async with new_database(settings, f"{name}_large", template=f"{name}_small") as (
            large,
            owner,
        ):
            began, towns = time.perf_counter(), max(1, -(-entries // found))
            total = await multiply(owner, towns, _progress)
            _progress(f"{total:,} entries, filled in {time.perf_counter() - began:.0f} s")
            yield [
                Size(settings=small, customers=customers, towns=1, entries=found),
                Size(settings=large, customers=customers, towns=towns, entries=total),
            ]


async def place_orders(
    sizes: Sequence[Size], events: int, rounds: int, pids: Sequence[tuple[str, int]]
) -> None:
    """So many orders in each, round after round, every second one in reverse order."""
    async with deciding(sizes[0].settings) as one, deciding(sizes[1].settings) as other:
        pairs = list(zip(sizes, (one, other), strict=True))
        for size, pipeline in pairs:
            await rate(pipeline, _orders(size, events // 2, WARM_UP_SEED))
        for number in range(rounds):
            for size, pipeline in pairs[:: -1 if number % 2 else 1]:
                said = await take(size.cost, pipeline, _orders(size, events, number), pids)
                _progress(f"round {number + 1} of {rounds}, {size.label}: {said}")
    for size in sizes:
        owner = await connect(size.settings, "benchmark")
        size.grown = await owner.fetchval("SELECT count(*) FROM ledger")
        await owner.close()


def _orders(size: Size, count: int, seed: int) -> list[ConsumerRecord]:
    return more_orders(count, seed=seed, customers=size.customers, towns=size.towns)


async def read_balances(size: Size, seconds: float, logs: Path) -> None:
    """As fast as one API process answers, then at half of it. Raises ValueError of any answer but 200."""
    async with (
        serving([API], size.settings, secrets.token_hex(32), logs) as (api,),
        connections(api, CONNECTIONS) as opened,
    ):
        asked = _balances(size)
        await as_fast_as_it_goes(opened, asked, WARM_UP_SECONDS)
        size.fastest = await as_fast_as_it_goes(opened, asked, seconds)
        size.at_half = await at_rate(opened, asked, 3 * seconds, size.fastest.rate / 2)
    wrong = {*size.fastest.statuses, *size.at_half.statuses} - {200}
    if wrong:
        raise ValueError(f"answers with status {sorted(wrong)}: the times mean nothing")
    _progress(
        f"balances among {size.label}: {size.fastest.rate:,.0f}/s, {_p50_and_p99(size)} at half"
    )


def _balances(size: Size) -> Iterator[bytes]:
    rng = random.Random(1)
    while True:
        customer_id = anybody(rng, size.customers, size.towns)
        yield request("GET", BALANCE.format(customer_id), WHO)


def table_of(sizes: Sequence[Size]) -> Table:
    """A row for orders and one for balances, of each size."""
    table = Table(
        "what", "ledger entries", "per second", "of the small", "CPU ms/1,000", "Postgres ms/1,000", "p50/p99", "target",
        title=f"Accounts, load average {os.getloadavg()[0]:.1f}",
    )  # fmt: skip
    small, large = sizes
    for size in sizes:
        ratio = median(
            one / first for one, first in zip(size.cost.rates, small.cost.rates, strict=True)
        )
        table.add_row(
            "orders", f"{size.entries:,} to {size.grown:,}", f"{median(size.cost.rates):,.0f}", f"{ratio:.2f}",
            f"{median(size.cost.ours_ms):.0f}", f"{median(size.cost.postgres_ms):.0f}", "",
            f">= {1 - WITHIN}" if size is large else "",
        )  # fmt: skip
    for size in sizes:
        table.add_row(
            "balance", f"{size.grown:,}", f"{size.fastest.rate:,.0f}", f"{size.fastest.rate / small.fastest.rate:.2f}",
            "", "", f"{_p50_and_p99(size)} at {size.at_half.rate:,.0f}/s",
            f"p99 < {MOST_MS:.0f} ms" if size is large else "",
        )  # fmt: skip
    return table


def _p50_and_p99(size: Size) -> str:
    half = size.at_half
    return f"{half.percentile_ms(0.5):.1f}/{half.percentile_ms(0.99):.1f} ms"


def _pids(servers: Servers) -> list[tuple[str, int]]:
    postgres = servers.pids[POSTGRES]
    return [(OURS, os.getpid()), *([(POSTGRES, postgres)] if postgres is not None else [])]


async def measure(
    customers: int, entries: int, events: int, rounds: int, seconds: float
) -> Sequence[Size]:
    """On the servers of the settings, or local ones, in databases of its own."""
    settings = read_settings(code_secret=new_code_secret())
    state = (settings.state_dir / "benchmark-accounts").resolve()
    settings = settings.model_copy(update={"state_dir": state})
    servers = await start_servers(settings, want=("postgres", "redis"), progress=_progress)
    try:
        async with both(servers.settings(settings), customers, entries) as sizes:
            await place_orders(sizes, events, rounds, _pids(servers))
            for size in sizes:
                await read_balances(size, seconds, state)
            return sizes
    finally:
        await servers.stop()


def _progress(line: str) -> None:
    print(line, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.accounts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--entries", type=int, default=500_000, help="of the large database")
    parser.add_argument("--customers", type=int, default=2_500, help="of a town: four entries each")
    parser.add_argument("--events", type=int, default=10_000, help="orders of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of balances as fast as it goes")
    asked = parser.parse_args(arguments)
    look_only_when_told()  # as the issuer does
    sizes = uvloop.run(
        measure(asked.customers, asked.entries, asked.events, asked.rounds, asked.seconds)
    )
    Console(width=130).print(table_of(sizes))


if __name__ == "__main__":
    main()
