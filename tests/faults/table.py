"""The one table: a line for each fault, a line for all of it, and below what is not as promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from tests.faults.audit import Finding
from tests.faults.run import RECOVERY_SECONDS, Row

WIDTH = 120
SHOWN = 40
"""Findings that are told one by one."""


@dataclass(slots=True, kw_only=True)
class Report:
    """Everything that a run has to say. `wrong`: what belongs to no fault; `findings` None: it was not reckoned.

    `most_seconds`: how long a recovery may take. `told`: coupons of a program, `heard`: requests to the partner's system.
    """

    seed: int
    most_seconds: float = RECOVERY_SECONDS
    rows: list[Row] = field(default_factory=list)
    findings: Sequence[Finding] | None = None
    wrong: list[str] = field(default_factory=list)
    not_begun: Sequence[str] = ()
    records: int = 0
    events: int = 0
    repeats: int = 0
    poison: int = 0
    told: int = 0
    heard: int = 0
    verified: int | None = None

    def failures(self) -> list[str]:
        """One line for each thing that is not as promised; each names the seed."""
        found = [f"{row.fault.name}: {text}" for row in self.rows for text in row.wrong]
        found += [self._of(one) for one in self.findings or () if not one.allowed]
        return [f"seed {self.seed}: {text}" for text in (*found, *self.wrong)]

    def _of(self, one: Finding) -> str:
        row = next((row for row in self.rows if row.number == one.row), None)
        return f"{row.fault.name if row else 'before the first fault'}: {one.what}: {one.text}"


def show(report: Report) -> str:
    """The whole report as text."""
    table = Table(title=f"Faults, seed {report.seed}", title_justify="left")
    table.add_column("fault", no_wrap=True)
    for name in ("when", "lasted s", "in flight", "recovery s", "lost", "doubled", "out twice"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    findings = report.findings or ()
    counts = Counter((one.row, one.what) for one in findings)
    bad = {one.row for one in findings if not one.allowed}
    held = "?" if report.findings is None else "held"
    for row in report.rows:
        recovery = "never" if row.recovery_seconds is None else f"{row.recovery_seconds:.1f}"
        table.add_row(
            row.fault.name, str(timedelta(seconds=int(row.after_seconds))),
            f"{row.lasted_seconds:.1f}", f"{row.in_flight:,}", recovery,
            *(
                "?" if report.findings is None else str(counts[row.number, what])
                for what in ("lost", "doubled", "twice")
            ),
            "BROKEN" if row.wrong or row.number in bad else held,
        )  # fmt: skip
    console = Console(width=WIDTH)
    with console.capture() as capture:
        console.print(table)
    return "\n".join([capture.get().rstrip(), *_sums(report), *_failures(report)])


def _sums(report: Report) -> list[str]:
    recoveries = [row.recovery_seconds for row in report.rows if row.recovery_seconds is not None]
    longest = f"{max(recoveries):.1f}" if recoveries else "no"
    sent = f"{report.events:,} events, {report.repeats:,} sent again, {report.poison:,} poison"
    lines = [
        f"{report.records:,} records: {sent}. Longest recovery {longest} s of {report.most_seconds:.0f} s."
    ]
    lines.append(
        f"A partner's own system: {report.told:,} coupons, told by {report.heard:,} requests."
    )
    if report.verified is not None:
        lines.append(f"Verify: {report.verified} violations.")
    if report.not_begun:
        lines.append(f"Not begun in the time there was: {', '.join(report.not_begun)}.")
    return lines


def _failures(report: Report) -> list[str]:
    failures = report.failures()
    more = [f"… and {len(failures) - SHOWN:,} more"] if len(failures) > SHOWN else []
    return failures[:SHOWN] + more
