"""Read what happened to a game from the decision log, in one pass and one snapshot, through a cursor.

The log is kept for ever, unlike the topics: it holds of every event all that the rules ask for, except the products
of an order (see `products`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from services.adapters.postgres.queries import queries
from services.domain.coupons.coupon import Step
from services.insight.what_if.holdings import RealStep
from services.insight.what_if.rules import Version

BATCH_ROWS = 5_000
CHUNK = 10_000

_SQL = queries("what_if", __package__)


class Happened(NamedTuple):
    """One decision as it is recorded. A tuple, because there are millions. Coupons are named by their 16 bytes.

    `coupon` is the one of this game. The last six are of orders; `is_stamped` says that this event stamped the game.
    """

    seq: int
    decided_at: datetime
    occurred_at: datetime
    customer_no: int
    rule_version: int | None
    won: bool | None
    reason: str | None
    coupon: bytes | None
    blocking: bytes | None
    words: list[str] | None = None
    instants: list[datetime] | None = None
    numbers: list[int | None] | None = None
    order_ids: list[str | None] | None = None
    under_single: bool | None = None
    order_id: str | None = None
    event_type: str | None = None
    is_stamped: bool = False
    topic: str | None = None
    partition: int = 0
    offset: int = 0


def real_steps(happened: Happened) -> tuple[RealStep, ...]:
    """What was done with the coupon, as far as rules can come upon it, in order.

    `under_single` is what the coupon's row says of its last reinstatement, and taken for earlier ones by staff too.
    """
    if not happened.words:
        return ()
    columns = (happened.words, happened.instants, happened.numbers, happened.order_ids)
    under_single = bool(happened.under_single)
    return tuple(
        RealStep(step=Step(word), at=at, seq=seq, order_id=order_id, under_single=under_single)
        for word, at, seq, order_id in zip(*map(_given, columns), strict=True)
    )


def cancellation(happened: Happened) -> datetime | None:
    """When the coupon was cancelled, if it ever was."""
    for word, at in zip(happened.words or (), happened.instants or (), strict=True):
        if word == Step.CANCELLED:
            return at
    return None


def _given(column: list[Any] | None) -> list[Any]:
    assert column is not None
    return column


async def products_by_sku(
    connection: asyncpg.Connection, partner_id: int, products: Collection[int]
) -> dict[str, frozenset[int]]:
    """Which of these products of the partner its SKUs mean now."""
    found: dict[str, frozenset[int]] = {}
    for row in await connection.fetch(_SQL["skus"], partner_id, list(products)):
        found[row["sku"]] = found.get(row["sku"], frozenset()) | {row["id"]}
    return found


async def game_row(connection: asyncpg.Connection, game_id: int) -> asyncpg.Record | None:
    """The game as it is now, with its partner's `time_zone`; None if there is none."""
    return await connection.fetchrow(_SQL["game"], game_id)


async def versions_of(connection: asyncpg.Connection, game_id: int) -> list[Version]:
    """Every version of its rules, oldest first."""
    return [
        Version(
            number=row["version"],
            rules=json.loads(row["rules"]),
            valid_from=row["valid_from"],
            decided_before=row["decided_before"],
        )
        for row in await connection.fetch(_SQL["versions"], game_id)
    ]


async def history(
    connection: asyncpg.Connection,
    game_id: int,
    *,
    to: datetime | None,
    orders_of: int | None = None,
) -> AsyncIterator[list[Happened]]:
    """Batches of what was decided before `to`, in the order in which it was; inside a transaction.

    `orders_of`: the partner whose orders matter too.
    """
    if orders_of is None:
        cursor = await connection.cursor(_with_steps("completions"), game_id, to)
    else:
        query = _with_steps("completions_and_orders")
        cursor = await connection.cursor(query, game_id, to, orders_of)
    # Postgres looks for the next batch while this one is decided.
    coming = asyncio.create_task(cursor.fetch(BATCH_ROWS))
    try:
        while rows := await coming:
            coming = asyncio.create_task(cursor.fetch(BATCH_ROWS))
            await asyncio.sleep(0)  # lets the request leave
            yield [Happened(*row) for row in rows]
    finally:
        coming.cancel()


def _with_steps(name: str) -> str:
    """A query whose :steps is the query of that name: which coupon it is about, each says by itself."""
    return _SQL[name].replace(":steps", _SQL["steps"])


async def customer_ids(
    connection: asyncpg.Connection, numbers: Collection[int]
) -> AsyncIterator[Mapping[int, str]]:
    """The customers' ids by their numbers, in chunks of the order given."""
    ordered: Sequence[int] = list(numbers)
    for start in range(0, len(ordered), CHUNK):
        rows = await connection.fetch(_SQL["customer_ids"], ordered[start : start + CHUNK])
        yield {row["customer_no"]: row["customer_id"] for row in rows}


async def events_decided(
    connection: asyncpg.Connection, decisions: Collection[tuple[int, int]]
) -> dict[int, dict[str, Any]]:
    """By number of the decision: which event it was about, and whose; `decisions` are (customer, number)."""
    rows = await connection.fetch(
        _SQL["events_decided"],
        [customer for customer, _ in decisions],
        [seq for _, seq in decisions],
    )
    return {
        row["seq"]: {
            "event_id": row["event_id"],
            "source": row["event_source"],
            "customer_id": row["customer_id"],
        }
        for row in rows
    }
