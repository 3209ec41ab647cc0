"""I7: no coupon was issued beyond a limit that was in force then, and what is left of a game's limit adds up.

Coupons count that were not cancelled. A limit that its owner lowers below what has been issued is no violation: each
coupon is judged by the version that it was decided under, and by the coupons that were decided before it. Of one
customer the numbers of decisions tell that order, whatever the clocks did. Between customers nothing does; but whoever
was issued a coupon under a version found no more than its limit that counted, and of those that still count none is
newer than the version.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfoNotFoundError

import asyncpg

from schemas.fields import MAX_ID
from services.adapters.postgres.queries import queries
from services.domain.program import NO_LIMITS, CustomerLimits, period_starts
from services.insight.verify.scan import Scan, reading_whole_tables

_SQL = queries("limits", __package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """What a version of a game allows."""

    customer: CustomerLimits
    total: int | None
    time_zone: str


Versions = Mapping[tuple[int, int], Limited]
"""By game and version."""


async def check(scan: Scan) -> None:
    """Each customer's coupons one after the other, then all customers' together."""
    versions = {
        (row["game_id"], row["version"]): _limited(row)
        for row in await scan.connection.fetch(_SQL["limited_versions"])
    }
    by_customer = {game for (game, _), one in versions.items() if one.customer.largest is not None}
    if by_customer:
        async for after, up_to in scan.pages("end_of_customers", 0, MAX_ID):
            rows = await scan.connection.fetch(
                _SQL["issues_of_customers"], after, up_to, sorted(by_customer)
            )
            for _, coupons in groupby(rows, lambda row: (row["customer_no"], row["game_id"])):
                _judge(scan, list(coupons), versions)
            scan.looked_at(len(rows), "I7")
    together = {game for (game, _), one in versions.items() if one.total is not None}
    if together:
        await _judge_totals(scan, sorted(together), versions)


def _limited(row: asyncpg.Record) -> Limited:
    limits = CustomerLimits(
        lifetime=row["lifetime"],
        per_day=row["per_day"],
        per_week=row["per_week"],
        per_month=row["per_month"],
    )
    return Limited(customer=limits, total=row["total_limit"], time_zone=row["time_zone"])


@dataclass(slots=True, kw_only=True)
class _Past:
    """A customer's coupons of a game so far: (issue, end of counting) each, and those ends in order."""

    issues: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    ends: list[datetime] = field(default_factory=list)

    def add(self, issued_at: datetime, cancelled_at: datetime | None) -> None:
        self.issues.append((issued_at, cancelled_at))
        if cancelled_at is not None:
            insort(self.ends, cancelled_at)

    def count(self, at: datetime) -> int:
        """How many counted at that instant."""
        return len(self.issues) - bisect_right(self.ends, at)

    def reaches(self, limit: int, since: datetime, at: datetime) -> bool:
        """Whether so many that counted then were issued from `since` on."""
        count = 0
        for issued_at, cancelled_at in reversed(self.issues):
            if issued_at < since:
                return False
            count += cancelled_at is None or cancelled_at > at
            if count >= limit:
                return True
        return False


def _judge(scan: Scan, coupons: Sequence[asyncpg.Record], versions: Versions) -> None:
    past = _Past()
    for coupon in coupons:
        rule = versions.get((coupon["game_id"], coupon["rule_version"]))
        if rule is not None and (limit := _exceeded(scan, rule, past, coupon)):
            scan.violated(
                "I7",
                f"coupon {coupon['id']} was issued beyond the limit of version {coupon['rule_version']} of game "
                f"{coupon['game_id']}: {limit} for a customer",
                coupon["id"],
            )
        past.add(coupon["issued_at"], coupon["cancelled_at"])


def _exceeded(scan: Scan, rule: Limited, past: _Past, coupon: asyncpg.Record) -> str | None:
    """The limit that stood against this coupon, in words."""
    limits, at = rule.customer, coupon["issued_at"]
    if limits == NO_LIMITS:
        return None
    if limits.lifetime is not None and past.count(at) >= limits.lifetime:
        return f"{limits.lifetime} in all"
    if not limits.is_by_calendar:
        return None
    try:
        starts = period_starts(at, rule.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        said = (
            f"limits per day, week and month of game {coupon['game_id']}: "
            f"the time zone {rule.time_zone!r} is unknown here"
        )
        if said not in scan.findings.unchecked:
            scan.findings.unchecked.append(said)
        return None
    by_period = zip((limits.per_day, limits.per_week, limits.per_month), starts, strict=True)
    for word, (limit, since) in zip(("day", "week", "month"), by_period, strict=True):
        if limit is not None and past.reaches(limit, since, at):
            return f"{limit} a {word}"
    return None


async def _judge_totals(scan: Scan, games: Sequence[int], versions: Versions) -> None:
    async with reading_whole_tables(scan.connection):
        rows = await scan.connection.fetch(_SQL["counted"], games)
        shares = await scan.connection.fetch(_SQL["shared_out"])
    counts: dict[int, int] = {}
    exceeded: dict[int, str] = {}
    for game_id, version, coupons in rows:
        counts[game_id] = counts.get(game_id, 0) + coupons
        rule = versions.get((game_id, version))
        if rule is not None and rule.total is not None and counts[game_id] > rule.total:
            exceeded[game_id] = (
                f"{counts[game_id]} of its coupons counted under version {version}, "
                f"which allows {rule.total}"
            )
    for game_id, limit, remaining in shares:
        count = counts.get(game_id, 0)
        if game_id not in exceeded and remaining != limit - count:
            exceeded[game_id] = (
                f"{count} of its coupons count and its limit is {limit}, "
                f"but its shares have {remaining} left"
            )
    for game_id, words in exceeded.items():
        scan.violated("I7", f"the limit of game {game_id} does not add up: {words}")
    scan.looked_at(sum(counts.values()), "I7")
