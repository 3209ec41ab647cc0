"""Coupons of the program: what one is worth to an order, and what may be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from tests.simulation.model.account import Take
from tests.simulation.model.exactly import moment, money, number
from tests.simulation.model.pools import Pools
from tests.simulation.model.rules import Document, Rules, is_within
from tests.simulation.model.triggers import collections_of, names_of

CLASSES = ("percentage", "fixed", "fixed_rate")


@dataclass(slots=True, eq=False)
class Coupon:
    """`terms` as the program had them. `uses`: orders, one for each use; None: at a till.

    `code`: of its group's pool. `takes`: the points that it was bought with.
    """

    owner: str
    source: tuple[str, str]
    terms: Document
    currency: str | None
    ends: datetime | None
    lifetime_of: int | None = None
    status: str = "active"
    reserved_until: datetime | None = None
    reserved_shop: int | None = None
    used: int = 0
    uses: list[str | None] = field(default_factory=list)
    id: str = ""
    code: str | None = None
    takes: list[Take] | None = None

    @property
    def group(self) -> str | None:
        return group_of(self.terms)

    def settle(self, at: datetime) -> None:
        """What time has done by then."""
        until = self.reserved_until
        if self.status == "reserved" and until is not None and until <= at:
            self.status = "active"
        if self.status in {"active", "reserved"} and self.is_over(at):
            self.status = "expired"

    def is_over(self, at: datetime) -> bool:
        return self.ends is not None and self.ends <= at

    @property
    def limit(self) -> int:
        return int((self.terms["options"] or {}).get("usageLimit", 1))

    def use(self, order_id: str | None) -> None:
        self.used += 1
        self.uses.append(order_id)
        self.status = "active" if self.used < self.limit else "redeemed"

    def give_back(self, at: datetime) -> bool:
        """Whether a use comes back to an order; a till that has reserved the coupon has it no more."""
        if not self.used or self.status in {"expired", "cancelled"} or self.is_over(at):
            return False
        self.used, self.status = self.used - 1, "active"
        return True


def grant(
    rules: Rules,
    terms: Document,
    owner: str,
    source: tuple[str, str],
    at: datetime,
    lifetime_of: int | None,
    live: Sequence[Coupon],
    pools: Pools,
) -> Coupon | str:
    """The coupon, or why there is none. `live`: everybody's that are not cancelled."""
    group = rules.groups.get(group_of(terms))
    ends = _end_of(terms, at, rules.zone)
    if group is not None:
        if not group["isActive"]:
            return "group_inactive"
        if (why := is_within(at, group["startDate"], group["expiryDate"])) is not None:
            return f"group_{why}"
        owners = [one.owner for one in live if one.group == group["handle"]]
        for most, count, why in (
            (group["maxPerCustomer"], owners.count(owner), "group_customer_limit_reached"),
            (group["maxTotal"], len(owners), "group_exhausted"),
        ):
            if most is not None and count >= most:
                return why
        if pools.is_empty(group["handle"]):
            return "group_exhausted"
        if (closes := moment(group["expiryDate"])) is not None:
            closes = closes.replace(microsecond=0) + timedelta(seconds=1)
            ends = closes if ends is None else min(ends, closes)
    elif terms["couponType"] == "custom":
        return "group_not_found"
    if ends is not None and ends <= at:
        return "coupon_offer_ended"
    return Coupon(owner, source, terms, rules.currency, ends, lifetime_of)


def group_of(terms: Document) -> str | None:
    """The handle that terms name, whether or not there is such a group."""
    handle: str | None = (terms["group"] or {}).get("handle")
    return handle


def _end_of(terms: Document, at: datetime, zone: ZoneInfo) -> datetime | None:
    """Days are hours; a bare date is a day where the partner is, and ends with it."""
    after = (terms["options"] or {}).get("expiryAfter")
    if isinstance(after, int):
        return at + timedelta(hours=24 * after)
    if after is not None and "T" not in after:
        day = datetime.fromisoformat(after) + timedelta(days=1)
        return day.replace(tzinfo=zone).astimezone(UTC)
    return moment(after)


def kind_of(coupon: Coupon) -> str | None:
    """What its discount is taken off."""
    type_ = coupon.terms["couponType"]
    if type_ in CLASSES:
        return "product" if any(_restricts(coupon.terms)) else "order"
    return {"free_product": "product", "free_shipping": "shipping"}.get(type_)


def _restricts(terms: Document) -> tuple[set[str], set[str]]:
    """The products and collections that it is for."""
    products = {str(each) for each in terms["applicableTo"]["productIds"] or ()}
    own = (terms["product"] or {}).get("productId")
    collections = {str(each) for each in terms["applicableTo"]["collections"]}
    return products | ({str(own)} if own is not None else set()), collections


def value_of(lines: Sequence[Document]) -> Fraction:
    return sum((line["quantity"] * number(line["unit_price"]) for line in lines), Fraction(0))


def judge(
    coupon: Coupon, order: Document, given: Sequence[tuple[Coupon, Fraction]]
) -> Fraction | str:
    """What it takes off beside what others have, or why it does not."""
    terms, total = coupon.terms, number(order["total"])
    options = terms["options"] or {}
    platforms = {each.casefold() for each in options.get("platforms", ())}
    channel = order.get("channel")
    if channel is not None and platforms and channel.casefold() not in platforms:
        return "platform_not_allowed"
    amounts = (terms["minOrderValue"], options.get("capping"), terms["couponType"] in {"fixed", "fixed_rate"} or None)  # fmt: skip
    if coupon.currency not in {None, order["currency"]} and any(
        each is not None for each in amounts
    ):
        return "currency_mismatch"
    products, collections = _restricts(terms)
    lines = order.get("lines") or []
    if products or collections:
        lines = [
            line
            for line in lines
            if products & names_of(line) or collections & collections_of(line)
        ]
    prices = [price for line in lines if (price := number(line["unit_price"])) > 0]
    if (not lines and (products or collections)) or (
        terms["couponType"] == "free_product" and not prices
    ):
        return "not_applicable"
    if total < number(terms["minOrderValue"]):
        return "below_min_order_value"
    if not all(
        _allows(coupon, kind_of(other)) and _allows(other, kind_of(coupon)) for other, _ in given
    ):
        return "not_combinable"
    base = total if not (products or collections) else min(max(value_of(lines), Fraction(0)), total)
    amount = money(_discount(coupon, order, base, prices), order["currency"])
    if kind_of(coupon) in {"order", "product"}:
        return max(Fraction(0), min(amount, total - off_goods(given)))
    return amount


def off_goods(given: Sequence[tuple[Coupon, Fraction]]) -> Fraction:
    """Together, shipping aside."""
    return sum(
        (amount for coupon, amount in given if kind_of(coupon) in {"order", "product"}), Fraction(0)
    )


def _discount(
    coupon: Coupon, order: Document, base: Fraction, prices: Sequence[Fraction]
) -> Fraction:
    terms = coupon.terms
    value = number(terms["discountValue"])
    match terms["couponType"]:
        case "percentage":
            capping = (terms["options"] or {}).get("capping")
            percent = base * value / 100
            return percent if capping is None else min(percent, number(capping))
        case "free_product":
            return min(prices)
        case "free_shipping":
            return number(order.get("shipping"))
        case "custom":
            return Fraction(0)
        case _:
            return min(value, base)


def _allows(coupon: Coupon, kind: str | None) -> bool:
    combines = (coupon.terms["options"] or {}).get("combinesWith")
    if kind is None or combines is None:
        return True
    return bool(combines.get(f"{kind}Discounts", False))
