"""What must come of the month: the small shop's rules in a few lines of whole numbers, shared with nobody.

Points are kept as lots: what one earning brought, on which day, and what is left of it. Money is cents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from services.stage.demo.shop.month import Buys, GetsBack, Happening, Joins, Pays, Week
from services.stage.demo.shop.program import (
    BIG_BASKET,
    BIG_BASKET_CENTS,
    EXTRA,
    FOR_A_FRIEND,
    FOR_BEING_BROUGHT,
    FRIENDS_FOR_EXTRA,
    LEAST_CENTS,
    POINTS_LAST_DAYS,
    TIERS,
    WELCOME,
)


class Line(StrEnum):
    """The lines of the table, in their order: what each counts over the month."""

    JOINED = "customers joined"
    ORDERS = "orders"
    REFUNDS = "refunds and cancellations"
    SPENT = "cents spent and not refunded"
    EARNED = "points earned"
    ENDED = "points ended"
    PAID = "points paid at the counter"
    TAKEN = "points taken back by refunds"
    HELD = "points held in the end"
    OWED = "points owed in the end"
    BIG_BASKETS = "big baskets rewarded"
    REVOKED = "rewards of big baskets taken back"
    REFERRALS = "referrals rewarded"
    ROAST = "customers who reached Roast"
    ESPRESSO = "customers who reached Espresso"
    FELL = "falls to a lower tier"
    COUPONS = "coupons issued by the program"


REACHED = {1: Line.ROAST, 2: Line.ESPRESSO}
"""By the tier's place in `TIERS`."""


@dataclass(slots=True)
class Lot:
    """What one earning brought on that day: `left` of it can be taken, `ended` was over before that."""

    day: int
    left: int
    ended: int = 0


@dataclass(slots=True, kw_only=True)
class Order:
    """`points` came by rate, in `lot`; `bonus` is the lot of the big basket's reward, if it was one."""

    cents: int
    points: int
    lot: Lot | None
    bonus: Lot | None
    back: int = 0


@dataclass(slots=True, kw_only=True)
class Customer:
    """`tier`: its place in `TIERS`. `reached`: those whose rewards were given, once for ever."""

    brought_by: str | None
    lots: list[Lot] = field(default_factory=list)
    owed: int = 0
    cents: int = 0
    tier: int = 0
    reached: set[int] = field(default_factory=set)
    orders: dict[str, Order] = field(default_factory=dict)
    friends: int = 0

    @property
    def points(self) -> int:
        return sum(lot.left for lot in self.lots)


