"""What orders have earned: a family of the customer's state, so that an order earns once and can be taken back by part.

An order is one for (partner, order id), whoever told of it: the first that earned has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from typing import assert_never

from services.domain.exact import ZERO, quotient
from services.domain.values import quickly_made, replaced


@quickly_made(frozen=True, slots=True, kw_only=True)
class Step:
    """A step towards a campaign that an order took, and in which round."""

    campaign_id: int
    round: int


@quickly_made(frozen=True, slots=True, kw_only=True)
class Achievement:
    """What an order achieved, and what was granted for it, in entry number `entry` (None: no points, no score)."""

    campaign_id: int
    achievement: int
    points: int = 0
    score: int = 0
    entry: int | None = None
    coupon_ids: tuple[str, ...] = ()


@quickly_made(frozen=True, slots=True, kw_only=True)
class Purchase:
    """An order that earned. `amount` is what it was worth; `points` and `score` what it earned by rate, which entry
    number `entry` says. `refunded` is the largest refund told of, at most `amount`. `is_mine`: it is this customer's.
    """

    order_id: str
    amount: Decimal = ZERO
    points: int = 0
    score: int = 0
    entry: int | None = None
    refunded: Decimal = ZERO
    is_closed: bool = False
    steps: tuple[Step, ...] = ()
    achievements: tuple[Achievement, ...] = ()
    is_mine: bool = True


@quickly_made(frozen=True, slots=True, kw_only=True)
class Purchases:
    """Orders at hand by id. `refunded_before`: of orders that have earned nothing, most often since they have not come,
    how much was refunded by part. `used_for`: of those that have come and used coupons, what they were worth."""

    by_id: Mapping[str, Purchase] = field(default_factory=dict)
    refunded_before: Mapping[str, Decimal] = field(default_factory=dict)
    used_for: Mapping[str, Decimal] = field(default_factory=dict)


NO_PURCHASES = Purchases()


@quickly_made(frozen=True, slots=True, kw_only=True)
class CountOrder:
    """The order has earned, and earns no more."""

    purchase: Purchase


@quickly_made(frozen=True, slots=True, kw_only=True)
class NoteRefund:
    """So much of an order has been refunded in all; `closes`: it counts no more at all."""

    order_id: str
    refunded: Decimal
    closes: bool = False


@quickly_made(frozen=True, slots=True, kw_only=True)
class NoteUse:
    """An order that has earned nothing used coupons, which come back once so much of it is refunded. The first that is
    told of it counts."""

    order_id: str
    amount: Decimal


PurchaseEffect = CountOrder | NoteRefund | NoteUse


def after(purchases: Purchases, effect: PurchaseEffect) -> Purchases:
    """The purchases after one effect."""
    match effect:
        case CountOrder():
            bought = {**purchases.by_id, effect.purchase.order_id: effect.purchase}
            return replaced(purchases, by_id=bought)
        case NoteRefund():
            purchase = purchases.by_id.get(effect.order_id)
            if purchase is None or not purchase.is_mine:
                others = {
                    order_id: refunded
                    for order_id, refunded in purchases.refunded_before.items()
                    if order_id != effect.order_id
                }
                if not effect.closes:
                    others[effect.order_id] = effect.refunded
                return replaced(purchases, refunded_before=others)
            noted = replaced(
                purchase,
                refunded=effect.refunded,
                is_closed=purchase.is_closed or effect.closes,
            )
            return replaced(purchases, by_id={**purchases.by_id, effect.order_id: noted})
        case NoteUse():
            used_for = {effect.order_id: effect.amount, **purchases.used_for}
            return replaced(purchases, used_for=used_for)
        case _:
            assert_never(effect)


def laid_over(stored: Purchases, changes: Purchases) -> Purchases:
    """What is stored with the changes on top."""
    return replaced(
        stored,
        by_id={**stored.by_id, **changes.by_id},
        refunded_before={**stored.refunded_before, **changes.refunded_before},
        used_for={**changes.used_for, **stored.used_for},
    )


def taken_back(earned: int, refunded: Decimal, amount: Decimal) -> int:
    """What a refund of so much takes back in all of what was earned; all of it once everything is refunded."""
    if refunded >= amount:
        return earned
    return quotient((earned, refunded), (amount,)).down()
