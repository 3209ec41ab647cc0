"""The report for people: two tables, a plot of the days, and what has to be known to believe it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from rich.console import Console
from rich.text import Text

from services.insight.what_if.comparing import Change, Comparison
from services.insight.what_if.report import Asked, Customers, days, outcomes
from services.terminal.output import print_table

CUSTOMERS_SHOWN = 10
MOST_BARS = 31
"""Of a longer time several days share a bar."""
BAR_CELLS = 40
PIPED_WIDTH = 100

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def show(
    asked: Asked,
    comparison: Comparison,
    changes: Sequence[Change],
    customers: Customers,
    unread_orders: int,
) -> None:
    """All of it on stdout."""
    print(_headline(asked, comparison))
    print()
    print_table(
        ("outcome", "before", "after", "difference"),
        (
            (label, f"{was:,}", f"{would:,}", f"{would - was:+,}" if would != was else "")
            for label, was, would in outcomes(comparison)
        ),
    )
    if comparison.orders:
        stamps = comparison.stamps
        print(f"\nstamps: {stamps['before']:,} before, {stamps['after']:,} after")
    if unread_orders:
        print(
            f"{unread_orders:,} orders are no longer in the topic: whether they stamp was taken from the record"
        )
    plot(asked, comparison)
    if asked.changes:
        _show_customers(changes, customers)


def _headline(asked: Asked, comparison: Comparison) -> str:
    what = f"{comparison.read - comparison.orders:,} completions"
    if comparison.orders:
        what += f" and {comparison.orders:,} orders"
    if asked.changes:
        changes = ", ".join(f"{field} = {_word(value)}" for field, value in asked.changes.items())
        return f"game {asked.game_id}: {what} decided again with {changes}. Nothing was written."
    if comparison.mismatched:
        return f"game {asked.game_id}: {comparison.mismatched:,} of {what} do NOT come out as recorded."
    return f"game {asked.game_id}: all of {what} come out as recorded. Nothing was written."


def _word(value: object) -> str:
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def _show_customers(changes: Sequence[Change], customers: Customers) -> None:
    gain = sum(change.difference > 0 for change in changes)
    lose = sum(change.difference < 0 for change in changes)
    print(f"\n{gain:,} customers gain coupons, {lose:,} lose some")
    if shown := customers[:CUSTOMERS_SHOWN]:
        print_table(
            ("customer", "gained", "lost", "difference"),
            ((name, one.gained, one.lost, f"{one.difference:+,}") for name, one in shown),
        )
        if len(changes) > len(shown):
            print(f"… and {len(changes) - len(shown):,} more: --json, --csv FILE")


def plot(asked: Asked, comparison: Comparison) -> None:
    """Coupons issued per day, before and after, as bars of one scale."""
    bars = grouped([(day, was, would) for day, was, would, *_ in days(comparison)])
    if not bars:
        return
    largest = max(max(was, would) for _, _, was, would in bars) or 1
    print(f"\ncoupons issued, by day in {asked.time_zone}")
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    for first, last, was, would in bars:
        label = first.isoformat() + (f" – {last.isoformat()}" if last != first else "")
        lines = [("before", was, "dim"), ("after", would, "cyan")]
        if not asked.changes:
            lines = [("", was, "cyan")]
        for name, count, style in lines:
            line = Text(f"{label} {name:<6} " if name else f"{label} ")
            line.append(bar(count, largest), style=style)
            line.append(f" {count:,}")
            console.print(line, no_wrap=True, crop=False, overflow="ignore", soft_wrap=True)
            label = " " * len(label)


def grouped(
    rows: Sequence[tuple[date, int, int]], most: int = MOST_BARS
) -> list[tuple[date, date, int, int]]:
    """(first day, last day, before, after) of as many equal spans as fit; days without decisions are spans too."""
    if not rows:
        return []
    first, last = rows[0][0], rows[-1][0]
    span = -(-((last - first).days + 1) // most)
    bars = {start: [0, 0] for start in _starts(first, last, span)}
    for day, was, would in rows:
        start = first + timedelta(days=(day - first).days // span * span)
        bars[start][0] += was
        bars[start][1] += would
    return [
        (start, min(last, start + timedelta(days=span - 1)), was, would)
        for start, (was, would) in bars.items()
    ]


def _starts(first: date, last: date, span: int) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=span)


def bar(count: int, largest: int) -> str:
    """A bar in eighths of a cell; anything but nothing is seen."""
    eighths = max(count * BAR_CELLS * 8 // largest, 1 if count else 0)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
