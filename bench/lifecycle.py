"""What the life of a coupon costs: `python -m bench.lifecycle [--events N] [--coupons N]`, one table.

- rules: the pipeline alone, batches of 2,000 on two lanes, no Kafka and no relay: plain completions, games whose
  customers are limited, a game with a total limit, orders with one code each and one stamp game. Ratios to plain.
- verify: over this many coupons just issued by the real service, everything published.
- sweeper: all of those overdue at once (its clock moved on by a month) while new events come at 1,000/s; the
  latency of these events beside the same without a sweeper.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any

import uvloop
from aiokafka import ConsumerRecord
from rich.console import Console
from rich.table import Table

from bench.children import Command, running
from bench.latency import LatencySample, measure_latency
from bench.race import run_service
from bench.services import COUPONRY, SERVICES
from bench.stage import Stage, open_stage
from bench.workload import PARTNER_ID, instant, make_workload
from services.adapters.postgres.pool import open_pool
from services.adapters.redis_locks import CustomerLocks
from services.decisions.manner import Manner
from services.insight.verify.run import verify
from services.issuer.pipeline import Pipeline
from services.runtime.garbage import look_only_when_told, worked_on
from services.runtime.settings import read_settings
from services.stage.children import new_code_secret

BATCH = 2_000
LANES = 2
ROUNDS = 3
MONTH_SECONDS = 31 * 24 * 3600
POLL_SECONDS = 0.5
LATENCY_RATE = 1_000
PLAIN, LIMITED, TOTAL, STAMPS = 3, 11, 12, 13

RULES_GAMES = """
    INSERT INTO games (id, partner_id, name, description, game_type, reward_description, coupon_validity_days,
                       customer_limit, total_limit, stamps_required)
    VALUES (11, 1, 'Limited', 'A game of the benchmark', 'wheel', 'A coffee', 30, 3, NULL, 10),
           (12, 1, 'Total', 'A game of the benchmark', 'wheel', 'A coffee', 30, NULL, 100000000, 10),
           (13, 1, 'Card', 'A game of the benchmark', 'stamps', 'A coffee', 30, NULL, NULL, 10)
"""
_offset = itertools.count()


def record(type_: str, data: dict[str, Any]) -> ConsumerRecord:
    """An event of the benchmark's partner, unless `data` names another."""
    headers = [
        ("ce_specversion", b"1.0"), ("ce_id", str(uuid.uuid4()).encode()), ("ce_source", b"/b"),
        ("ce_type", type_.encode()), ("ce_time", instant()),
    ]  # fmt: skip
    value = json.dumps({"partner_id": PARTNER_ID, **data}).encode()
    offset = next(_offset)
    return ConsumerRecord("bench", 0, offset, offset, 0, None, value, None, 0, len(value), headers)


def _completions(game_id: int, count: int) -> list[ConsumerRecord]:
    return [
        record("game.completed", {"game_id": game_id, "customer_id": f"r-{next(_offset)}"})
        for _ in range(count)
    ]


async def _orders(stage: Stage, count: int) -> list[ConsumerRecord]:
    """One order for each of these coupons, by its owner, with its code."""
    rows = await stage.owner.fetch(
        "SELECT code, customer_id FROM coupons JOIN customers USING (customer_no)"
        " WHERE status = 'active' AND game_id = $1 LIMIT $2", PLAIN, count,
    )  # fmt: skip
    fixed: dict[str, Any] = {"currency": "EUR", "total": "9.90", "shop_id": None, "lines": []}
    return [
        record(
            "order.placed",
            {"order_id": f"o-{next(_offset)}", "customer_id": row["customer_id"],
             "coupon_codes": [row["code"]], **fixed},
        )
        for row in rows
    ]  # fmt: skip


