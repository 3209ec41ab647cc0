"""What happened: facts that arrive on Kafka, already read and validated.

An event is identified for ever by its `Cause`: the pair (`source`, `id`). Where it was read from is its
`Position`, which plays no part in any rule; it is recorded so that a decision can be traced back.
`occurred_at` is the producer's own time (`ce_time`), in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from services.domain.exact import ZERO, times
from services.domain.triggers import Metadata
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
class OrderLine:
    """One position of an order. Ids are texts, as rules name them.

    `quantity` is 1 or more; a `unit_price` below 0 is a discount.
    """

    product_id: str | None = None
    sku: str | None = None
    collection_ids: tuple[str, ...] = ()
    quantity: int = 1
    unit_price: Decimal = ZERO

    @property
    def value(self) -> Decimal:
        return times(self.unit_price, self.quantity)

    @property
    def names(self) -> tuple[str, ...]:
        """What rules may call it: its product id and its SKU."""
        return tuple(name for name in (self.product_id, self.sku) if name is not None)


@quickly_made(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """A customer bought something, perhaps with coupons. `coupon_codes` are as typed, `product_ids` of all lines,
    `skus` of those that name no product. `total` is the value of the goods before discounts of this event's coupons,
    `paid_total` what was paid for them, if told."""

    cause: Cause
    occurred_at: datetime
    partner_id: int
    order_id: str
    customer_id: str
    shop_id: int | None
    coupon_codes: tuple[str, ...]
    product_ids: frozenset[int]
    skus: frozenset[str] = frozenset()
    currency: str = ""
    total: Decimal = ZERO
    paid_total: Decimal | None = None
    shipping: Decimal = ZERO
    channel: str | None = None
    lines: tuple[OrderLine, ...] = ()


@quickly_made(frozen=True, slots=True, kw_only=True)
class OrderReversed:
    """An order was cancelled or, wholly or in part, refunded; `cause.type` tells which.

    `refunded_total` is all that was refunded of it so far; None: the whole order.
    """

    cause: Cause
    occurred_at: datetime
    partner_id: int
    order_id: str
    customer_id: str
    refunded_total: Decimal | None = None


@quickly_made(frozen=True, slots=True, kw_only=True)
class Told:
    """What a customer tells of themselves. `given` names the members that were given; the others stay as they are."""

    tags: frozenset[str] = frozenset()
    birthday: date | None = None
    locale: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    given: frozenset[str] = frozenset()


@quickly_made(frozen=True, slots=True, kw_only=True)
class CustomerDescribed:
    """A customer registered, or told something new; `cause.type` tells which. `referred_by` counts at registration."""

    cause: Cause
    occurred_at: datetime
    partner_id: int
    customer_id: str
    registers: bool
    told: Told
    referred_by: str | None = None


@quickly_made(frozen=True, slots=True, kw_only=True)
class CustomerDid:
    """Something a partner has a name for happened: to be counted by campaigns and referrals."""

    cause: Cause
    occurred_at: datetime
    partner_id: int
    customer_id: str
    name: str
    metadata: Metadata


@quickly_made(frozen=True, slots=True, kw_only=True)
class ReferralCompleted:
    """Ours: a friend whom this customer brought has done what completes the referral."""

    cause: Cause
    occurred_at: datetime
    partner_id: int
    customer_id: str
    friend_id: str


@quickly_made(frozen=True, slots=True, kw_only=True)
class Birthday:
    """Ours: the day has come."""

    cause: Cause
    occurred_at: datetime
    partner_id: int
    customer_id: str
    year: int


@quickly_made(frozen=True, slots=True, kw_only=True)
class PointsBooked:
    """A partner gives points by hand, or takes them (below 0). `ends_at` (exclusive) is when those given end at last.

    `transaction_id` is the partner's own, booked once.
    """

    cause: Cause
    occurred_at: datetime
    partner_id: int
    customer_id: str
    transaction_id: str
    points: int
    reason: str | None = None
    ends_at: datetime | None = None


@quickly_made(frozen=True, slots=True, kw_only=True)
class CardHandedOver:
    """A partner gives the customer a card by hand, from another one too, or takes it (None)."""

    cause: Cause
    occurred_at: datetime
    partner_id: int
    customer_id: str
    card_id: int | None


@quickly_made(frozen=True, slots=True, kw_only=True)
class PointsRedeemRequested:
    """A customer wants a coupon for points, by this redemption rule; `points`, if the rule leaves them to who asks."""

    cause: Cause
    occurred_at: datetime
    partner_id: int
    customer_id: str
    rule_id: int
    points: int | None = None


@quickly_made(frozen=True, slots=True, kw_only=True)
class UndoRequested:
    """A customer gives a coupon that was bought with points back."""

    cause: Cause
    occurred_at: datetime
    partner_id: int
    customer_id: str
    coupon_id: str


FollowUp = ReferralCompleted | Birthday
"""What we tell ourselves."""
CustomerEvent = CustomerDescribed | CustomerDid | FollowUp | PointsBooked | CardHandedOver
Redemption = PointsRedeemRequested | UndoRequested
Event = GameCompleted | OrderPlaced | OrderReversed | CustomerEvent | Redemption
