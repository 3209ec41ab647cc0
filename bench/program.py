"""What a program costs: `python -m bench.program [--events N] [--rounds N]`, one table.

The pipeline alone, batches of 2,000 on two lanes, no Kafka and no relay: plain completions, orders of a partner that has
no program, orders with the code of a coupon of the program each, which earn points too, and orders of two partners with
cashback, three tiers and ten campaigns (see `shop`), of which an order achieves 0.6, or 1.6: round after round. What
counts are ratios to the first in one run; CPU by process tells where it goes, and is the steadier figure on a machine
that others use too.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import uvloop
from aiokafka import ConsumerRecord
from rich.console import Console
from rich.table import Table

from bench.lifecycle import LANES, rate, record
from bench.meter import Meter, per_thousand
from bench.shop import (
    CALM_PROGRAM,
    CALM_SHOP_ID,
    CODES_PROGRAM,
    CODES_SHOP_ID,
    add_shop,
    customer_of,
    orders,
)
from bench.stage import Stage, open_stage
from bench.workload import CUSTOMERS_PER_EVENT, MULTIPLE_GAMES, PARTNER_ID, SINGLE_GAMES
from services.adapters.postgres.pool import open_pool
from services.adapters.redis_locks import CustomerLocks
from services.decisions.manner import Manner
from services.issuer.pipeline import Pipeline
from services.runtime.garbage import look_only_when_told
from services.runtime.settings import read_settings
from services.stage.children import new_code_secret

PLAIN, BARE = "completions", "orders, no program"
WITH_CODES = "orders with a program code"
CALM, UNDER_PROGRAM = "orders under a calm program", "orders under a program"
TARGETS = {WITH_CODES: 0.35, UNDER_PROGRAM: 0.4}
OURS, POSTGRES = "ours", "postgres"
"""Processes by name, of which the latter may run elsewhere and then is not counted."""
WARM_UP_SEED = -1

Kind = Callable[[int, int], list[ConsumerRecord]]
"""So many records, of this round."""


@dataclass(slots=True, kw_only=True)
class Cost:
    """Of one kind, a figure each round: records per second, and CPU ms per 1,000 of them by process."""

    rates: list[float] = field(default_factory=list)
    ours_ms: list[float] = field(default_factory=list)
    postgres_ms: list[float] = field(default_factory=list)


def _completions(count: int, seed: int) -> list[ConsumerRecord]:
    rng = random.Random(seed)
    customers = int(count * CUSTOMERS_PER_EVENT)
    games = SINGLE_GAMES + MULTIPLE_GAMES
    return [
        record(
            "game.completed",
            {"game_id": rng.choice(games), "customer_id": customer_of(rng, number, customers)},
        )
        for number in range(count)
    ]


def _bare(count: int, seed: int) -> list[ConsumerRecord]:
    return [
        record("order.placed", data) for data in orders(count, seed=seed, partner_id=PARTNER_ID)
    ]


def _under_program(count: int, seed: int) -> list[ConsumerRecord]:
    return [record("order.placed", data) for data in orders(count, seed=seed)]


def _calm(count: int, seed: int) -> list[ConsumerRecord]:
    return [
        record("order.placed", data) for data in orders(count, seed=seed, partner_id=CALM_SHOP_ID)
    ]


KINDS: dict[str, Kind] = {
    PLAIN: _completions,
    BARE: _bare,
    CALM: _calm,
    UNDER_PROGRAM: _under_program,
}
ALL = (PLAIN, BARE, WITH_CODES, CALM, UNDER_PROGRAM)
"""The rows of the table. Codes are there once their coupons have been issued, which is not measured."""


async def _with_codes(
    stage: Stage, pipeline: Pipeline, count: int, seed: int
) -> list[ConsumerRecord]:
    """One order for each of so many customers who have just registered, with the code of their coupon."""
    registered = [
        record("customer.created", {"partner_id": CODES_SHOP_ID, "customer_id": f"{seed}-{number}"})
        for number in range(count)
    ]
    await rate(pipeline, registered)
    rows = await stage.owner.fetch(
        "SELECT customer_id, code FROM coupons JOIN customers USING (customer_no)"
        " WHERE coupons.partner_id = $1 AND status = 'active'",
        CODES_SHOP_ID,
    )
    placed = orders(count, seed=seed, partner_id=CODES_SHOP_ID)
    return [
        record(
            "order.placed",
            {
                **order,
                "paid_total": None,
                "customer_id": row["customer_id"],
                "coupon_codes": [row["code"]],
            },
        )
        for order, row in zip(placed, rows, strict=True)
    ]


async def costs(stage: Stage, events: int, rounds: int) -> dict[str, Cost]:
    """Of every kind, in interleaved rounds, every second one in reverse order."""
    pool = await open_pool(
        stage.settings, "benchmark", min_size=LANES, max_size=LANES, enable_seqscan="off"
    )
    locks = CustomerLocks(stage.settings)
    pipeline = Pipeline(pool, locks, Manner.by(stage.settings))
    found = {name: Cost() for name in ALL}

    async def records_of(name: str, count: int, seed: int) -> list[ConsumerRecord]:
        if name == WITH_CODES:
            return await _with_codes(stage, pipeline, count, seed)
        return KINDS[name](count, seed)

    for name in ALL:
        await rate(pipeline, await records_of(name, events // 10, WARM_UP_SEED))
    pids = [(OURS, os.getpid()), *(one for one in stage.server_pids() if one[0] == POSTGRES)]
    for number in range(rounds):
        for name in ALL[:: -1 if number % 2 else 1]:
            records = await records_of(name, events, number)
            said = await take(found[name], pipeline, records, pids)
            _progress(f"round {number + 1} of {rounds}, {name}: {said}")
    await locks.close()
    await pool.close()
    return found


async def take(
    cost: Cost,
    pipeline: Pipeline,
    records: Sequence[ConsumerRecord],
    pids: Sequence[tuple[str, int]],
) -> str:
    """One run of the pipeline, added to the figures of its kind; what it came to, in words."""
    meter = Meter(pids)
    cost.rates.append(await rate(pipeline, records))
    used = per_thousand(meter.seconds(), len(records))
    cost.ours_ms.append(used[OURS] * 1000)
    cost.postgres_ms.append(used.get(POSTGRES, 0.0) * 1000)
    return (
        f"{cost.rates[-1]:,.0f}/s, {cost.ours_ms[-1]:.0f} ms"
        f" and {cost.postgres_ms[-1]:.0f} ms of Postgres"
    )


def show(found: dict[str, Cost]) -> Table:
    """One row for each kind."""
    table = Table(
        "records", "per second", "of plain", "CPU ms/1,000", "Postgres ms/1,000", "target",
        title="What a program costs",
    )  # fmt: skip
    plain = median(found[PLAIN].rates)
    for name, cost in found.items():
        table.add_row(
            name, f"{median(cost.rates):,.0f}", f"{median(cost.rates) / plain:.2f}",
            f"{median(cost.ours_ms):.0f}", f"{median(cost.postgres_ms):.0f}",
            f">= {TARGETS[name]}" if name in TARGETS else "",
        )  # fmt: skip
    return table


async def measure(events: int, rounds: int) -> dict[str, Cost]:
    """On servers and a database of its own."""
    settings = read_settings(topic_partitions=1, code_secret=new_code_secret())
    state = (settings.state_dir / "benchmark-program").resolve()
    async with open_stage(settings.model_copy(update={"state_dir": state}), _progress) as stage:
        await add_shop(stage.owner)
        await add_shop(stage.owner, CALM_SHOP_ID, CALM_PROGRAM)
        await add_shop(stage.owner, CODES_SHOP_ID, CODES_PROGRAM)
        return await costs(stage, events, rounds)


def _progress(line: str) -> None:
    print(line, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.program",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=20_000, help="of each kind and round")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args(arguments)
    look_only_when_told()  # as the issuer does
    Console(width=110).print(show(uvloop.run(measure(asked.events, asked.rounds))))


if __name__ == "__main__":
    main()
