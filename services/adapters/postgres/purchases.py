"""What orders have earned, and which coupons with terms they have used, in the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import NamedTuple

import asyncpg
import orjson

from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import columns_of, fetch_by
from services.adapters.program_wire import ids_text
from services.domain.purchases import Achievement, Purchase, Step

_SQL = queries("purchases")


class PurchaseRow(NamedTuple):
    """A row of `purchases`."""

    partner_id: int
    order_id: str
    customer_no: int
    event_key: str
    amount: Decimal
    points: int
    score: int
    entry: int | None
    refunded: Decimal
    is_closed: bool
    steps: str
    achievements: str


class RefundRow(NamedTuple):
    """How much of an order has been refunded in all. Fields as in the query `note_refunds`."""

    partner_id: int
    order_id: str
    refunded: Decimal
    is_closed: bool


class RefundBefore(NamedTuple):
    """A refund by part of an order that has not come. Fields as in the query `put_refunds_before`.

    `refunded` None: it is over, the order counts no more.
    """

    partner_id: int
    order_id: str
    customer_no: int
    refunded: Decimal | None


class UseRow(NamedTuple):
    """A row of `coupon_uses` as it begins. Fields as in the query `put_uses`."""

    customer_no: int
    order_id: str
    coupon_id: str
    partner_id: int
    step: int


class UseBack(NamedTuple):
    """A use that an order has no more. Fields as in the query `give_uses_back`."""

    customer_no: int
    order_id: str
    coupon_id: str


def purchase_row(
    purchase: Purchase, partner_id: int, customer_no: int, event_key: str
) -> PurchaseRow:
    """An order that has earned, as it is stored."""
    steps = [f"[{step.campaign_id},{step.round}]" for step in purchase.steps]
    achievements = [_achievement(each) for each in purchase.achievements]
    return PurchaseRow(
        partner_id, purchase.order_id, customer_no, event_key, purchase.amount, purchase.points,
        purchase.score, purchase.entry, purchase.refunded, purchase.is_closed,
        f"[{','.join(steps)}]", f"[{','.join(achievements)}]",
    )  # fmt: skip


def _achievement(done: Achievement) -> str:
    """By hand: orders achieve by the thousand."""
    entry = "null" if done.entry is None else done.entry
    return (
        f'{{"campaign_id":{done.campaign_id},"achievement":{done.achievement},'
        f'"points":{done.points},"score":{done.score},"entry":{entry},'
        f'"coupon_ids":{ids_text(done.coupon_ids)}}}'
    )


def purchase_from(row: asyncpg.Record) -> Purchase:
    """A customer's own purchase from a row that has its columns."""
    achievements = [
        Achievement(**each | {"coupon_ids": tuple(each["coupon_ids"])})
        for each in orjson.loads(row["achievements"])
    ]
    return Purchase(
        order_id=row["order_id"],
        amount=row["amount"],
        points=row["points"],
        score=row["score"],
        entry=row["entry"],
        refunded=row["refunded"],
        is_closed=row["is_closed"],
        steps=tuple(
            Step(campaign_id=id_, round=round_) for id_, round_ in orjson.loads(row["steps"])
        ),
        achievements=tuple(achievements),
    )


async def of_orders(
    connection: Connection, orders: Collection[tuple[int, str]]
) -> list[asyncpg.Record]:
    """What these orders, by (partner id, order id), have earned, whoever's they are."""
    return await fetch_by(connection, _SQL["purchases"], orders)


async def refunded_before(
    connection: Connection, orders: Collection[tuple[int, str, int]]
) -> list[asyncpg.Record]:
    """What was refunded of these orders before they came, by (partner id, order id, customer number)."""
    return await fetch_by(connection, _SQL["refunds_before"], orders)


async def uses_of(
    connection: Connection, orders: Collection[tuple[int, str]]
) -> list[asyncpg.Record]:
    """Coupons with terms of which these orders, by (customer number, order id), have a use."""
    return await fetch_by(connection, _SQL["uses"], orders)


async def standing_uses(
    connection: Connection, customer_no: int, coupon_id: str
) -> tuple[str, ...]:
    """Orders that have a use of this coupon of the customer's, one for each, the newest first."""
    rows = await connection.fetch(_SQL["standing_uses"], customer_no, coupon_id)
    return tuple(row["order_id"] for row in rows)


async def note_refunds(connection: Connection, rows: Sequence[RefundRow]) -> None:
    """What has been refunded of orders in all. Raises LostRace of an order that is not there."""
    if rows:
        done = await connection.fetch(_SQL["note_refunds"], *columns_of(rows))
        if len(done) != len(rows):
            raise LostRace("a purchase that was refunded is not there")


async def put_before(connection: Connection, rows: Collection[RefundBefore]) -> None:
    """Refunds by part of orders that have not come, as they stand now; those that are over go."""
    noted = sorted(row for row in rows if row.refunded is not None)
    over = sorted(row[:3] for row in rows if row.refunded is None)
    if noted:
        await connection.execute(_SQL["put_refunds_before"], *columns_of(noted))
    if over:
        await connection.execute(_SQL["clear_refunds_before"], *columns_of(over))


async def put_uses(connection: Connection, rows: Collection[UseRow]) -> None:
    """Uses that orders have now."""
    if rows:
        await connection.execute(_SQL["put_uses"], *columns_of(sorted(rows)))


async def give_uses_back(connection: Connection, rows: Collection[UseBack]) -> None:
    """Uses that orders have no more, one for each row."""
    if rows:
        await connection.execute(_SQL["give_uses_back"], *columns_of(sorted(rows)))
