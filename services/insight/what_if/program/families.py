"""Whom the rules bring together: who was brought by whom, and who tells of the same order.

Nothing else of one customer touches another, so families can be decided one after the other, and by several processes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries

_SQL = queries("families", __package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one process decides: of `of` shares the one with this `number`, by the remainder of a family's number.

    `customers` and `families` stand side by side, of all shares: customers who are in the family of somebody else's
    number. Everybody else is a family, whose number is the customer's. `told_again`: orders of the share of which more
    than one event tells.
    """

    partner_id: int
    number: int
    of: int
    customers: Sequence[int]
    families: Sequence[int]
    told_again: frozenset[str]

    @property
    def place(self) -> tuple[int, Sequence[int], Sequence[int], int, int]:
        """The arguments of a query that reads a share."""
        return self.partner_id, self.customers, self.families, self.of, self.number


async def shares(connection: Connection, partner_id: int, count: int) -> list[Share]:
    """The partner's history in so many shares. A family is named by the lowest number of its customers."""
    again = await connection.fetch(_SQL["told_again"], partner_id)
    pairs = [tuple(row) for row in await connection.fetch(_SQL["brought"], partner_id)]
    shared = [row["order_id"] for row in again if row["lowest"] != row["highest"]]
    if shared:
        lowest = {row["order_id"]: row["lowest"] for row in again}
        tellers = await connection.fetch(_SQL["tellers"], partner_id, shared)
        pairs += [(lowest[row["order_id"]], row["customer_no"]) for row in tellers]
    families = families_of(pairs)
    orders: list[list[str]] = [[] for _ in range(count)]
    for row in again:
        orders[families.get(row["lowest"], row["lowest"]) % count].append(row["order_id"])
    return [
        Share(
            partner_id=partner_id,
            number=number,
            of=count,
            customers=array("q", families.keys()),
            families=array("q", families.values()),
            told_again=frozenset(orders[number]),
        )
        for number in range(count)
    ]


def families_of(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """By customer the lowest of those whom pairs connect, through whomever; without those who are the lowest."""
    above: dict[int, int] = {}

    def lowest(number: int) -> int:
        path = []
        while (next_ := above.get(number)) is not None:
            path.append(number)
            number = next_
        above.update(dict.fromkeys(path, number))
        return number

    for one, other in pairs:
        low, high = sorted((lowest(one), lowest(other)))
        if low != high:
            above[high] = low
    return {number: lowest(number) for number in list(above)}
