"""Stamps and cards in the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import asyncpg

from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import columns_of, fetch_by

_SQL = queries("stamps")


class StampRow(NamedTuple):
    """A row of `order_stamps`."""

    partner_id: int
    order_id: str
    game_id: int
    customer_no: int
    card_no: int
    event_key: str


class StampBack(NamedTuple):
    """Which stamp counts no more. Fields as in the query `take_stamps_back`."""

    partner_id: int
    order_id: str
    game_id: int


class CardRow(NamedTuple):
    """A row of `stamp_cards`. Fields as in the query `put_cards`."""

    customer_no: int
    game_id: int
    partner_id: int
    card_no: int
    stamps: int


async def of_orders(
    connection: Connection, orders: Collection[tuple[int, str]]
) -> list[asyncpg.Record]:
    """Every stamp of these orders, by (partner id, order id), whichever customer it was for."""
    return await fetch_by(connection, _SQL["order_stamps"], orders)


async def cards_of(connection: Connection, customers: Collection[int]) -> list[asyncpg.Record]:
    """The cards that customers of these numbers are filling."""
    return await connection.fetch(_SQL["stamp_cards"], sorted(customers)) if customers else []


async def put_cards(connection: Connection, rows: Collection[CardRow]) -> None:
    """The cards as they stand now."""
    if rows:
        await connection.execute(_SQL["put_cards"], *columns_of(sorted(rows)))


async def take_back(connection: Connection, rows: Sequence[StampBack]) -> None:
    """These stamps count no more. Raises LostRace if one of them did not count any more."""
    if not rows:
        return
    taken = await connection.fetch(_SQL["take_stamps_back"], *columns_of(rows))
    if len(taken) != len(rows):
        raise LostRace("a stamp to be taken back counts no more")
