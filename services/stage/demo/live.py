"""What is happening, while it happens, on stderr: a view that changes on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from services.stage.demo.ledger import Ledger

REFRESHES_PER_SECOND = 8
PLAIN_SECONDS = 2.0
BAR_COLUMNS = 44
WORDS = {"issued": "coupons issued", "declined": "declined", "dead": "dead-lettered"}
COLOURS = {"issued": "green", "declined": "yellow", "dead": "red"}


def step(console: Console, number: int, title: str, text: str) -> None:
    """The heading of the story's next part."""
    console.print(f"\n[bold]{number}  {title}[/bold]  {text}", soft_wrap=True)


@asynccontextmanager
async def live_view(
    console: Console, ledger: Ledger, total: int, games: Mapping[int, str]
) -> AsyncIterator[None]:
    """Show the ledger filling up until the block is left. `games`: names by id."""
    if console.is_terminal:
        view = lambda: _view(ledger, total, games)  # noqa: E731 - Live calls it for every refresh
        with Live(console=console, get_renderable=view, refresh_per_second=REFRESHES_PER_SECOND):
            yield
        return
    lines = asyncio.ensure_future(_plain(console, ledger, total))
    try:
        yield
    finally:
        lines.cancel()
        console.print(_line(ledger, total), soft_wrap=True)


async def _plain(console: Console, ledger: Ledger, total: int) -> None:
    while True:
        await asyncio.sleep(PLAIN_SECONDS)
        console.print(_line(ledger, total), soft_wrap=True)


def _line(ledger: Ledger, total: int) -> str:
    tally = dict.fromkeys(WORDS, 0)
    for fate, count in ledger.seen_counts.items():
        tally[fate.outcome] += count
    parts = (f"{count:,} {WORDS[outcome]}" for outcome, count in tally.items())
    return f"   {ledger.sent:,} of {total:,} sent: " + ", ".join(parts)


def _view(ledger: Ledger, total: int, games: Mapping[int, str]) -> RenderableType:
    done = min(total, len(ledger.seen) + ledger.repeats)
    bar = Table.grid(padding=(0, 1))
    bar.add_row("  ", ProgressBar(total, done, width=BAR_COLUMNS), f"{done:,} of {total:,} records")
    counts = Table.grid(padding=(0, 1))
    for label, colour, count in _counts(ledger):
        counts.add_row("  ", Text(f"{count:,}", justify="right"), Text(label, style=colour))
    return Group(bar, counts, *_samples(ledger, games))


def _counts(ledger: Ledger) -> Iterator[tuple[str, str, int]]:
    order = list(WORDS)
    for fate, count in sorted(
        ledger.seen_counts.items(), key=lambda item: (order.index(item[0].outcome), -item[1])
    ):
        label = WORDS[fate.outcome] + (f": {fate.detail}" if fate.detail else "")
        yield label, COLOURS[fate.outcome], count


def _samples(ledger: Ledger, games: Mapping[int, str]) -> Iterator[RenderableType]:
    if not ledger.coupons:
        return
    table = Table("", "coupon", "game", "customer", "expires", box=None, header_style="dim")
    for coupon in ledger.coupons:
        expires = coupon["expires_at"]
        table.add_row(
            "",
            Text(coupon["code"], style="bold green"),
            games.get(coupon["game_id"], ""),
            coupon["customer_id"],
            expires[:10] if expires else "never",
        )
    yield table
