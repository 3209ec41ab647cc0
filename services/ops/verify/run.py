"""All checks in a row, over one connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.ops.addresses import postgres
from services.ops.verify import (
    accounted,
    codes,
    decided_once,
    nothing_vanished,
    published,
    single_active,
)
from services.ops.verify.scan import Scan, Violation
from services.runtime.settings import Settings

CHECKS = {
    "I1 one active coupon under the single rule": single_active.check,
    "I2 one decision per event": decided_once.check,
    "I3 every coupon is accounted for": accounted.check,
    "I3 every coupon is published or queued": published.check,
    "I4 nothing vanished": nothing_vanished.check,
    "I6 codes": codes.check,
}
STATEMENT_TIMEOUT_MS = 600_000
"""Pages take milliseconds; only a search for repeats, after a lost constraint, reads a table whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`checked` counts the rows and records looked at, once per check; `ok` when no violation was found."""

    checked: int
    violations: list[Violation]

    @property
    def ok(self) -> bool:
        return not self.violations


async def verify(settings: Settings, progress: Callable[[str], None]) -> Report:
    """Check every invariant, beside a live system too. `progress` is told lines for people.

    Raises CommandError, one line, when Postgres or Kafka cannot be used.
    """
    async with postgres(
        settings,
        "verify",
        statement_timeout=str(STATEMENT_TIMEOUT_MS),
        enable_seqscan="off",  # every page goes by a key, however small the table was when planned
        jit="off",
    ) as connection:
        scan = Scan(settings=settings, connection=connection, progress=progress)
        for name, check in CHECKS.items():
            progress(name)
            await check(scan)
        return Report(checked=scan.checked, violations=scan.violations())
