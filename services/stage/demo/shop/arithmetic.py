"""What must come of the month: the small shop's rules in a few lines of whole numbers, shared with nobody.

Points are kept as lots. Money is cents.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import assert_never

from services.stage.demo.shop.coupons import Coupon, cents_off
from services.stage.demo.shop.customers import Customer, Order
from services.stage.demo.shop.happenings import (
    Buys,
    GetsBack,
    Happening,
    Joins,
    Pays,
    Redeems,
    Undoes,
    Week,
)
from services.stage.demo.shop.lines import REACHED, Line
from services.stage.demo.shop.lots import Lot, amount, put_back, take
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
    WELCOME_OFF,
)


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
                customer.coupons[each.coupon] = Coupon(off=WELCOME_OFF)
                self._earn(customer, WELCOME)
            case Redeems():
                self.counts[Line.REQUESTS] += not each.at_counter
                self._redeem(self.customers[each.customer], each)
            case Undoes():
                self._undo(self.customers[each.customer], each)
            case Buys():
                self.counts[Line.ORDERS] += 1
                self._buy(self.customers[each.customer], each)
            case GetsBack():
                self.counts[Line.REFUNDS] += 1
                self._give_back(self.customers[each.customer], each)
            case Pays():
                self.counts[Line.PAID] += each.points
                take(self.customers[each.customer].lots, each.points)
            case _:
                assert_never(each)

    def _redeem(self, customer: Customer, it: Redeems) -> None:
        """Points into a coupon, all or nothing; one that was given back is not held against its offer's number."""
        offer = it.offer
        held = sum(one.offer is offer and not one.is_undone for one in customer.coupons.values())
        if (offer.each is not None and held >= offer.each) or customer.points < offer.points:
            self.counts[Line.REFUSED] += 1
            return
        takes = take(customer.lots, offer.points)
        customer.coupons[it.coupon] = Coupon(off=offer.off, offer=offer, takes=takes)
        self.counts.update({Line.COUPONS: 1, Line.BOUGHT: 1, Line.REDEEMED: offer.points})
        self.counts[Line.CODES] += offer.is_told

    def _undo(self, customer: Customer, it: Undoes) -> None:
        """A coupon becomes points again where they came from: what is owed is paid of them, what is over ends."""
        coupon = customer.coupons.get(it.coupon)
        if coupon is None:
            return  # nobody can ask for what there is not
        self.counts[Line.REQUESTS] += not it.at_counter
        if not coupon.is_open or coupon.offer is None:
            return
        coupon.is_undone = True
        put_back(coupon.takes)
        self.counts.update({Line.UNDONE: 1, Line.RESTORED: amount(coupon.takes)})
        self.counts[Line.CODES_BACK] += coupon.offer.is_told
        paid = amount(take([lot for lot, _ in coupon.takes], customer.owed))
        self.counts[Line.TAKEN] += paid
        customer.owed -= paid
        self._end(customer)

    def _off(self, customer: Customer, it: Buys) -> int:
        """What the coupon takes off: nothing if it is not there, was used or given back, or the order is too small."""
        coupon = customer.coupons.get(it.coupon or "")
        if coupon is None or not coupon.is_open or it.cents < coupon.off.from_cents:
            return 0
        coupon.used_by = it.order
        cents = cents_off(coupon.off, it.cents)
        self.counts.update({Line.USED: 1, Line.OFF: cents})
        return cents

    def _buy(self, customer: Customer, it: Buys) -> None:
        """What is paid earns by the rate of the tier that the customer was in before; a basket is big by its goods."""
        paid, points = it.cents - self._off(customer, it), 0
        if paid >= LEAST_CENTS:
            doubled = 2 if it.beans else 1
            points = paid * TIERS[customer.tier].points * doubled // LEAST_CENTS
        is_big = it.cents >= BIG_BASKET_CENTS
        customer.orders[it.order] = Order(
            cents=paid,
            points=points,
            lot=self._earn(customer, points),
            bonus=self._earn(customer, BIG_BASKET) if is_big else None,
        )
        self.counts[Line.BIG_BASKETS] += is_big
        customer.cents += paid
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

    def _give_back(self, customer: Customer, it: GetsBack) -> None:
        """So many cents in all so far, of which what is new counts, at most what was paid; None: the whole order."""
        order = customer.orders[it.order]
        back = order.cents if it.cents is None else max(order.back, min(it.cents, order.cents))
        if back == order.back:
            return
        points = order.points * back // order.cents - order.points * order.back // order.cents
        customer.cents -= back - order.back
        order.back = back
        self._take_back(customer, order.lot, points)
        if back == order.cents:
            self._undo_order(customer, order, it.order)
        self._settle_tier(customer)

    def _undo_order(self, customer: Customer, order: Order, name: str) -> None:
        """All of it is refunded: its big basket is none, and the coupon that it used can be used again."""
        if order.bonus is not None:
            self.counts[Line.REVOKED] += 1
            self._take_back(customer, order.bonus, BIG_BASKET)
        for coupon in customer.coupons.values():
            if coupon.used_by == name:
                coupon.used_by = None
                self.counts[Line.REINSTATED] += 1

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
        left = points - amount(take([own], points))
        gone = min(own.ended, left)
        own.ended -= gone
        owed = left - gone - amount(take(customer.lots, left - gone))
        self.counts[Line.TAKEN] += points - gone - owed
        customer.owed += owed

    def _end(self, customer: Customer) -> None:
        for lot in customer.lots:
            if lot.left and self._day >= lot.day + POINTS_LAST_DAYS:
                self.counts[Line.ENDED] += lot.left
                lot.ended, lot.left = lot.ended + lot.left, 0
