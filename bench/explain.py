"""How long `couponry explain` takes on a large database: `python -m bench.explain --decisions 5000000`.

The rows are made inside Postgres, in a database of their own that is dropped afterwards: a customer has ten decisions,
six of ten issued a coupon, every third coupon was used. A sample of them gets the keys that real events have. Two
figures per way of asking: the work itself on an open connection, and the whole command as a process.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from random import Random
from statistics import median, quantiles
from typing import Any

import asyncpg
import click

from bench.databases import new_database
from services.adapters.event_keys import event_key
from services.adapters.postgres.migrate import migrate
from services.adapters.postgres.pool import connect
from services.domain.coupons.codes import codes_from
from services.insight.explain.gathered import gather
from services.insight.explain.known import find
from services.insight.explain.timeline import timeline
from services.local.servers import SETTING, start_servers
from services.runtime.settings import PREFIX, Settings, read_settings

NAME = "couponry_explain_benchmark"
SOURCE = "/benchmark"
SAMPLE = 200
CHUNK = 500_000
MOST_MS = 1_000.0
"""What nobody who asks should have to wait longer for."""

FIRST = """
    INSERT INTO partners (name, time_zone, store_id, api_key_hash, secret_key_hash)
        VALUES ('Benchmark', 'Europe/Vilnius', 'b', 'b', 'b');
    INSERT INTO games (partner_id, name, description, game_type, reward_description, coupon_validity_days)
        VALUES (1, 'A game', 'A game of the benchmark', 'wheel', 'A coffee', 30)
"""
ROWS = """
    WITH numbers AS (
        SELECT n, n / 10 + 1 AS customer, md5('e' || n)::uuid AS key, md5('c' || n)::uuid AS coupon, n % 10 < 6 AS issues,
               timestamptz '2026-01-01T00:00Z' + n * interval '10 ms' AS at
        FROM generate_series($1::bigint, $2::bigint - 1) AS n
    ), added_customers AS (
        INSERT INTO customers (partner_id, customer_id, last_at)
        SELECT 1, 'customer-' || customer, max(at) FROM numbers GROUP BY customer ORDER BY customer
    ), decided AS (
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset", coupon_id,
                               partition, rule_version, won, event_id, event_source, event_type, topic, outcome, reason)
        SELECT key, at, at, 1, customer, 1, n, CASE WHEN issues THEN coupon END, 0, 1, issues, 'e' || n, $3,
               'game.completed', 'game-completed', CASE WHEN issues THEN 'issued' ELSE 'declined' END,
               CASE WHEN NOT issues THEN 'result_lost' END
        FROM numbers ORDER BY n
    ), used AS (
        INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor, order_id)
        SELECT coupon, 1, 1, at + interval '1 h', 'redeemed', 'active', 'redeemed', 'issuer', 'o' || n
        FROM numbers WHERE issues AND n % 3 = 0
    )
    INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, expires_at, rule_version, steps,
                         rule_validity_days, rule_allow_multiple, holds_single_place, status, redeemed_at, code)
    SELECT coupon, key, 1, 1, customer, at, at + interval '720 h', 1, (n % 3 = 0)::integer, 30, true, false,
           CASE WHEN n % 3 = 0 THEN 'redeemed' ELSE 'active' END, CASE WHEN n % 3 = 0 THEN at + interval '1 h' END,
           translate(upper(substr(md5('code' || n), 1, 16)), 'ILOU', '1100')
    FROM numbers WHERE issues
"""
KEYED_COUPON = "UPDATE coupons SET event_key = $2::text::uuid, code = $3 WHERE id = md5('c' || $1::bigint)::uuid"
KEYED_DECISION = (
    "UPDATE decisions SET event_key = $2::text::uuid WHERE event_key = md5('e' || $1::bigint)::uuid"
)
QUEUED = """
    INSERT INTO outbox (topic, ce_type, ce_id, key, value)
    SELECT 'coupon-issued', 'coupon.issued', gen_random_uuid() || '.issued', 'k', repeat('x', 400)
    FROM generate_series(1, $1::bigint)
