"""P10: no group of coupons has issued more than it might, and each code of a pool is one coupon's.

Coupons count that are not cancelled. A cap that is lowered below what has been issued is no violation: each coupon is
judged by the version of the program that it was issued by, and by those that were decided before it and still counted
then. Whoever issues of a group that is limited holds its row until the commit, so between customers the numbers of
decisions tell that order. What no decision has cancelled but shop staff, has an instant of its customer alone: against
the cap for all it counts as cancelled from the first.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Final

import asyncpg

from services.adapters.postgres.queries import queries
from services.insight.verify.scan import PAGE_ROWS, Rank, Scan, reading_whole_tables

_SQL = queries("groups", __package__)
_EVER: Final = datetime.min.replace(tzinfo=UTC)
_POOL: Final = "pool"
_MEANWHILE: Final = timedelta(minutes=1)
"""Longer than it takes to decide a batch."""


async def check(scan: Scan) -> None:
    """All of it in one snapshot, and nothing where no coupon was issued of a group."""
    await scan.protected_by(
        "P10",
        "no_group_has_issued_less_than_nothing",
        "a_pool_code_is_given_once",
        "own_pool_code_is_unique",
        "an_external_code_is_one_coupons",
    )
    if not await scan.connection.fetchval(_SQL["some_groups"]):
        return
    async with reading_whole_tables(scan.connection) as connection:
        for row in await connection.fetch(_SQL["groups_miscounted"]):
            words = (
                f"counts {row['counted']} coupons, and {row['coupons']} of its are not cancelled"
            )
            scan.violated("P10", f"{_called(row)} {words}")
        async for row in connection.cursor(_SQL["pool_codes_astray"]):
            scan.violated("P10", f"{_called(row)}: {row['fault']}", row["coupon_id"])
        await _walk(scan, connection.cursor(_SQL["issues_of_groups"], prefetch=PAGE_ROWS))


def _called(row: asyncpg.Record) -> str:
    return f"group {row['handle']!r} of partner {row['partner_id']}"


@dataclass(slots=True, kw_only=True)
class _Counted:
    """How many coupons count, while time passes: since which decisions, and which instants, some no longer do."""

    number: int = 0
    _by_decision: list[int] = field(default_factory=list)
    _by_instant: list[datetime] = field(default_factory=list)

    def add(self, row: asyncpg.Record) -> None:
        self.number += 1
        if not row["is_gone"]:
            return
        if row["gone_seq"] is not None:
            heappush(self._by_decision, row["gone_seq"])
        else:
            heappush(self._by_instant, row["gone_at"] or _EVER)

    def pass_to(self, row: asyncpg.Record) -> None:
        """When this one was issued."""
        while self._by_decision and self._by_decision[0] < row["seq"]:
            heappop(self._by_decision)
            self.number -= 1
        while self._by_instant and self._by_instant[0] <= row["issued_at"]:
            heappop(self._by_instant)
            self.number -= 1


@dataclass(slots=True, kw_only=True)
class _Group:
    """Of one partner and handle: what has been issued so far, and the first coupon that its pool gave a code."""

    called: str
    counted: _Counted = field(default_factory=_Counted)
    of_customers: dict[int, _Counted] = field(default_factory=dict)
    pooled: asyncpg.Record | None = None

    def add(self, row: asyncpg.Record) -> str | None:
        """One more; what it is beyond, in words."""
        for_one = self.of_customers.setdefault(row["customer_no"], _Counted())
        for counted in (self.counted, for_one):
            counted.pass_to(row)
        for_one.add(row)
        if not row["is_gone"] or row["gone_seq"] is not None:
            self.counted.add(row)
        if row["code_from"] == _POOL and self.pooled is None:
            self.pooled = row
        if row["most"] is not None and self.counted.number > row["most"]:
            return f"{row['most']} in all"
        if row["most_for_one"] is not None and for_one.number > row["most_for_one"]:
            return f"{row['most_for_one']} for a customer"
        return None


async def _walk(scan: Scan, rows: AsyncIterable[asyncpg.Record]) -> None:
    """Group after group."""
    group, coupons = None, 0
    async for row in rows:
        coupons += 1
        if group is None or group.called != _called(row):
            group = _Group(called=_called(row))
        if limit := group.add(row):
            words = f"was issued beyond the cap of version {row['program_version']} for {group.called}: {limit}"
            _echoed(scan, row, words)
        elif await _should_have_given(scan, group, row):
            _echoed(scan, row, f"has no code of the pool that {group.called} had then")
    scan.looked_at(coupons, "P10")


def _echoed(scan: Scan, row: asyncpg.Record, words: str) -> None:
    scan.echoed(Rank.OF_THE_RECORD, "P10", f"coupon {row['id']} {words}", row["id"])


async def _should_have_given(scan: Scan, group: _Group, row: asyncpg.Record) -> bool:
    """A group that has given a code of its pool gives no others, until it is deleted: its pool goes with it.

    What was decided meanwhile may not have known of the pool.
    """
    first = group.pooled
    if (
        row["code_from"] == _POOL
        or first is None
        or row["issued_at"] < first["issued_at"] + _MEANWHILE
    ):
        return False
    place = row["partner_id"], row["handle"], first["program_version"], row["program_version"]
    if await scan.connection.fetchval(_SQL["was_without"], *place):
        group.pooled = None
        return False
    return True
