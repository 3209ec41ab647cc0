"""What happened: facts that arrive on Kafka, already read and validated.

An event is identified for ever by its `Cause`: the pair (`source`, `id`). Where it was read from is its
`Position`, which plays no part in any rule; it is recorded so that a decision can be traced back.
`occurred_at` is the producer's own time (`ce_time`), in UTC.
"""

from __future__ import annotations

from datetime import datetime

from services.domain.values import quickly_made


@quickly_made(frozen=True, slots=True, kw_only=True)
class Cause:
    """Identity of an event: CloudEvents `source`, `id` and `type`. Unique over (`source`, `id`)."""

    source: str
    id: str
    type: str


@quickly_made(frozen=True, slots=True, kw_only=True)
class Position:
    """The record an event was read from."""

    topic: str
    partition: int
    offset: int


@quickly_made(frozen=True, slots=True, kw_only=True)
class GameCompleted:
    """A customer finished a game."""

    cause: Cause
    occurred_at: datetime
    partner_id: int
    game_id: int
    customer_id: str
    won: bool
    session_id: str | None = None
    score: float | None = None


@quickly_made(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """A customer bought something, perhaps with coupons. `coupon_codes` are as typed, `product_ids` of all lines,
    `skus` of those that name no product."""

    cause: Cause
    occurred_at: datetime
    partner_id: int
    order_id: str
    customer_id: str
    shop_id: int | None
    coupon_codes: tuple[str, ...]
    product_ids: frozenset[int]
    skus: frozenset[str] = frozenset()


@quickly_made(frozen=True, slots=True, kw_only=True)
class OrderReversed:
    """An order was cancelled or, wholly or in part, refunded; `cause.type` tells which."""

    cause: Cause
    occurred_at: datetime
    partner_id: int
    order_id: str
    customer_id: str


Event = GameCompleted | OrderPlaced | OrderReversed
