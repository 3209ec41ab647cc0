"""What operators and partners do among millions of coupons, and how long issuing waits: `python -m bench.operators`.

The database is that of `millions`, and is dropped afterwards. While one action after the other is done, a process beside
it has single events of the same games decided, one transaction each; the table says how long an action took, and how long
the slowest of those transactions that overlapped it, and how long one of them was seen waiting for a lock. Of two games
every event is declined, since a switch to the single rule is allowed only while no coupon is active.

What people wait for and what issuing waits for are two things: only the latter has a target, `MOST_MS`. It is about locks:
how long a transaction takes depends on what else the machine does, see the first line of the table.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import asyncpg
import click
import httpx
from rich.console import Console
from rich.table import Table

from bench.beside import Issued, completed, issue_until_told
from bench.databases import new_database
from bench.millions import BUSY, CLOSED, LAPSED, LIMITED, LONG, OVER, OVERDUE, fill, over
from services.adapters.postgres.migrate import migrate
from services.adapters.postgres.pool import connect, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.edge.tenant import open_tenant_pool
from services.api.partners.access import development_token
from services.api.partners.keys import Secret
from services.api.partners.scopes import SCOPES
from services.issuer.pipeline import Pipeline
from services.local.servers import start_servers
from services.runtime.settings import WITHOUT_REDIS, Settings, read_settings
from services.stage.children import new_code_secret
from services.sweeper.app import sweep_once
from services.sweeper.floor import DueFloor

NAME = "couponry_operators_benchmark"
MOST_MS = 100.0
"""No transaction that issues may wait longer for a lock that somebody else has."""
PAUSE_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class Row:
    """One action: how long it took, what it came to, and the transactions that overlapped it."""

    action: str
    ms: float
    outcome: str
    issued: Sequence[Issued]
    waited: Sequence[Issued]


@dataclass(slots=True)
class Measured:
    """All actions so far, each with its span; transactions are told when all is over."""

    spans: list[tuple[str, float, float, str]] = field(default_factory=list)

    async def take(self, action: str, work: Callable[[], Awaitable[Any]]) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        began = time.monotonic()
        outcome = await work()
        self.spans.append((action, began, time.monotonic(), str(outcome)))
        click.echo(f"{action}: {(time.monotonic() - began) * 1000:,.0f} ms, {outcome}", err=True)

    def rows(self, issued: Sequence[Issued], waited: Sequence[Issued]) -> list[Row]:
        return [
            Row(
                action=action,
                ms=(ended - began) * 1000,
                outcome=outcome,
                issued=[one for one in issued if one.overlaps(began, ended)],
                waited=[one for one in waited if one.overlaps(began, ended)],
            )
            for action, began, ended, outcome in self.spans
        ]


@asynccontextmanager
async def partner_api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The application, asked in this process, with a token for everything."""
    secret = secrets.token_hex(32)
    settings = settings.model_copy(update={"jwt_secret": secret})
    pool = await open_tenant_pool(settings)
    app = build_app(settings, pool, limits=Limits(settings), keys=Secret(secret))
    token = development_token(secret, 1, list(SCOPES), 24 * 3600, settings)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://api.benchmark/en/partners",
        headers={"authorization": f"Bearer {token}"},
        timeout=600,
    ) as http:
        yield http
    pool.terminate()


async def act(
    measured: Measured, settings: Settings, owner: asyncpg.Connection, coupons: int
) -> None:
    """Everything, one after the other."""
    async with partner_api(settings) as http:

        async def put(game_id: int, fields: dict[str, Any], query: str = "") -> str:
            answer = await http.put(f"/games/{game_id}{query}", json=fields)
            return f"{answer.status_code} {answer.json().get('details', '')}"

        async def page(query: str) -> str:
            answer = await http.get(f"/staff/coupons?shop_id=1&{query}")
            data = answer.json().get("data", {"coupons": (), "pagination": {"total": "?"}})
            return f"{answer.status_code}, {len(data['coupons'])} of {data['pagination']['total']}"

        coupon = await owner.fetchval(
            "SELECT id FROM coupons WHERE game_id = $1 AND status = 'active' LIMIT 1", LIMITED
        )

        async def cancel() -> str:
            answer = await http.post(f"/staff/coupons/{coupon}/cancel", json={"shop_id": 1})
            return str(answer.status_code)

        single = {"allow_multiple_active_coupons": False}
        await measured.take("nothing, for ten seconds", lambda: asyncio.sleep(10, "-"))
        await measured.take("preview of a switch", lambda: put(BUSY, single, "?dry_run=1"))
        await measured.take("switch, refused", lambda: put(BUSY, single))
        await measured.take("switch, done", lambda: put(CLOSED, single))
        await measured.take(
            f"switch, {over(LAPSED, coupons):,} to close", lambda: put(OVER, single)
        )
        await measured.take("another limit", lambda: put(LIMITED, {"total_limit": 1_900_000_000}))
        await measured.take("first limit", lambda: put(BUSY, {"total_limit": 1_500_000_000}))
        await measured.take("limit taken away", lambda: put(BUSY, {"total_limit": None}))
        await measured.take("cancel", cancel)
        for query in (
            "page=1", "page=10000", "page=10000&status=redeemed", "page=10000&status=all",
            "page=10000&per_page=100", "page=10000&status=all&game_id=2", "status=expired",
            "status=reserved", "status=cancelled&page=500", "customer_id=customer-17&status=all",
            "customer_id=customer-1&status=all",
        ):  # fmt: skip
            await measured.take(f"list {query}", lambda query=query: page(query))  # type: ignore[misc]
    await _sweep(measured, settings, owner, over(OVERDUE, coupons))
    await _meet_the_longest_history(measured, settings)


