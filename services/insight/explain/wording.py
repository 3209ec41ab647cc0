"""The words of `explain`: rules, reasons and steps as one would say them to a customer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg

from services.domain.coupons.codes import ending, shown
from services.domain.coupons.effects import DeclineReason, GrantRefusal, RedeemReason
from services.domain.decision import OrderReason, UndoReason
from services.domain.events import (
    Birthday,
    CustomerDescribed,
    CustomerDid,
    Event,
    PointsRedeemRequested,
    ReferralCompleted,
    UndoRequested,
)
from services.domain.terms import TermsType

REASONS: Mapping[str, str] = {
    DeclineReason.GAME_NOT_FOUND: "the partner has no such game",
    DeclineReason.RESULT_LOST: "the game was lost",
    DeclineReason.GAME_INACTIVE: "the game was switched off",
    DeclineReason.GAME_NOT_STARTED: "the game had not started when it was played",
    DeclineReason.GAME_ENDED: "the game was over when it was played",
    DeclineReason.CUSTOMER_LIMIT_REACHED: "the customer has had as many coupons of this game as one may have",
    DeclineReason.GAME_LIMIT_REACHED: "all coupons of this game have been given out",
    DeclineReason.ACTIVE_COUPON_EXISTS: "the customer already held an active coupon of this game",
    OrderReason.ORDER_ALREADY_REVERSED: "the order had been cancelled or refunded before",
    OrderReason.ORDER_ALREADY_COUNTED: "the order had earned before, told by another event",
    OrderReason.CURRENCY_MISMATCH: "the order was paid in another currency than the program counts in",
    RedeemReason.REDEMPTION_INACTIVE: "redeeming points was switched off, for all or by the customer's card",
    RedeemReason.RULE_NOT_FOUND: "the partner has no such redemption rule",
    RedeemReason.RULE_INACTIVE: "the redemption rule was switched off, or a point was worth nothing by it",
    RedeemReason.RULE_NOT_STARTED: "the redemption rule had not started yet",
    RedeemReason.RULE_ENDED: "the redemption rule was over",
    RedeemReason.TIER_NOT_ELIGIBLE: "the redemption rule is for another tier than the customer's",
    RedeemReason.TAG_NOT_ELIGIBLE: "the redemption rule is for tags that the customer has none of",
    RedeemReason.BELOW_MINIMUM: "fewer points than the customer's card lets one redeem, or worth nothing",
    RedeemReason.ABOVE_MAXIMUM: "more points than the customer's card lets one redeem at once",
    RedeemReason.INSUFFICIENT_POINTS: "the customer had fewer points than that",
    GrantRefusal.GROUP_NOT_FOUND: "the partner has no such group of coupons",
    GrantRefusal.GROUP_INACTIVE: "the group of coupons was switched off",
    GrantRefusal.GROUP_NOT_STARTED: "the group of coupons had not started yet",
    GrantRefusal.GROUP_ENDED: "the group of coupons was over",
    GrantRefusal.GROUP_CUSTOMER_LIMIT_REACHED: "the customer has had as many coupons of the group as one may have",
    GrantRefusal.GROUP_EXHAUSTED: "all coupons of the group have been given out",
    GrantRefusal.COUPON_OFFER_ENDED: "the coupon would have ended by then",
    UndoReason.NOT_A_REDEMPTION: "the customer has not redeemed points for such a coupon",
    UndoReason.COUPON_NOT_ACTIVE: "the coupon was used, reserved, cancelled or over",
    UndoReason.COUPON_DELIVERED: "the partner's own system has the coupon, and is told of no cancellation",
}
"""By decline reason; those of orders, and of redemptions that are to be undone, are among them."""

_LIMITS = {
    "customer_limit": "a customer",
    "customer_limit_per_day": "a customer and day",
    "customer_limit_per_week": "a customer and week",
    "customer_limit_per_month": "a customer and month",
    "total_limit": "all together",
}


def rule_in_words(rules: Mapping[str, Any]) -> str:
    """What of a game's version an issue depends on: "one active coupon per customer, valid 7 days"."""
    days = rules["coupon_validity_days"]
    parts = [
        "any number of active coupons per customer"
        if rules["allow_multiple_active_coupons"]
        else "one active coupon per customer",
        "valid without end" if days is None else f"valid {days} day{'s' if days > 1 else ''}",
    ]
    parts += [f"at most {rules[name]:,} for {whom}" for name, whom in _LIMITS.items() if rules.get(name)]  # fmt: skip
    if rules["game_type"] == "stamps":
        parts.append(f"{rules['stamps_required']} stamps fill a card")
    for name, word in (("start_date", "from"), ("end_date", "until")):
        parts += [f"{word} {rules[name]}"] if rules[name] else []
    if not rules["is_active"]:
        parts.append("switched off")
    return ", ".join(parts)


def game_in_words(game_id: int, rules: Mapping[str, Any] | None) -> str:
    """A game by id, and by name where its version is known."""
    return f"game {game_id}" + (f" “{rules['name']}”" if rules else "")


def coupon_in_words(coupon: asyncpg.Record) -> str:
    """A coupon by the last symbols of its code: enough to tell it from others, not enough to use it."""
    code = shown(coupon["code"], coupon["code_prefix"], coupon["external_code"])
    return f"coupon …{ending(code)}"


def event_in_words(event: Event) -> str:
    """What happened to or by a customer, beyond games and orders; empty where the type says all."""
    match event:
        case CustomerDescribed():
            who = "registered" if event.registers else "told"
            brought = f", brought by {event.referred_by}" if event.referred_by is not None else ""
            given = f": {', '.join(sorted(event.told.given))}" if event.told.given else ""
            return f"{who}{brought}{given}"
        case CustomerDid():
            return f"{event.name}"
        case ReferralCompleted():
            return f"friend {event.friend_id}"
        case Birthday():
            return f"of the year {event.year}"
        case PointsRedeemRequested():
            points = f", {event.points:,} points" if event.points is not None else ""
            return f"by redemption rule {event.rule_id}{points}"
        case UndoRequested():
            return f"of coupon {event.coupon_id}"
        case _:
            return ""


def terms_in_words(terms: Mapping[str, Any]) -> str:
    """What a coupon with terms is worth: "10 % off"."""
    money = f"{terms.get('value')} {terms.get('currency') or ''}".strip()
    worth = {
        TermsType.PERCENTAGE: f"{terms.get('value')} % off",
        TermsType.FIXED: f"{money} off",
        TermsType.FREE_SHIPPING: "free shipping",
        TermsType.FREE_PRODUCT: "a free product",
        TermsType.CUSTOM: f"of the group {terms.get('group')}",
    }[TermsType(terms["type"])]
    least = f", from {terms['min_order_value']} on" if "min_order_value" in terms else ""
    uses = f", {terms['usage_limit']:,} times" if terms["usage_limit"] > 1 else ""
    return f"{worth}{least}{uses}"


def reason_in_words(reason: str) -> str:
    """A reason, said and named."""
    return f"{REASONS[reason]} ({reason})" if reason in REASONS else reason
