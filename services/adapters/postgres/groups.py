"""Groups of coupons in the database: how many each has given, the codes of pools, and how many a customer has.

What is read without a lock may be less by the next moment; whoever gives anything away of a group with an end to it
locks it first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import asyncpg

from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import columns_of, fetch_by
from services.domain.coupons.stock import GroupKey, GroupStock, PoolCode

_SQL = queries("groups")


class GivenCode(NamedTuple):
    """A code of a partner's pool that a coupon takes. Fields as in the query `give_codes`."""

    partner_id: int
    code: str
    coupon_id: str


async def stock_of(
    connection: Connection, wanted: Mapping[GroupKey, int]
) -> dict[GroupKey, GroupStock]:
    """What is committed of these groups, with up to so many codes of each pool; nothing of one that was never used."""
    if not wanted:
        return {}
    found: dict[GroupKey, tuple[asyncpg.Record, list[PoolCode]]] = {}
    keys = [(*key, codes) for key, codes in sorted(wanted.items())]
    for row in await connection.fetch(_SQL["stock"], *columns_of(keys)):
        _, codes = found.setdefault((row["partner_id"], row["handle"]), (row, []))
        if row["code"] is not None:
            codes.append(_pool_code(row))
    return {
        key: GroupStock(issued=row["issued"], codes=tuple(codes) if row["has_pool"] else None)
        for key, (row, codes) in found.items()
    }


async def lock(connection: Connection, keys: Collection[GroupKey], *, are_there: bool) -> None:
    """Hold these groups until the end of the transaction. `are_there`: each has given something before."""
    columns = columns_of(sorted(keys))
    if not are_there:
        await connection.execute(_SQL["make"], *columns)
    await connection.execute(_SQL["lock"], *columns)


async def give_codes(connection: Connection, given: Sequence[GivenCode]) -> None:
    """These coupons take these codes. Raises LostRace if somebody else has taken one meanwhile, or it is gone."""
    if not given:
        return
    done = await connection.fetch(_SQL["give_codes"], *columns_of(given))
    if len(done) != len(given):
        raise LostRace("somebody else has taken a code of a pool that this batch gives")


async def of_customers(
    connection: Connection, wanted: Collection[tuple[int, str]]
) -> list[asyncpg.Record]:
    """How many coupons of a group each has that are not cancelled, by (customer number, handle); none: no row."""
    return await fetch_by(connection, _SQL["of_customers"], wanted)


def _pool_code(row: asyncpg.Record) -> PoolCode:
    own = row["own_code"]
    return PoolCode(text=row["code"], own=None if own is None else (row["own_prefix"], own))
