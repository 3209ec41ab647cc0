"""The partner API beside its yardstick: `python -m bench.api [--seconds S] [--coupons N]`, one table.

- verify: codes checked per second, beside requests per second of a bare endpoint with the same token check and one
  primary-key read; interleaved rounds, the median of each.
- redeem: its rate as fast as it goes, then the latency at half of that.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import asyncpg
import uvloop
from rich.console import Console
from rich.table import Table

from bench.children import Child, Command, running
from bench.databases import ADD_GAME, ADD_PARTNER, new_database
from bench.http_load import Load, as_fast_as_it_goes, at_rate, bearer, connections, request
from bench.services import COUPONRY
from services.adapters.postgres.migrate import migrate
from services.api.partners.access import development_token
from services.domain.coupons.codes import codes_from
from services.local.servers import start_servers
from services.runtime.settings import Settings, read_settings
from services.stage.children import new_code_secret

PARTNER_ID = 1
GAME_ID = 1
SHOP_ID = 1
ROUNDS = 3
CONNECTIONS = 16
READY_SECONDS = 30.0
STAFF = "/en/partners/staff/coupons"
OURS = Command(label="couponry-api", module=COUPONRY, arguments=("api",))
BARE = Command(label="bare", module="bench.bare_api")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured."""

    bare: Sequence[Load]
    verify: Sequence[Load]
    redeem: Load
    redeem_at_half: Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Coupons to ask for, each with a customer of its own."""

    ids: Sequence[str]
    codes: Sequence[str]


async def fill(owner: asyncpg.Connection, coupons: int) -> Stock:
    """A partner with a shop, a game and so many active coupons."""
    await owner.execute(ADD_PARTNER, PARTNER_ID)
    await owner.execute(ADD_GAME, GAME_ID, PARTNER_ID, "A free coffee", True, None)
    await owner.execute(
        "INSERT INTO shops (id, partner_id, name) VALUES ($1, $2, 'Shop')", SHOP_ID, PARTNER_ID
    )
    await owner.execute(
        "INSERT INTO customers (partner_id, customer_id, last_at)"
        " SELECT $1, 'customer-' || n, now() FROM generate_series(1, $2::integer) AS n",
        PARTNER_ID, coupons,
    )  # fmt: skip
    ids = [str(uuid.uuid4()) for _ in range(coupons)]
    codes = codes_from(os.urandom(10 * coupons))
    await owner.execute(
        "INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, rule_version,"
        " rule_allow_multiple, holds_single_place, code)"
        " SELECT n.id, n.id, $3, $4, cu.customer_no, now(), 1, true, false, n.code"
        " FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS n (id, code, number)"
        " JOIN customers cu ON cu.customer_id = 'customer-' || n.number",
        ids, codes, PARTNER_ID, GAME_ID,
    )  # fmt: skip
    await owner.execute("VACUUM ANALYZE")
    return Stock(ids=ids, codes=codes)


async def measure(stock: Stock, token: str, ours: str, bare: str, seconds: float) -> Figures:
    """All of it, in about ten times so many seconds."""
    who = bearer(token)
    reads = (request("GET", f"/coupons/{id}", who) for id in itertools.cycle(stock.ids))
    checks = (
        request("POST", f"{STAFF}/verify", who, _body(code=code))
        for code in itertools.cycle(stock.codes)
    )
    redeems = (request("POST", f"{STAFF}/{id}/redeem", who, _body()) for id in stock.ids)
    async with connections(bare, CONNECTIONS) as to_bare, connections(ours, CONNECTIONS) as to_ours:
        for warming in (
            as_fast_as_it_goes(to_bare, reads, 0.5),
            as_fast_as_it_goes(to_ours, checks, 0.5),
        ):
            await warming
        bares, verifies = [], []
        for _ in range(ROUNDS):
            bares.append(await as_fast_as_it_goes(to_bare, reads, seconds))
            verifies.append(await as_fast_as_it_goes(to_ours, checks, seconds))
        await as_fast_as_it_goes(to_ours, redeems, 0.5)
        redeem = await as_fast_as_it_goes(to_ours, redeems, seconds)
        half = await at_rate(to_ours, redeems, 3 * seconds, redeem.rate / 2)
    return Figures(bare=bares, verify=verifies, redeem=redeem, redeem_at_half=half)


def _body(**more: str) -> bytes:
    return json.dumps({"shop_id": SHOP_ID, **more}).encode()


def table_of(figures: Figures) -> Table:
    """The figures beside their targets. Raises ValueError if an answer was anything but 200."""
    loads = (*figures.bare, *figures.verify, figures.redeem, figures.redeem_at_half)
    wrong = {status for load in loads for status in load.statuses} - {200}
    if wrong:
        raise ValueError(f"answers with status {sorted(wrong)}: the times mean nothing")
    bare, verify = (median(load.rate for load in each) for each in (figures.bare, figures.verify))
    half = figures.redeem_at_half
    p50, p99 = half.percentile_ms(0.5), half.percentile_ms(0.99)
    table = Table("what", "figure", "target", title="The partner API, one process")
    table.add_row("bare endpoint", f"{bare:,.0f}/s", "")
    table.add_row("verify a code", f"{verify:,.0f}/s, {verify / bare:.2f} of bare", ">= 0.5")
    table.add_row("redeem", f"{figures.redeem.rate:,.0f}/s", "")
    table.add_row(
        f"redeem at {half.rate:,.0f}/s, p50/p99",
        f"{p50:.1f}/{p99:.1f} ms, x {p99 / p50:.1f}",
        "< x 10",
    )
    return table


@asynccontextmanager
async def serving(
    commands: Sequence[Command], settings: Settings, secret: str, logs: Path
) -> AsyncIterator[list[str]]:
    """These servers as processes of their own: their addresses."""
    environment = {
        "COUPONRY_POSTGRES_DSN": str(settings.postgres_dsn),
        "COUPONRY_REDIS_URL": str(settings.redis_url),
        "COUPONRY_STATE_DIR": str(settings.state_dir),
        "COUPONRY_JWT_SECRET": secret,
        "COUPONRY_CODE_SECRET": new_code_secret(),
    }
    async with running(commands, environment, logs) as children:
        yield [await address_of(child) for child in children]


async def address_of(child: Child, name: str = "api") -> str:
    """Where a server of this name, which has just been started, says it can be reached."""
    deadline = time.perf_counter() + READY_SECONDS
    while time.perf_counter() < deadline:
        child.check()
        for line in child.log.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(f'{{"{name}"'):
                return str(json.loads(line)[name])
        await asyncio.sleep(0.05)
    raise TimeoutError(f"{child.label} is not ready after {READY_SECONDS:.0f} s; see {child.log}")


async def run(seconds: float, coupons: int) -> Table:
    """On the servers of the settings, or local ones, in a database of its own."""
    settings = read_settings()
    state = (settings.state_dir / "benchmark-api").resolve()
    servers = await start_servers(
        settings.model_copy(update={"state_dir": state}), want=("postgres", "redis")
    )
    try:
        prepared = servers.settings(settings).model_copy(update={"state_dir": state})
        name = f"couponry_benchmark_api_{secrets.token_hex(3)}"
        async with new_database(prepared, name) as (own, owner):
            await migrate(own)
            stock = await fill(owner, coupons)
            secret = secrets.token_hex(32)
            token = development_token(secret, PARTNER_ID, ["staff"], 3600, own)
            async with serving([OURS, BARE], own, secret, state) as (ours, bare):
                return table_of(await measure(stock, token, ours, bare, seconds))
    finally:
        await servers.stop()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.api", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    parser.add_argument("--coupons", type=int, default=100_000, help="in the database")
    arguments = parser.parse_args()
    table = uvloop.run(run(arguments.seconds, arguments.coupons))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
