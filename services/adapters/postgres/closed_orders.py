"""Orders that count no more, in the database."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import fetch_by

_SQL = queries("closed_orders")


class ReversedOrderRow(NamedTuple):
    """A row of `reversed_orders`."""

    partner_id: int
    order_id: str
    customer_no: int
    event_key: str


async def reversed_among(
    connection: Connection, orders: Collection[tuple[int, str, int]]
) -> list[asyncpg.Record]:
    """Those of the orders, by (partner id, order id, customer number), that were reversed for that customer."""
    return await fetch_by(connection, _SQL["reversed_orders"], orders)
