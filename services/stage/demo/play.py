"""The demo's action: one completion followed all the way, a rush, a steady stream; then every party is asked."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from rich.console import Console

from schemas.topics import COUPON_ISSUED, GAME_COMPLETED
from services.runtime.settings import Settings
from services.stage.demo.account import Account
from services.stage.demo.ledger import Ledger, percentile, words
from services.stage.demo.live import live_view, step
from services.stage.demo.reconciliation import (
    STANDSTILL_SECONDS,
    everything_read,
    everything_seen,
    recorded,
)
from services.stage.demo.records import Fate, Record
from services.stage.demo.stage import Scene
from services.stage.demo.traffic import GameService, game_service, listen, listener
from services.stage.demo.workload import Workload
from services.terminal.addresses import postgres
from services.terminal.output import CommandError

STEADY_PER_SECOND = 500
STEADY_RECORDS = 1_500
STEADY_SHARE = 0.25
"""Of a short demo's records; the rest is the rush."""
SHOWN_DIFFERENCES = 5


async def play(
    settings: Settings, scene: Scene, count: int, seed: int, console: Console
) -> Account:
    """Send `count` records and wait for what becomes of them. Raises CommandError if nothing does."""
    ledger = Ledger()
    workload = Workload(
        tags=scene.tags, partner_id=scene.partner_id, games=scene.games, count=count, seed=seed
    )
    records = workload.records()
    async with listener(settings) as consumer, game_service(settings, ledger) as producer:
        listening = asyncio.ensure_future(listen(consumer, scene.tags, ledger))
        try:
            await _follow_one(producer, next(records), ledger, scene, console)
            steady = min(STEADY_RECORDS, int(count * STEADY_SHARE))
            rush = count - 1 - steady
            step(
                console, 5, f"{count:,} records",
                f"a rush, then {steady:,} at a steady {STEADY_PER_SECOND}/s; some repeated, late or unreadable",
            )  # fmt: skip
            async with live_view(console, ledger, count, scene.names):
                began = time.perf_counter()
                await producer.send(islice(records, rush))
                is_seen = await everything_seen(ledger)
                rush_seconds = ledger.last_seen_at - began
                # Last, because a broker that has just started is slow for its first seconds.
                ledger.timed = True
                await producer.send(records, per_second=STEADY_PER_SECOND)
                is_seen = is_seen and await everything_seen(ledger)
            is_read = is_seen and await everything_read(settings, producer.ends)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    async with postgres(settings, "demo") as connection:
        held = await recorded(connection, scene.partner_id, scene.tags)
    return Account(
        seed=seed,
        partner_id=scene.partner_id,
        sent=ledger.sent,
        repeats=ledger.repeats,
        expected=ledger.expected_counts(),
        seen=ledger.seen_counts,
        problems=list(_problems(ledger, is_seen, is_read, held)),
        steady_per_second=STEADY_PER_SECOND,
        p50_ms=percentile(ledger.latencies, 50) * 1_000,
        p99_ms=percentile(ledger.latencies, 99) * 1_000,
        rush_records=rush,
        rush_seconds=rush_seconds,
        examples=ledger.examples,
        coupon=ledger.coupons[-1],
    )


async def _follow_one(
    producer: GameService, record: Record, ledger: Ledger, scene: Scene, console: Console
) -> None:
    """Show what goes in, and what comes out of it."""
    step(console, 4, "One completion", "followed all the way")
    began = time.perf_counter()
    await producer.send([record])
    console.print(f"      -> {GAME_COMPLETED}  {(record.value or b'').decode()}", soft_wrap=True)
    if not await everything_seen(ledger) or not ledger.coupons:
        raise CommandError(
            f"the first completion had no coupon within {STANDSTILL_SECONDS:.0f} s: see the logs in"
            f" {scene.file.parent}"
        )
    coupon, took_ms = ledger.coupons[-1], (ledger.last_seen_at - began) * 1_000
    console.print(
        f"      <- {COUPON_ISSUED}   {coupon['code']} for {coupon['customer_id']}:"
        f" {coupon['reward_description']}, until {coupon['expires_at'] or 'for ever'}"
        f" ({took_ms:.0f} ms)",
        soft_wrap=True,
    )


def _problems(ledger: Ledger, is_seen: bool, is_read: bool, held: Counter[Fate]) -> Iterator[str]:
    """Why the account does not balance, one line each; a long list is cut short."""
    if not is_seen:
        yield f"{ledger.outstanding} records have no outcome, and nothing came for {STANDSTILL_SECONDS:.0f} s"
    elif not is_read:
        yield f"the issuers have not committed everything that was sent after {STANDSTILL_SECONDS:.0f} s"
    differences = list(ledger.differences())
    yield from differences[:SHOWN_DIFFERENCES]
    if len(differences) > SHOWN_DIFFERENCES:
        yield f"... and {len(differences) - SHOWN_DIFFERENCES} more differences"
    if held != ledger.seen_counts:
        for fate in sorted(held.keys() | ledger.seen_counts.keys()):
            if held[fate] != ledger.seen_counts[fate]:
                yield (
                    f"{words(fate)}: the database holds {held[fate]}, subscribers saw"
                    f" {ledger.seen_counts[fate]}"
                )
