"""Orders and their reversals."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tests.simulation.model.coupons import Coupon, judge, off_goods
from tests.simulation.model.customer import Purchase, Turn
from tests.simulation.model.earning import earned, multiplier
from tests.simulation.model.exactly import down, number
from tests.simulation.model.rules import Document

Purchases = dict[str, Purchase]
ByCode = Callable[[str], Coupon | None]
"""The coupon of the program that a customer may have meant; None: a game's, or nobody's."""


def placed(turn: Turn, order: Document, purchases: Purchases, by_code: ByCode) -> None:
    """The seven steps, tier aside."""
    customer, said, order_id = turn.customer, turn.said, order["order_id"]
    known = purchases.get(order_id)
    is_mine = known is not None and known.owner == customer.id
    if order_id in customer.cancelled or (known is not None and is_mine and known.closed):
        said.reason = "order_already_reversed"
        return
    before = customer.refunded_before.get(order_id, Fraction(0))
    uses: list[Coupon] = []
    given = _codes(turn, order, by_code, uses)
    total, paid = number(order["total"]), order.get("paid_total")
    amount = max(Fraction(0), total - off_goods(given)) if paid is None else number(paid)
    if known is None and 0 < before >= amount:
        customer.cancelled.add(order_id)
        del customer.refunded_before[order_id]
        said.reason, said.codes, said.discounts = "order_already_reversed", {}, []
        return
    for coupon in uses:
        coupon.use(order_id)
    if known is not None:
        said.reason = "order_already_counted"
    elif turn.rules.currency not in {None, order["currency"]}:
        said.reason = "currency_mismatch"
    else:
        purchases[order_id] = _earn(turn, order, amount, off_goods(given))
        if before:
            _take_back(turn, order_id, purchases[order_id], before, closes=False)
    if uses and said.reason is not None and not is_mine:
        customer.used_for.setdefault(order_id, amount)


def _codes(
    turn: Turn, order: Document, by_code: ByCode, uses: list[Coupon]
) -> list[tuple[Coupon, Fraction]]:
    """What each code takes off; the uses are done once it is known that the order counts."""
    given: list[tuple[Coupon, Fraction]] = []
    for place, code in enumerate(order.get("coupon_codes") or ()):
        coupon = by_code(code)
        if coupon is None:
            continue
        why = _unusable(turn, coupon, order, uses)
        least = turn.rules.least_order(coupon.source, coupon.lifetime_of)
        found = judge(coupon, order, given) if why is None else why
        if why is None and turn.tier_order < least:
            found = "tier_too_low"
        if isinstance(found, str):
            turn.said.codes[place] = ("refused", found)
            continue
        turn.said.codes[place] = ("redeemed", None)
        turn.said.discounts.append((coupon.id, found))
        given.append((coupon, found))
        uses.append(coupon)
    return given


def _unusable(turn: Turn, coupon: Coupon, order: Document, uses: list[Coupon]) -> str | None:
    if coupon.owner != turn.customer.id:
        return "not_owner"
    coupon.settle(turn.at)
    if coupon in uses:
        return "not_active"
    if coupon.status == "reserved" and coupon.reserved_shop != order.get("shop_id"):
        return "reserved_elsewhere"
    return {"expired": "expired", "redeemed": "not_active", "cancelled": "not_active"}.get(
        coupon.status
    )


def _earn(turn: Turn, order: Document, amount: Fraction, discount: Fraction) -> Purchase:
    lines = order.get("lines") or []
    metadata = _metadata(turn, order, amount, discount)
    times, multiplying = multiplier(turn, metadata, lines)
    points, score, lot = turn.earn(*earned(turn, amount, order.get("shop_id"), times))
    account = turn.customer.account
    account.spent += amount
    account.orders += 1
    purchase = Purchase(turn.customer.id, amount, points, score, lot)
    turn.set_off("place_order", metadata, lines, multiplying if points else set(), purchase)
    turn.refer("place_order", metadata)
    return purchase


def _metadata(turn: Turn, order: Document, amount: Fraction, discount: Fraction) -> dict[str, Any]:
    lines = order.get("lines") or []
    return {
        "total": number(order["total"]), "paid": amount, "discount": discount, "currency": order["currency"],
        "channel": order.get("channel"), "shop_id": order.get("shop_id"),
        "number_of_products": sum(line["quantity"] for line in lines), "number_of_lines": len(lines),
        "order_number": turn.customer.account.orders + 1,
        "product_ids": [line.get("product_id") for line in lines], "skus": [line.get("sku") for line in lines],
        "collection_ids": [each for line in lines for each in line.get("collection_ids") or ()],
    }  # fmt: skip


def reversed_(turn: Turn, order_id: str, refunded: Fraction | None, purchases: Purchases) -> None:
    """Cancelled, or refunded by so much in all."""
    customer, said = turn.customer, turn.said
    purchase = purchases.get(order_id)
    if purchase is None or purchase.owner != customer.id:
        _before_it_came(turn, order_id, refunded)
    elif purchase.closed:
        said.reason = "order_already_reversed"
    else:
        all_of_it = purchase.amount if refunded is None else min(refunded, purchase.amount)
        all_of_it = max(all_of_it, purchase.refunded)
        closes = all_of_it >= purchase.amount
        if closes:
            _give_uses_back(turn, order_id)
        _take_back(turn, order_id, purchase, all_of_it, closes=closes)


def _before_it_came(turn: Turn, order_id: str, refunded: Fraction | None) -> None:
    customer = turn.customer
    if order_id in customer.cancelled:
        turn.said.reason = "order_already_reversed"
        return
    if refunded is not None:
        refunded = max(customer.refunded_before.get(order_id, Fraction(0)), refunded)
    worth = customer.used_for.get(order_id)
    if refunded is None or (worth is not None and refunded >= worth):
        customer.cancelled.add(order_id)
        customer.refunded_before.pop(order_id, None)
        _give_uses_back(turn, order_id)
    else:
        customer.refunded_before[order_id] = refunded


def _give_uses_back(turn: Turn, order_id: str) -> None:
    for coupon in turn.customer.coupons:
        for _ in range(coupon.uses.count(order_id)):
            coupon.settle(turn.at)
            if coupon.give_back(turn.at):
                coupon.uses.remove(order_id)


def _take_back(
    turn: Turn, order_id: str, purchase: Purchase, refunded: Fraction, *, closes: bool
) -> None:
    def share(earned: int, part: Fraction) -> int:
        return earned if part >= purchase.amount else down(earned * part / purchase.amount)

    account, was = turn.customer.account, purchase.refunded
    had = (share(purchase.points, was), share(purchase.score, was)) if was else (0, 0)
    account.reverse(
        share(purchase.points, refunded) - had[0],
        share(purchase.score, refunded) - had[1],
        purchase.lot,
    )
    account.spent -= refunded - was
    purchase.refunded, purchase.closed = refunded, closes
    if closes:
        account.orders -= 1
        _revoke(turn, purchase)


def _revoke(turn: Turn, purchase: Purchase) -> None:
    for done in purchase.achieved:
        turn.customer.account.reverse(done.points, done.score, done.lot)
        turn.customer.campaigns[done.campaign].achieved -= 1
        for coupon in done.coupons:
            coupon.settle(turn.at)
            if not coupon.used and coupon.status in {"active", "reserved"}:
                coupon.status = "cancelled"
    for campaign, round_ in purchase.steps:
        progress = turn.customer.campaigns[campaign]
        if progress.round == round_ and progress.steps:
            progress.steps -= 1
