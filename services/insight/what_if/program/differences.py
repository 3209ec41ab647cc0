"""What every customer has in the end, as it is stored and in the world that was tried: where they differ."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import asyncpg

from services.adapters.postgres.pool import Connection
from services.insight.what_if.program.families import Share
from services.insight.what_if.program.history import stored_ends
from services.insight.what_if.program.kept import Kept
from services.insight.what_if.program.world import World

MOST_CUSTOMERS = 10_000
"""With the largest differences; the totals are everybody's."""


class Pair(NamedTuple):
    """As it is, and as it would be."""

    before: int
    after: int

    def plus(self, other: Pair) -> Pair:
        return Pair(self.before + other.before, self.after + other.after)


NOTHING = Pair(0, 0)


class Customer(NamedTuple):
    """One who differs. Tiers by name, None of who has none."""

    customer_id: str
    points: Pair
    tier: tuple[str | None, str | None]
    coupons: Pair

    @property
    def size(self) -> tuple[int, bool, int]:
        """By which the largest differences come first."""
        return (
            abs(self.points.after - self.points.before),
            self.tier[0] != self.tier[1],
            abs(self.coupons.after - self.coupons.before),
        )


Ranked = tuple[tuple[int, bool, int], int, Customer]
"""Of the same size who came first stands first, by a number that is the same whoever counts."""


@dataclass(slots=True, kw_only=True)
class Differences:
    """`largest` is a heap, the smallest of them first; the rest is of all. `tiers` counts (before, after) by name."""

    largest: list[Ranked] = field(default_factory=list)
    compared: int = 0
    differing: int = 0
    points: Pair = NOTHING
    coupons: Pair = NOTHING
    tiers: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)

    @property
    def customers(self) -> Sequence[Customer]:
        """The largest differences first."""
        return [customer for *_, customer in sorted(self.largest, reverse=True)]

    def add(self, number: int, customer: Customer) -> None:
        """One more customer, who may differ or not."""
        self.compared += 1
        self.points = self.points.plus(customer.points)
        self.coupons = self.coupons.plus(customer.coupons)
        self.tiers[customer.tier] += 1
        if any(size := customer.size):
            self.differing += 1
            self._rank((size, -number, customer))

    def add_all(self, others: Differences) -> None:
        """Those of another share."""
        self.compared += others.compared
        self.differing += others.differing
        self.points = self.points.plus(others.points)
        self.coupons = self.coupons.plus(others.coupons)
        self.tiers.update(others.tiers)
        for ranked in others.largest:
            self._rank(ranked)

    def _rank(self, ranked: Ranked) -> None:
        if len(self.largest) < MOST_CUSTOMERS:
            heapq.heappush(self.largest, ranked)
        else:
            heapq.heappushpop(self.largest, ranked)


class Ends:
    """What is stored of a share's customers, taken family by family, in the order in which they are decided."""

    def __init__(self, connection: Connection, share: Share, at: datetime) -> None:
        self._batches = stored_ends(connection, share, at)
        self._at = at
        self._rows: Sequence[asyncpg.Record] = ()
        self._next = 0

    async def compare(self, family: int | None, world: World, found: Differences) -> None:
        """Everybody up to this family; who comes before it has done nothing."""
        if family is None:
            return
        while (row := await self._row()) is not None and row["family"] <= family:
            self._next += 1
            kept = world.customers.get(row["customer_no"], _NOBODY)
            _add(found, row, kept, world.points(row["customer_no"], self._at))

    async def compare_the_rest(self, found: Differences) -> None:
        """Who comes after the last family."""
        while (row := await self._row()) is not None:
            self._next += 1
            _add(found, row, _NOBODY, 0)

    async def _row(self) -> asyncpg.Record | None:
        if self._next == len(self._rows):
            # An empty tuple would not come through: CPython takes it for the arguments of StopIteration.
            self._rows, self._next = await anext(self._batches, []), 0
        return self._rows[self._next] if self._rows else None


_NOBODY = Kept()


def _add(found: Differences, row: asyncpg.Record, kept: Kept, points: int) -> None:
    tier = kept.standing.tier
    of_games = row["of_games"]
    customer = Customer(
        row["customer_id"],
        Pair(row["points"], points),
        (row["tier"], tier.name if tier is not None else None),
        Pair(of_games + row["granted"], of_games + kept.granted),
    )
    found.add(row["customer_no"], customer)