async def rules(stage: Stage, events: int) -> dict[str, float]:
    """Events per second of the pipeline alone, by kind of rule; the median of interleaved rounds."""
    await stage.owner.execute(RULES_GAMES)
    pool = await open_pool(
        stage.settings, "benchmark", min_size=LANES, max_size=LANES, enable_seqscan="off"
    )
    locks = CustomerLocks(stage.settings)
    pipeline = Pipeline(pool, locks, Manner.by(stage.settings))
    rates: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        rates.setdefault("plain", []).append(await rate(pipeline, _completions(PLAIN, events)))
        rates.setdefault("orders", []).append(await rate(pipeline, await _orders(stage, events)))
        for name, game_id in (("customer limit", LIMITED), ("total limit", TOTAL)):
            rates.setdefault(name, []).append(await rate(pipeline, _completions(game_id, events)))
    await locks.close()
    await pool.close()
    return {name: sorted(each)[len(each) // 2] for name, each in rates.items()}


async def rate(pipeline: Pipeline, records: Sequence[ConsumerRecord]) -> float:
    """Records per second, batch after batch on each lane."""
    batches = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]

    async def lane(number: int) -> None:
        for batch in batches[number::LANES]:
            await pipeline.process(batch)
            worked_on(len(batch))

    began = time.perf_counter()
    await asyncio.gather(*(lane(number) for number in range(LANES)))
    return len(records) / (time.perf_counter() - began)


async def sweeping(stage: Stage, seconds: float) -> tuple[LatencySample, LatencySample, float, int]:
    """Latency without and with the sweeper, how long it took to end everything overdue, and how much that was."""
    service = SERVICES["couponry-1"]
    quiet = await measure_latency(stage, service, rate=LATENCY_RATE, seconds=seconds, seed=91)
    overdue: int = await stage.owner.fetchval(
        "SELECT count(*) FROM coupons WHERE status = 'active'"
    )
    environment = stage.service_environment() | {
        "COUPONRY_ALLOW_TEST_CLOCK": "1",
        "COUPONRY_CLOCK_OFFSET_SECONDS": str(MONTH_SECONDS),
    }
    # With a relay that stays when the one of the latency run goes: a sweeper waits for what it has queued.
    both = [
        Command(label=name, module=COUPONRY, arguments=(name,)) for name in ("relay", "sweeper")
    ]
    async with running(both, environment, stage.logs):
        began = time.perf_counter()
        busy = asyncio.create_task(
            measure_latency(stage, service, rate=LATENCY_RATE, seconds=seconds, seed=92)
        )
        while (
            await stage.owner.fetchval("SELECT count(*) FROM coupons WHERE status = 'expired'")
            < overdue
        ):
            await asyncio.sleep(POLL_SECONDS)
        took = time.perf_counter() - began
        loaded = await busy
    return quiet, loaded, took, overdue


async def measure(table: Table, events: int, coupons: int, seconds: float) -> None:
    """Everything, in the order of the table."""
    settings = read_settings(topic_partitions=16, code_secret=new_code_secret())
    state = (settings.state_dir / "benchmark-lifecycle").resolve()
    async with open_stage(settings.model_copy(update={"state_dir": state}), _progress) as stage:
        _progress(f"issuing {coupons:,} coupons with the real service")
        sample = await run_service(stage, SERVICES["couponry-1"], make_workload(coupons))
        table.add_row("issued by couponry-1", f"{sample.issued:,} at {sample.rate:,.0f}/s", "")
        table.add_row("issuer's peak memory", f"{sample.peak_mb:,.0f} MB", "< 150 MB")
        _progress("verify")
        began = time.perf_counter()
        report = await verify(stage.settings, _progress)
        took = time.perf_counter() - began
        held = "holds" if report.ok else f"VIOLATED {report.violations[:3]}"
        table.add_row(f"verify, {report.checked:,} rows", f"{took:.1f} s, {held}", "< 60 s")
        _progress("sweeper")
        quiet, loaded, swept, overdue = await sweeping(stage, seconds)
        table.add_row(f"sweeping {overdue:,} overdue", f"{swept:.1f} s", "< 180 s")
        table.add_row("p50/p99 at 1,000/s without", f"{quiet.p50_ms:.0f}/{quiet.p99_ms:.0f} ms", "")
        ratio = loaded.p99_ms / quiet.p99_ms
        table.add_row(
            "p50/p99 at 1,000/s while sweeping",
            f"{loaded.p50_ms:.0f}/{loaded.p99_ms:.0f} ms, p99 x {ratio:.1f}", "p99 at most x 2",
        )  # fmt: skip
        _progress("rules")
        await stage.reset()
        rates = await rules(stage, events)
        plain = rates["plain"]
        for name, rate in rates.items():
            target = {"orders": ">= 0.5"}.get(name, "")
            table.add_row(
                f"pipeline: {name}", f"{rate:,.0f}/s, {rate / plain:.2f} of plain", target
            )


def _progress(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.lifecycle", description=__doc__)
    parser.add_argument("--events", type=int, default=40_000, help="per kind of rule and round")
    parser.add_argument(
        "--coupons", type=int, default=1_050_000, help="records issued before verify"
    )
    parser.add_argument("--seconds", type=float, default=60, help="of each latency run")
    arguments = parser.parse_args()
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    look_only_when_told()  # as the issuer does
    table = Table("what", "figure", "target", title="The life of a coupon")
    try:
        uvloop.run(measure(table, arguments.events, arguments.coupons, arguments.seconds))
    finally:
        # Also before a traceback: what was measured until then took its time.
        Console(width=100).print(table)


if __name__ == "__main__":
    main()