@dataclass(slots=True)
class Reckoning:
    """Works the month out, week after week; `customers` are as the last week left them."""

    customers: dict[str, Customer] = field(default_factory=dict)
    counts: Counter[Line] = field(default_factory=Counter)
    _day: int = 0

    def reckon(self, week: Week) -> None:
        """Everything that happens in it, and what has ended by its stop."""
        self._day = -week.days_ago
        for customer in self.customers.values():
            self._end(customer)
        for each in week.happenings:
            self._happens(each)

    def totals(self) -> Counter[Line]:
        """Every line of the table."""
        everybody = self.customers.values()
        totals = Counter(self.counts)
        totals[Line.SPENT] = sum(one.cents for one in everybody)
        totals[Line.HELD] = sum(one.points for one in everybody)
        totals[Line.OWED] = sum(one.owed for one in everybody)
        return totals

    def _happens(self, each: Happening) -> None:
        match each:
            case Joins():
                self.counts[Line.JOINED] += 1
                self.counts[Line.COUPONS] += 1
                customer = self.customers[each.customer] = Customer(brought_by=each.brought_by)
                self._earn(customer, WELCOME)
            case Buys():
                self.counts[Line.ORDERS] += 1
                self._buy(self.customers[each.customer], each)
            case GetsBack():
                self.counts[Line.REFUNDS] += 1
                customer = self.customers[each.customer]
                self._give_back(customer, customer.orders[each.order], each.cents)
            case Pays():
                self.counts[Line.PAID] += each.points
                _take(self.customers[each.customer].lots, each.points)
            case _:
                assert_never(each)

    def _buy(self, customer: Customer, it: Buys) -> None:
        """By the rate of the tier that the customer is in before the order."""
        points = 0
        if it.cents >= LEAST_CENTS:
            doubled = 2 if it.beans else 1
            points = it.cents * TIERS[customer.tier].points * doubled // LEAST_CENTS
        is_big = it.cents >= BIG_BASKET_CENTS
        customer.orders[it.order] = Order(
            cents=it.cents,
            points=points,
            lot=self._earn(customer, points),
            bonus=self._earn(customer, BIG_BASKET) if is_big else None,
        )
        self.counts[Line.BIG_BASKETS] += is_big
        customer.cents += it.cents
        if customer.brought_by is not None and len(customer.orders) == 1:
            self._earn(customer, FOR_BEING_BROUGHT)
            self._thank(self.customers[customer.brought_by])
        self._settle_tier(customer)

    def _thank(self, customer: Customer) -> None:
        """A friend's first order was counted: that is told to who brought them, and decided in the same week."""
        self.counts[Line.REFERRALS] += 1
        customer.friends += 1
        is_extra = customer.friends % FRIENDS_FOR_EXTRA == 0
        self._earn(customer, FOR_A_FRIEND + (EXTRA if is_extra else 0))

    def _give_back(self, customer: Customer, order: Order, cents: int | None) -> None:
        """`cents` in all so far, of which what is new counts; None: the whole order."""
        back = order.cents if cents is None else max(order.back, cents)
        if back == order.back:
            return
        points = order.points * back // order.cents - order.points * order.back // order.cents
        customer.cents -= back - order.back
        order.back = back
        self._take_back(customer, order.lot, points)
        if back == order.cents and order.bonus is not None:
            self.counts[Line.REVOKED] += 1
            self._take_back(customer, order.bonus, BIG_BASKET)
        self._settle_tier(customer)

    def _settle_tier(self, customer: Customer) -> None:
        """Last of all: up and down at once, and what is reached for the first time is rewarded."""
        tier = max(place for place, one in enumerate(TIERS) if customer.cents >= one.from_cents)
        self.counts[Line.FELL] += tier < customer.tier
        customer.tier = tier
        for place in sorted(set(range(1, tier + 1)) - customer.reached):
            customer.reached.add(place)
            self.counts[REACHED[place]] += 1
            self.counts[Line.COUPONS] += TIERS[place].coupon
            self._earn(customer, TIERS[place].entry)

    def _earn(self, customer: Customer, points: int) -> Lot | None:
        """What comes in pays what is owed first."""
        if not points:
            return None
        self.counts[Line.EARNED] += points
        paid = min(customer.owed, points)
        self.counts[Line.TAKEN] += paid
        customer.owed -= paid
        lot = Lot(day=self._day, left=points - paid)
        customer.lots.append(lot)
        return lot

    def _take_back(self, customer: Customer, own: Lot | None, points: int) -> None:
        """From what the order itself brought, where what has ended is gone anyway; then elsewhere; the rest is owed."""
        if own is None:
            return
        left = points - _take([own], points)
        gone = min(own.ended, left)
        own.ended -= gone
        owed = left - gone - _take(customer.lots, left - gone)
        self.counts[Line.TAKEN] += points - gone - owed
        customer.owed += owed

    def _end(self, customer: Customer) -> None:
        for lot in customer.lots:
            if lot.left and self._day >= lot.day + POINTS_LAST_DAYS:
                self.counts[Line.ENDED] += lot.left
                lot.ended, lot.left = lot.ended + lot.left, 0


def _take(lots: Sequence[Lot], points: int) -> int:
    """How many of these points there are, the oldest first: they are taken."""
    left = points
    for lot in lots:
        part = min(lot.left, left)
        lot.left -= part
        left -= part
    return points - left
