"""Events of the program as a consumer hands them over, and what the database says of the accounts that they made."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord

from schemas.gameball_v4.files import loaded
from schemas.topics import CUSTOMERS, FOLLOW_UPS, GAME_COMPLETED, ORDERS
from services.adapters.postgres.pool import Connection
from services.decisions.program_changes import Changed, change

_number = itertools.count(1)
_offset = itertools.count()
TOPICS = {
    "game": GAME_COMPLETED, "order": ORDERS, "customer": CUSTOMERS, "points": CUSTOMERS, "referral": FOLLOW_UPS,
}  # fmt: skip


async def a_program(connection: Connection, partner_id: int, **sections: Any) -> Changed:
    """Give the partner these sections, as a file of `program load` has them."""
    async with connection.transaction():
        return await change(
            connection,
            partner_id,
            actor="test",
            edit=lambda now: loaded(now, sections).sections,
        )


def told(
    type_: str,
    customer_id: str = "anna",
    *,
    partner_id: int,
    event_id: str | None = None,
    source: str = "/shop",
    topic: str | None = None,
    at: datetime | None = None,
    **data: Any,
) -> ConsumerRecord:
    """An event of this type in binary mode, on the topic that it belongs to."""
    offset = next(_offset)
    texts = {
        "specversion": "1.0",
        "id": event_id or f"{type_}-{next(_number)}",
        "source": source,
        "type": type_,
        "time": (at or datetime.now(UTC)).isoformat(),
    }
    value = json.dumps({"partner_id": partner_id, "customer_id": customer_id} | data).encode()
    home = FOLLOW_UPS if type_ == "customer.birthday" else TOPICS[type_.split(".")[0]]
    return ConsumerRecord(
        topic=topic or home,
        partition=0,
        offset=offset,
        timestamp=1_780_000_000_000 + offset,
        timestamp_type=1,
        key=customer_id.encode(),
        value=value,
        checksum=None,
        serialized_key_size=len(customer_id),
        serialized_value_size=len(value),
        headers=tuple((f"ce_{name}", text.encode()) for name, text in texts.items()),
    )


def ordered(
    order_id: str,
    total: str,
    customer_id: str = "anna",
    *,
    partner_id: int,
    currency: str = "EUR",
    **data: Any,
) -> ConsumerRecord:
    """An order of so much."""
    return told(
        "order.placed",
        customer_id,
        partner_id=partner_id,
        order_id=order_id,
        currency=currency,
        total=total,
        **data,
    )


def refunded(
    order_id: str, total: str | None = None, customer_id: str = "anna", *, partner_id: int
) -> ConsumerRecord:
    """So much of an order was refunded in all; None: it was cancelled."""
    if total is None:
        return told("order.cancelled", customer_id, partner_id=partner_id, order_id=order_id)
    return told(
        "order.refunded",
        customer_id,
        partner_id=partner_id,
        order_id=order_id,
        refunded_total=total,
    )


async def wallet_of(connection: asyncpg.Connection, customer_id: str = "anna") -> dict[str, Any]:
    """The customer's row, {} if there is none."""
    row = await connection.fetchrow(
        "SELECT w.* FROM wallets w JOIN customers USING (customer_no) WHERE customer_id = $1",
        customer_id,
    )
    return {} if row is None else dict(row)


async def entries_of(
    connection: asyncpg.Connection, customer_id: str = "anna"
) -> list[tuple[str, str, int, int]]:
    """(kind, source, points, balance) of each, the oldest first."""
    rows = await connection.fetch(
        "SELECT kind, source_kind || ' ' || source_id AS source, points, balance"
        " FROM ledger JOIN customers USING (customer_no) WHERE customer_id = $1 ORDER BY number",
        customer_id,
    )
    return [tuple(row) for row in rows]
