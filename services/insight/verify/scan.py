"""What every check is given, and where it puts what it finds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from services.adapters.postgres.queries import queries
from services.runtime.settings import Settings
from services.terminal.pace import PROGRESS_SECONDS

PAGE_ROWS = 20_000
"""Bounds memory, and the time for which a snapshot keeps dead rows from being cleared."""
MOST_DETAILS = 100
"""Violations of one invariant that are named; the rest are counted."""

SQL = queries("verify", __package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken invariant: `I1` … `I7`, and a line that names the rows or records."""

    invariant: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """Messages that should be in a topic and are not, of which these partitions keep too little to tell."""

    topic: str
    partitions: Sequence[int]
    messages: int


@dataclass(slots=True, kw_only=True)
class Findings:
    """What all checks together have found. `checked` counts rows and records, once per check that looked at them;
    `passed_over` records that concern nobody; `unchecked` is what topics keep too little of."""

    progress: Callable[[str], None]
    checked: int = 0
    passed_over: int = 0
    unchecked: list[Unchecked] = field(default_factory=list)
    _violations: list[Violation] = field(default_factory=list)
    _count: Counter[str] = field(default_factory=Counter)
    _told_at: float = field(default_factory=time.monotonic)

    def violated(self, invariant: str, detail: str) -> None:
        """Note a violation."""
        self._count[invariant] += 1
        if self._count[invariant] <= MOST_DETAILS:
            self._violations.append(Violation(invariant=invariant, detail=detail))

    def looked_at(self, number: int, what: str) -> None:
        """Count, and say so now and then."""
        self.checked += number
        if time.monotonic() - self._told_at > PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            self.progress(f"{what}: {self.checked:,} rows and records looked at so far")

    def violations(self) -> list[Violation]:
        """Everything noted, by invariant."""
        more = [
            Violation(invariant=invariant, detail=f"and {number - MOST_DETAILS:,} more")
            for invariant, number in self._count.items()
            if number > MOST_DETAILS
        ]
        return sorted(self._violations + more, key=lambda violation: violation.invariant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a check works with: a connection that no other check uses meanwhile, and where to put what it finds."""

    settings: Settings
    connection: asyncpg.Connection
    findings: Findings

    def violated(self, invariant: str, detail: str) -> None:
        """Note a violation."""
        self.findings.violated(invariant, detail)

    def looked_at(self, number: int, what: str) -> None:
        """Count what was looked at."""
        self.findings.looked_at(number, what)

    async def protected_by(self, invariant: str, *names: str) -> bool:
        """Whether these constraints and unique indexes are in force; each that is not is a violation."""
        missing = await self.connection.fetch(SQL["missing_protections"], list(names))
        for row in missing:
            self.violated(invariant, f"the database lacks its constraint {row['name']}")
        return not missing

    async def pages(self, bound: str, first: Any, last: Any) -> AsyncIterator[tuple[Any, Any]]:
        """Ranges (after, up to) of a key that hold about PAGE_ROWS rows each.

        `bound` names the query that finds a page's end; `first` stands before, `last` at or behind every key.
        """
        after = first
        while True:
            up_to = await self.connection.fetchval(SQL[bound], after, PAGE_ROWS - 1)
            yield after, last if up_to is None else up_to
            if up_to is None:
                return
            after = up_to
