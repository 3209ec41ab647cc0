"""What every check is given, and where it puts what it finds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import asyncpg

from services.adapters.postgres.queries import queries
from services.runtime.settings import Settings
from services.terminal.pace import PROGRESS_SECONDS

PAGE_ROWS = 20_000
"""Bounds memory, and the time for which a snapshot keeps dead rows from being cleared."""
MOST_DETAILS = 100
"""Violations of one invariant that are named; the rest are counted."""

MOST_KEPT = 10_000
"""Coupons and events that are remembered as named, and echoes; beyond that they are counted as they come."""

SQL = queries("verify", __package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken invariant: `I1` … `I8`, `P1` … `P12`, and a line that names the rows or records."""

    invariant: str
    detail: str


def account(customer_no: int) -> str:
    """What a violation is about that lies in a customer's ledger, or in what is told of it."""
    return f"account {customer_no}"


class Rank(IntEnum):
    """Whose word comes first, where several say something of one coupon or event."""

    OF_THE_RECORD = 1
    """Its record says otherwise."""
    OF_THE_MESSAGES = 2
    """What was published of it says otherwise, or is missing."""
    OF_THEIR_NUMBER = 3
    """It was published more often than once."""


@dataclass(slots=True, kw_only=True)
class Findings:
    """What all checks together have found. `checked` counts rows and records, once per check that looked at them;
    `passed_over` records that concern nobody; `unchecked` what could not be checked, and `notes` what is known and no
    fault, a sentence each.

    One fault is told once. A row that was tampered with is at odds with the database's other rows, with the record it
    came from and with what was published of it. So a check beyond the database `echoes`: what it has to say of a coupon
    or event is told unless a check before it names that one.
    """

    progress: Callable[[str], None]
    checked: int = 0
    passed_over: int = 0
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _violations: list[Violation] = field(default_factory=list)
    _count: Counter[str] = field(default_factory=Counter)
    _named: set[str] = field(default_factory=set)
    _echoes: list[tuple[Rank, Violation, tuple[str, ...]]] = field(default_factory=list)
    _told_at: float = field(default_factory=time.monotonic)

    def violated(self, invariant: str, detail: str, *about: str) -> None:
        """Note a violation, and the coupons or events (ids, keys) that it is about."""
        self._count[invariant] += 1
        if self._count[invariant] <= MOST_DETAILS:
            self._violations.append(Violation(invariant=invariant, detail=detail))
        if len(self._named) < MOST_KEPT:
            self._named.update(about)

    def echoed(self, rank: Rank, invariant: str, detail: str, *about: str) -> None:
        """Note a violation unless it only says again what another check finds wrong with these."""
        if len(self._echoes) < MOST_KEPT:
            self._echoes.append((rank, Violation(invariant=invariant, detail=detail), about))
        else:
            self._count[invariant] += 1

    def looked_at(self, number: int, what: str) -> None:
        """Count, and say so now and then."""
        self.checked += number
        if time.monotonic() - self._told_at > PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            self.progress(f"{what}: {self.checked:,} rows and records looked at so far")

    def violations(self) -> list[Violation]:
        """Everything noted, by invariant."""
        found, count = list(self._violations), Counter(self._count)
        for violation in self._told_echoes():
            count[violation.invariant] += 1
            if count[violation.invariant] <= MOST_DETAILS:
                found.append(violation)
        more = [
            Violation(invariant=invariant, detail=f"and {number - MOST_DETAILS:,} more")
            for invariant, number in count.items()
            if number > MOST_DETAILS
        ]
        return sorted(found + more, key=lambda violation: violation.invariant)

    def _told_echoes(self) -> Iterator[Violation]:
        named = set(self._named)
        for rank in Rank:
            heard: set[str] = set()
            for its_rank, violation, about in self._echoes:
                if its_rank is rank and named.isdisjoint(about):
                    heard.update(about)
                    yield violation
            named |= heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a check works with: a connection that no other check uses meanwhile, and where to put what it finds."""

    settings: Settings
    connection: asyncpg.Connection
    findings: Findings

    def violated(self, invariant: str, detail: str, *about: object) -> None:
        """Note a violation, and the coupons or events that it is about."""
        self.findings.violated(invariant, detail, *map(str, about))

    def echoed(self, rank: Rank, invariant: str, detail: str, *about: object) -> None:
        """Note a violation unless it only says again what another check finds wrong with these."""
        self.findings.echoed(rank, invariant, detail, *map(str, about))

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


@asynccontextmanager
async def reading_whole_tables(connection: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """One snapshot, for statements that add up what no key leads to; tables are read from end to end."""
    async with connection.transaction(isolation="repeatable_read"):
        await connection.execute("SET LOCAL enable_seqscan = on")
        yield connection
