"""The end of each act and of the demo: accounts as tables or a JSON document on stdout, and what to try next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from services.insight.verify.command import as_document
from services.insight.verify.run import Report
from services.runtime.settings import Settings
from services.stage.demo.account import Account
from services.stage.demo.records import ISSUED, Fate
from services.stage.demo.shop.agreement import MonthAccount
from services.stage.demo.shop.lines import Line
from services.terminal.output import PIPED_WIDTH, print_json

Suggestion = tuple[str, str]
"""A command line, and what it shows."""
EXPLAINED = (
    (Fate("declined", "active_coupon_exists"), "why this one got no coupon"),
    (Fate("dead", "schema"), "why this one could not be decided"),
)


def suggestions(
    account: Account | None, month: MonthAccount | None, local: Settings | None
) -> list[Suggestion]:
    """Commands that work after the demo. `local`: the settings of servers that were started and are stopped now."""
    couponry = _program()
    if local is not None:
        couponry = f"COUPONRY_STATE_DIR={shlex.quote(str(local.state_dir))} {couponry}"
    lines = []
    if local is not None:
        lines.append((f"{couponry} up", "first: the same servers and data again, until Ctrl-C"))
    if account is not None:
        lines += _of_games(account, couponry)
    if month is not None:
        lines += [
            (f"{couponry} customers show --partner-id {month.partner_id} {name}", f"{name}, {who}")
            for name, who in month.names.items()
        ]
    lines.append((f"{couponry} status", "lag, outbox, dead letters"))
    return lines


def _of_games(account: Account, couponry: str) -> Iterator[Suggestion]:
    for fate, why in EXPLAINED:
        if fate in account.examples:
            yield f"{couponry} explain {account.examples[fate]}", why
    customer = shlex.quote(account.coupon["customer_id"])
    yield (
        f"{couponry} coupons list --partner-id {account.partner_id} --customer {customer}",
        "what a customer holds",
    )


def _program() -> str:
    """How this program was called, if a shell can call it so again."""
    called = Path(sys.argv[0])
    found = shutil.which("couponry")
    if called.name != "couponry" or (found and Path(found).resolve() == called.resolve()):
        return "couponry"
    relative = os.path.relpath(called)
    return shlex.quote(relative if len(relative) < len(str(called)) else str(called))


def print_document(
    account: Account | None,
    month: MonthAccount | None,
    verified: Report,
    commands: Sequence[Suggestion],
) -> None:
    """One JSON document: the first act's account, the second act's as `shop`, null where it was not played."""
    problems = [each.problems for each in (account, month) if each is not None]
    print_json(
        {
            "ok": verified.ok and not any(problems),
            **({} if account is None else account.document()),
            "shop": None if month is None else month.document(),
            "verify": as_document(verified),
            "next": [command for command, _ in commands],
        }
    )


def print_account(account: Account) -> None:
    """The first act's, for people."""
    console = _console()
    console.print()
    console.print(_table(f"What became of {account.sent:,} records", _rows(account)))
    console.print(
        f"\nRush: {account.rush_records:,} records in {account.rush_seconds:.1f} s,"
        f" {account.events_per_second:,.0f} per second."
        f"\nSteady, {account.steady_per_second}/s: a coupon is readable {account.p50_ms:.0f} ms after its event was"
        f" sent (p50), {account.p99_ms:.0f} ms (p99)."
    )
    for problem in account.problems:
        console.print(f"[red]Does not balance:[/red] {problem}")


def print_month(month: MonthAccount) -> None:
    """The second act's, for people."""
    console = _console()
    console.print()
    lines = ((line, month.must[line], month.seen[line]) for line in Line)
    console.print(_table("What became of a month", lines))
    for problem in month.problems:
        console.print(f"[red]Does not agree:[/red] {problem}")


def print_end(verified: Report, commands: Sequence[Suggestion]) -> None:
    """What the proof says, and what to try next."""
    console = _console()
    console.print()
    for violation in verified.violations:
        console.print(f"[red]Violated:[/red] {violation.invariant} {violation.detail}")
    if verified.ok:
        console.print(
            f"Verify: every invariant holds, {verified.checked:,} rows and records checked."
        )
    console.print("\nTry next:")
    for command, why in commands:
        console.print(f"  {command}    [dim]# {why}[/dim]")


def _console() -> Console:
    return Console(
        highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH, soft_wrap=True
    )


def _table(title: str, lines: Iterable[tuple[str, int, int]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(title)
    table.add_column("must be", justify="right")
    table.add_column("seen", justify="right")
    for label, expected, seen in lines:
        table.add_row(label, f"{expected:,}", f"{seen:,}")
    return table


def _rows(account: Account) -> Iterator[tuple[str, int, int]]:
    yield "coupons issued", account.expected[ISSUED], account.seen[ISSUED]
    for outcome, label in (("declined", "declined"), ("dead", "dead-lettered")):
        fates = {fate for fate in account.expected | account.seen if fate.outcome == outcome}
        for fate in sorted(fates, key=lambda fate: -account.expected[fate]):
            yield f"{label}: {fate.detail}", account.expected[fate], account.seen[fate]
        if outcome == "declined":
            yield "repeats absorbed", account.repeats, account.absorbed
