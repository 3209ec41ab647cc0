"""What the v3 dialect answers, as it is described: redemption rules with all that is known of their groups."""

from __future__ import annotations

from typing import Any

from schemas.gameball_v4.answers import Answer
from schemas.gameball_v4.redemption import AvailableTo
from schemas.gameball_v4.values import Id, Money


class ShownRuleCollection(Answer):
    """A collection, with its name where that was given."""

    collection_id: int | str
    collection_name: str | None


class ShownRuleLines(Answer):
    """The lines of an order that a coupon is for; nothing named: all."""

    collections: list[ShownRuleCollection]
    product_ids: list[int | str] | None


class ShownRuleGroup(Answer):
    """The group that a coupon names. Of one that is not there all else is null or false.

    `isAvailable`: it has coupons left. `isValid`: this is its time. `isActive`: that, and it is switched on.
    """

    handle: str | None
    title: str | None
    url: str | None
    icon_path: str | None
    description: str | None
    max_per_player: int | None
    start_date: str | None
    expiry_date: str | None
    is_available: bool
    is_valid: bool
    is_active: bool


class ShownRuleCoupon(Answer):
    """What the points become. `product`: an object, or `Any`. `options` only where they were given."""

    coupon_type: str | None
    discount_value: Money | None
    min_order_value: Money | None
    product: dict[str, Any] | str | None
    applicable_to: ShownRuleLines
    group: ShownRuleGroup | None
    options: dict[str, Any] | None = None


class ShownRule(Answer):
    """Points into a coupon. `pointsToRedeem` null: the whole balance."""

    id: Id
    points_to_redeem: int | None
    value_of_point: Money
    rule_type: str
    start_date: str | None
    end_date: str | None
    coupon: ShownRuleCoupon
    available_to: AvailableTo
    is_active: bool
    how_to_redeem: str | None
