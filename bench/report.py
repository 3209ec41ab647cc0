"""The one table, for a terminal or as Markdown, and the targets below it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.results import US, Results, verdicts

HEAD = (
    "contestant", "events", "events/s", "lowest-highest", f"{US} is", "service", "relay",
    "postgres", "kafka", "redis", "peak MB", "p50 ms", "p95 ms", "p99 ms", "max ms",
)  # fmt: skip
LEGEND = (
    "events/s: median of the rounds. service … redis: CPU seconds per 1,000 events. Latency: from the instant an"
    " event was due to be sent at the fixed rate until its message is readable."
)
TARGET_HEAD = ("target", "limit", "measured", "")
WIDTH = 170


def show(results: Results, *, markdown: bool) -> str:
    """The whole report as text."""
    tables = [(HEAD, _rows(results)), (TARGET_HEAD, _target_rows(results))]
    if markdown:
        parts = [_markdown(head, rows) for head, rows in tables]
    else:
        parts = [_rich(head, rows) for head, rows in tables]
    return "\n".join([parts[0], LEGEND, "", parts[1], *results.failures])


def _rows(results: Results) -> list[tuple[str, ...]]:
    names = dict.fromkeys(
        [*results.contestants(), *(sample.contestant for sample in results.latencies)]
    )
    return [_row(results, name) for name in names]


def _row(results: Results, name: str) -> tuple[str, ...]:
    samples = results.of(name)
    rates = sorted(sample.rate for sample in samples)
    ours, theirs = results.rate(US), results.rate(name)
    return (
        name,
        f"{samples[0].events:,}" if samples else "",
        _number(theirs, 0),
        f"{rates[0]:,.0f}-{rates[-1]:,.0f}" if rates else "",
        f"{ours / theirs:.2f} ×" if ours and theirs else "",
        _number(results.cpu(name, "issuer", "service"), 4),
        _number(results.cpu(name, "relay"), 4),
        *(_number(results.cpu(name, server), 4) for server in ("postgres", "kafka", "redis")),
        _number(results.peak_mb(name), 0),
        *(_number(results.latency_ms(name, p), 1) for p in ("p50", "p95", "p99", "max")),
    )


def _target_rows(results: Results) -> list[tuple[str, ...]]:
    return [
        (
            verdict.target,
            f"{'at least' if verdict.at_least else 'at most'} {verdict.limit:g}",
            _number(verdict.measured, 2),
            verdict.word,
        )
        for verdict in verdicts(results)
    ]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _rich(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = Table()
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console(width=WIDTH)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))