"""


async def load(owner: asyncpg.Connection, decisions: int, queued: int) -> Sequence[int]:
    """Fill the database; returns the numbers of the events that can be found by their ids."""
    await owner.execute(FIRST)
    for first in range(0, decisions, CHUNK):
        await owner.execute(ROWS, first, min(first + CHUNK, decisions), SOURCE)
        print(f"{min(first + CHUNK, decisions):,} decisions", file=sys.stderr)
    await owner.execute(QUEUED, queued)
    sample = [number - number % 10 for number in Random(1).sample(range(decisions), SAMPLE)]
    for number, code in zip(sample, codes_from(os.urandom(10 * SAMPLE)), strict=True):
        key = event_key(SOURCE, f"e{number}")
        await owner.execute(KEYED_COUPON, number, key, code)
        await owner.execute(KEYED_DECISION, number, key)
    await owner.execute("VACUUM ANALYZE")
    return sample


async def ways(owner: asyncpg.Connection, number: int) -> dict[str, dict[str, Any]]:
    """The same event asked for in every way."""
    row = await owner.fetchrow(
        "SELECT c.id, c.code, cu.customer_id FROM coupons c JOIN customers cu USING (customer_no) WHERE c.event_key = $1",
        event_key(SOURCE, f"e{number}"),
    )
    assert row is not None
    nothing = {
        "event_id": None,
        "source": None,
        "coupon": None,
        "customer": None,
        "partner_id": None,
    }
    return {
        "EVENT_ID": nothing | {"event_id": f"e{number}"},
        "--coupon ID": nothing | {"coupon": str(row["id"])},
        "--coupon CODE": nothing | {"coupon": row["code"]},
        "--customer": nothing | {"customer": row["customer_id"], "partner_id": 1},
    }


async def measure(
    settings: Settings, owner: asyncpg.Connection, sample: Sequence[int]
) -> dict[str, list[float]]:
    """Milliseconds of each look-up with its timeline, by way of asking; topics are not looked into."""
    alone = settings.model_copy(update={"kafka_bootstrap_servers": None})
    connection = await connect(settings, "benchmark")
    taken: dict[str, list[float]] = {}
    for number in sample:
        for way, asked in (await ways(owner, number)).items():
            began = time.perf_counter()
            known = await find(connection, alone, asked)
            gathered = await gather(connection, alone, known)
            stories = [timeline(one, gathered) for one in known]
            taken.setdefault(way, []).append((time.perf_counter() - began) * 1000)
            assert all(stories) and stories, (way, number)
    await connection.close()
    return taken


def command_ms(settings: Settings, *arguments: str) -> float:
    """The whole command: the interpreter's start, the look-up, the topic."""
    addresses = {
        PREFIX + name.upper(): str(getattr(settings, name) or "") for name in SETTING.values()
    }
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "services.cli", "explain", *arguments],
        env=os.environ | addresses,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return (time.perf_counter() - began) * 1000


async def run(decisions: int, queued: int) -> bool:
    """Measure on servers that are there, or local ones. True if every look-up stayed below `MOST_MS`."""
    servers = await start_servers(read_settings())
    try:
        async with new_database(servers.settings(read_settings()), NAME) as (settings, owner):
            await migrate(settings)
            began = time.perf_counter()
            sample = await load(owner, decisions, queued)
            print(f"loaded in {time.perf_counter() - began:.0f} s", file=sys.stderr)
            taken = await measure(settings, owner, sample)
            print(f"{decisions:,} decisions, {queued:,} rows in the outbox")
            for way, times in taken.items():
                print(f"{way:<14} p50 {median(times):6.1f} ms  p99 {quantiles(times, n=100)[98]:6.1f} ms  max {max(times):6.1f} ms")  # fmt: skip
            whole = [command_ms(settings, f"e{number}") for number in sample[:5]]
            print(f"{'the command':<14} p50 {median(whole):6.0f} ms")
            return max(map(max, taken.values())) < MOST_MS
    finally:
        await servers.stop()


@click.command()
@click.option("--decisions", type=click.IntRange(1_000), default=5_000_000, show_default=True)
@click.option("--queued", type=click.IntRange(0), default=100_000, show_default=True)
def main(decisions: int, queued: int) -> None:
    """Measure `couponry explain` on so many decisions; exit 1 if a look-up takes a second."""
    sys.exit(0 if asyncio.run(run(decisions, queued)) else 1)


if __name__ == "__main__":
    main()