async def _sweep(
    measured: Measured, settings: Settings, owner: asyncpg.Connection, overdue: int
) -> None:
    """Batches, while somebody reads an old snapshot: what they leave in the index stays there."""
    sweeper = await connect(settings, "couponry-sweeper", enable_seqscan="off")
    due = DueFloor()

    settled = 0

    async def batch() -> str:
        nonlocal settled
        settlement = await sweep_once(sweeper, settings, floor=due.next())
        due.rise(settlement.due_from)
        settled += settlement.total
        return f"{settlement.total} settled"

    async with owner.transaction(isolation="repeatable_read"):
        await owner.fetchval("SELECT count(*) FROM games")
        await measured.take("sweeper, first batch", batch)
        while settled < 0.9 * overdue:
            await batch()
        await measured.take("sweeper, a batch among the last", batch)
    await sweeper.close()


async def _meet_the_longest_history(measured: Measured, settings: Settings) -> None:
    pool = await open_pool(settings, "couponry-issuer", enable_seqscan="off")
    locks = CustomerLocks(settings)
    pipeline = Pipeline(pool, locks)

    async def decide() -> str:
        await pipeline.process([completed(-1, LONG, "customer-1")])
        return str(await pool.fetchval("SELECT reason FROM decisions WHERE customer_no = 1"))

    await measured.take("event of the longest history", decide)
    await locks.close()
    pool.terminate()


def table_of(rows: Sequence[Row], coupons: int) -> Table:
    table = Table(title=f"Among {coupons:,} coupons")
    for name in ("action", "took ms", "came to", "transactions beside it", "median ms", "longest ms", "longest wait ms"):  # fmt: skip
        table.add_column(name, justify="left" if name in {"action", "came to"} else "right")
    for row in rows:
        times = [one.ms for one in row.issued] or [0.0]
        table.add_row(
            row.action, f"{row.ms:,.0f}", row.outcome, f"{len(row.issued):,}",
            f"{median(times):.1f}", f"{max(times):.1f}",
            f"{max((one.ms for one in row.waited), default=0.0):.1f}",
        )  # fmt: skip
    return table


async def run(coupons: int) -> list[Row]:
    """On the server of the settings, or a local one."""
    settings = read_settings(code_secret=new_code_secret())
    servers = await start_servers(settings, want=("postgres",))
    try:
        own = servers.settings(settings).model_copy(update={"redis_url": WITHOUT_REDIS})
        async with new_database(own, NAME) as (there, owner):
            await migrate(there)
            began = time.perf_counter()
            await fill(owner, coupons)
            click.echo(f"filled in {time.perf_counter() - began:.0f} s", err=True)
            processes = multiprocessing.get_context("spawn")
            told, (mine, its) = processes.Event(), processes.Pipe()
            issuer = processes.Process(target=issue_until_told, args=(there, told, its), daemon=True)  # fmt: skip
            issuer.start()
            measured = Measured()
            try:
                await asyncio.to_thread(mine.recv)
                await act(measured, there, owner, coupons)
            finally:
                told.set()
            issued, waited = [
                [Issued(began=began, ms=ms) for began, ms in each]
                for each in await asyncio.to_thread(mine.recv)
            ]
            issuer.join()
            return measured.rows(issued, waited)
    finally:
        await servers.stop()


@click.command()
@click.option("--coupons", type=click.IntRange(10_000), default=5_000_000, show_default=True)
def main(coupons: int) -> None:
    """Measure among so many coupons; exit 1 if a transaction that issues waited longer than it may."""
    rows = asyncio.run(run(coupons))
    Console(width=170).print(table_of(rows, coupons))
    longest = max((one.ms for row in rows for one in row.waited), default=0.0)
    sys.exit(0 if longest <= MOST_MS else 1)


if __name__ == "__main__":
    main()
