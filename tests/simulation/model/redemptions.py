"""Points into coupons, and back."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.simulation.model.customer import Turn
from tests.simulation.model.exactly import PLACES, down, number
from tests.simulation.model.rules import Document, is_within

_NO_TERMS: Document = {
    "product": None, "applicableTo": {"productIds": [], "collections": []}, "options": None, "minOrderValue": None, "group": None,
}  # fmt: skip


def redeem(turn: Turn, rule_id: int, points: int | None) -> str | None:
    """Why nothing is redeemed; None: the points are gone, and the coupon is there."""
    rules, card = turn.rules, turn.rules.card(turn.customer.card) or {}
    account = turn.customer.account
    default = rules.redemption["defaultRule"]
    is_default = default["id"] == rule_id
    rule = default if is_default else rules.redemption_rule(rule_id)
    if not rules.redemption["isRedemptionActive"] or card.get("points_redemption_enabled") is False:
        return "redemption_inactive"
    if rule is None:
        return "rule_not_found"
    worth = _worth(rule, default, card)
    if not rule["isActive"] or worth == 0:
        return "rule_inactive"
    if not is_default and (why := _closed(turn, rule)) is not None:
        return why
    asked = points or 0 if is_default else rule["pointsToRedeem"]
    cost = account.balance if asked is None else asked
    terms = _NO_TERMS if is_default else rule["coupon"]
    if worth is not None:
        places = PLACES.get(rules.currency or "", 2)
        value = Fraction(down(cost * worth * 10**places), 10**places)
        terms = {**terms, "couponType": "fixed", "discountValue": value}
    coupon = turn.coupon(terms, ("redemption", str(rule_id)))
    if isinstance(coupon, str):
        return coupon
    most = card.get("max_points_per_redemption")
    if cost and (
        cost < (card.get("min_points_for_redemption") or 0) or terms["discountValue"] == 0
    ):
        return "below_minimum"
    if most is not None and cost > most:
        return "above_maximum"
    if not 0 < cost <= account.balance:
        return "insufficient_points"
    coupon.takes = account.spend(cost)
    turn.said.moved = cost
    turn.issue(coupon)
    return None


def _worth(rule: Document, default: Document, card: Document) -> Fraction | None:
    """Money for one point; None where the coupon's worth does not hang on it."""
    if rule is default:
        points, money = (
            card.get(name)
            for name in ("points_per_currency_redemption", "currency_amount_redemption")
        )
        return number(money) / number(points) if points and money else number(rule["valueOfPoint"])
    if rule["ruleType"] != "general_settings":
        return None
    return number(rule["valueOfPoint"]) or number(default["valueOfPoint"])


def _closed(turn: Turn, rule: Document) -> str | None:
    """Why not now, or not for this customer."""
    if (why := is_within(turn.at, rule["startDate"], rule["endDate"])) is not None:
        return f"rule_{why}"
    level = rule["availableTo"]["level"]
    if level is not None:
        name = "name" if level["levelId"] is None else "id"
        wanted: Any = level["levelName"] if name == "name" else level["levelId"]
        if wanted is not None and (turn.tier or {}).get(name) != wanted:
            return "tier_not_eligible"
    tags = set(rule["availableTo"]["tags"])
    return "tag_not_eligible" if tags and not tags & turn.tags else None


def undo(turn: Turn, coupon_id: str) -> str | None:
    """Why the coupon is not given back; None: it is cancelled, and its points are where they were taken from."""
    mine = [each for each in turn.customer.coupons if each.id == coupon_id]
    if not mine or mine[0].takes is None:
        return "not_a_redemption"
    (coupon,) = mine
    coupon.settle(turn.at)
    if coupon.status != "active" or coupon.used:
        return "coupon_not_active"
    assert coupon.takes is not None
    coupon.status = "cancelled"
    turn.customer.account.restore(coupon.takes, turn.at)
    turn.said.moved = sum(part for _, part in coupon.takes)
    return None
