"""All checks: those within the database in one row, those that also read topics in another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from services.insight.verify import (
    accounted,
    accounts,
    codes,
    decided_once,
    delivered,
    groups,
    limits,
    nothing_vanished,
    path,
    published,
    purchases,
    redeemed,
    referred,
    single_active,
    stamps,
    uses,
)
from services.insight.verify.scan import Findings, Scan, Violation
from services.runtime.settings import Settings
from services.runtime.side_by_side import side_by_side
from services.terminal.addresses import postgres

IN_THE_DATABASE = {
    "I1 one active coupon under the single rule": single_active.check,
    "I2 one decision per event": decided_once.check,
    "I3 every coupon is accounted for": accounted.check,
    "I5 every history is a path": path.check,
    "I6 codes": codes.check,
    "I7 limits": limits.check,
    "I8 stamps": stamps.check,
    "P1 to P8 accounts": accounts.check,
    "P5 referrals": referred.check,
    "P9 what orders have earned": purchases.check,
    "P8 redemptions": redeemed.check,
    "P10 groups": groups.check,
    "P11 uses": uses.check,
    "P12 deliveries": delivered.check,
}
AGAINST_THE_TOPICS = {
    "I4 nothing vanished": nothing_vanished.check,
    "I3 everything is published or queued": published.check,
}
STATEMENT_TIMEOUT_MS = 600_000
"""Pages take milliseconds. A table is read whole to count what games with a limit for everybody have issued, to add up
stamps, and to search for repeats after a constraint was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`checked` counts the rows and records looked at, once per check; `passed_over` records of the topics that concern
    nobody; `unchecked` says what could not be checked, `notes` what is known and no fault; `ok` when no violation was
    found."""

    checked: int
    passed_over: int
    violations: list[Violation]
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.violations


async def verify(settings: Settings, progress: Callable[[str], None]) -> Report:
    """Check every invariant, beside a live system too. `progress` is told lines for people.

    Two rows of checks run side by side: in one of them Postgres has the most to do, in the other this process.
    Raises CommandError, one line, when Postgres or Kafka cannot be used.
    """
    findings = Findings(progress=progress)
    await side_by_side(
        *(_run(checks, settings, findings) for checks in (IN_THE_DATABASE, AGAINST_THE_TOPICS))
    )
    return Report(
        checked=findings.checked,
        passed_over=findings.passed_over,
        violations=findings.violations(),
        unchecked=findings.unchecked,
        notes=findings.notes,
    )


async def _run(
    checks: Mapping[str, Callable[[Scan], Awaitable[None]]], settings: Settings, findings: Findings
) -> None:
    async with postgres(
        settings,
        "verify",
        statement_timeout=str(STATEMENT_TIMEOUT_MS),
        enable_seqscan="off",  # every page goes by a key, however small the table was when planned
        jit="off",
    ) as connection:
        scan = Scan(settings=settings, connection=connection, findings=findings)
        for name, check in checks.items():
            findings.progress(name)
            await check(scan)
