"""What the database holds of the shop: whether anything is under way, and where its customers stand."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from schemas.events import types
from services.adapters.postgres.queries import queries
from services.insight.statement.statement import statement
from services.insight.statement.stored import read_customer
from services.runtime.settings import Settings
from services.stage.demo.reconciliation import POLL_SECONDS, STANDSTILL_SECONDS
from services.stage.demo.shop.customers import Customer
from services.stage.demo.shop.lines import Line
from services.stage.demo.shop.news import News
from services.stage.demo.shop.program import TIERS
from services.stage.demo.shop.receiver import Receiver

_SQL = queries("shop", __package__)
DECIDED: Final = {
    types.CUSTOMER_CREATED: Line.JOINED,
    types.ORDER_PLACED: Line.ORDERS,
    types.ORDER_REFUNDED: Line.REFUNDS,
    types.ORDER_CANCELLED: Line.REFUNDS,
    types.POINTS_REDEEM_REQUESTED: Line.REQUESTS,
    types.POINTS_UNDO_REQUESTED: Line.REQUESTS,
}
"""What the shop tells over Kafka, by the line that counts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stands:
    """Where a customer has come to."""

    points: int
    owed: int
    cents: int
    tier: str

    def __str__(self) -> str:
        return f"{self.tier}, {self.points} points, {self.owed} owed, {self.cents} cents spent"


def must_stand(customer: Customer) -> Stands:
    """By the demo's own arithmetic."""
    return Stands(
        points=customer.points,
        owed=customer.owed,
        cents=customer.cents,
        tier=TIERS[customer.tier].name,
    )


async def everything_decided(
    connection: asyncpg.Connection, settings: Settings, news: News, system: Receiver, told: int
) -> bool:
    """Wait until nothing is under way: `told` events are decided, what came of them is out, and what is over has ended.
    The shop's own system has heard of its coupons, and customers of their codes.

    What the service told itself is counted where it told it, so that it cannot be missed: it is out before it counts
    as no longer queued. False: nothing has moved for 30 s.
    """
    known, since = None, time.monotonic()
    while True:
        decided = await decisions(connection, news.partner_id)
        ((queued, over),) = await connection.fetch(
            _SQL["under_way"], news.partner_id, settings.clock_offset
        )
        by_shop = sum(decided[type_] for type_ in DECIDED)
        by_itself = decided[types.REFERRAL_COMPLETED]
        if by_shop >= told and not queued and not over:
            await news.read()
            if by_itself == news.follow_ups and _have_codes(news, system):
                return True
        heard = (
            news.follow_ups,
            len(system.given),
            len(system.taken_back),
            news.counts[Line.CODES],
        )
        now = (by_shop, by_itself, queued, over, *heard)
        if now != known:
            known, since = now, time.monotonic()
        elif time.monotonic() - since > STANDSTILL_SECONDS:
            return False
        await asyncio.sleep(POLL_SECONDS)


def _have_codes(news: News, system: Receiver) -> bool:
    return (
        system.given.keys() >= news.to_tell
        and system.taken_back >= news.to_tell & news.undone
        and news.counts[Line.CODES] == len(news.to_tell)
    )


async def decisions(connection: asyncpg.Connection, partner_id: int) -> Counter[str]:
    """How many there are by the type of event."""
    rows = await connection.fetch(_SQL["decided"], partner_id)
    return Counter({row["event_type"]: row["decisions"] for row in rows})


async def cents_off(connection: asyncpg.Connection, partner_id: int) -> int:
    """What coupons took off orders, as their decisions say."""
    euros = await connection.fetchval(_SQL["taken_off"], partner_id)
    return int(euros * 100)


async def stands(
    connection: asyncpg.Connection, settings: Settings, partner_id: int, names: Sequence[str]
) -> dict[str, Stands]:
    """Each customer's, out of the statement that `couponry customers show` prints; who is unknown is left out."""
    found = {}
    for name in names:
        stored = await read_customer(connection, partner_id, name, settings.clock_offset)
        if stored is not None:
            told = statement(stored)
            tier = told["tier"]["current"]
            found[name] = Stands(
                points=told["balance"]["points"],
                owed=told["balance"]["owed"],
                cents=int(told["meters"]["spent"] * 100),
                tier=tier["name"] if tier is not None else "",
            )
    return found
