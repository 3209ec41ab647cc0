"""What every customer has in the end, as it is stored and in the world that was tried: where they differ."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from services.adapters.postgres.pool import Connection
from services.insight.what_if.program.history import stored_ends
from services.insight.what_if.program.kept import Kept
from services.insight.what_if.program.world import World

MOST_CUSTOMERS = 10_000
"""With the largest differences; the totals are everybody's."""


class Pair(NamedTuple):
    """As it is, and as it would be."""

    before: int
    after: int


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


@dataclass(slots=True, kw_only=True)
class Differences:
    """`customers` with the largest differences first; the rest is of all. `tiers` counts (before, after) by name."""

    customers: list[Customer] = field(default_factory=list)
    compared: int = 0
    differing: int = 0
    points: Pair = NOTHING
    coupons: Pair = NOTHING
    tiers: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)


async def compared(
    connection: Connection, partner_id: int, world: World, at: datetime
) -> Differences:
    """Every customer of the partner, at that instant."""
    found = Differences()
    largest: list[tuple[tuple[int, bool, int], int, Customer]] = []
    async for row in stored_ends(connection, partner_id, at):
        kept = world.customers.get(row["customer_no"], _NOBODY)
        tier = kept.standing.tier
        customer = Customer(
            row["customer_id"],
            Pair(row["points"], world.points(row["customer_no"], at)),
            (row["tier"], tier.name if tier is not None else None),
            Pair(row["of_games"] + row["granted"], row["of_games"] + kept.granted),
        )
        found.compared += 1
        found.points = _sum(found.points, customer.points)
        found.coupons = _sum(found.coupons, customer.coupons)
        found.tiers[customer.tier] += 1
        if any(customer.size):
            found.differing += 1
            item = (customer.size, -found.compared, customer)
            push = heapq.heappush if len(largest) < MOST_CUSTOMERS else heapq.heappushpop
            push(largest, item)
    found.customers = [customer for *_, customer in sorted(largest, reverse=True)]
    return found


_NOBODY = Kept()


def _sum(one: Pair, other: Pair) -> Pair:
    return Pair(one.before + other.before, one.after + other.after)
