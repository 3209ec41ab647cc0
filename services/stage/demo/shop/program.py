"""What the small shop has set: a file as `couponry program load` reads it, and its numbers for the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

PARTNER: Final = "Demo Roastery"
TIME_ZONE: Final = "Europe/Vilnius"
POINTS_LAST_DAYS: Final = 10
"""Short, so that a month sees points end: what one week brings is over two weeks later."""
COUPONS_LAST_DAYS: Final = 60
LEAST_CENTS: Final = 1_000
"""Of an order that earns points by rate."""
WELCOME: Final = 50
BIG_BASKET_CENTS: Final = 6_000
BIG_BASKET: Final = 40
WHOLE_BEANS: Final = 7
"""The collection whose lines earn double."""
FOR_A_FRIEND: Final = 200
FOR_BEING_BROUGHT: Final = 50
FRIENDS_FOR_EXTRA: Final = 3
EXTRA: Final = 500
REGULARS: Final = "regulars"
"""The group of coupons of which everybody may hold so many as their offer says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """From so many cents spent on. `points` for every 10 euros; `entry`: points for reaching it, once for ever."""

    name: str
    from_cents: int
    points: int
    entry: int = 0
    coupon: bool = False


TIERS: Final = (
    Tier(name="Bean", from_cents=0, points=10),
    Tier(name="Roast", from_cents=10_000, points=15, entry=150),
    Tier(name="Espresso", from_cents=30_000, points=20, entry=300, coupon=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Off:
    """What a coupon takes off an order from so many cents on: a share, at most so much, or an amount."""

    percent: int = 0
    cents: int = 0
    at_most: int | None = None
    from_cents: int = 0

    def __str__(self) -> str:
        return f"{self.percent} %" if self.percent else f"{self.cents // 100} EUR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """So many points for a coupon. `each`: how many of it one customer may have, None any number.

    `is_told`: the shop's own coupon system hears of it, and gives the code that its customer shows.
    """

    prefix: str
    points: int
    off: Off
    each: int | None = None
    is_told: bool = False


WELCOME_OFF: Final = Off(percent=10)
FIVE_OFF: Final = Offer(
    prefix="FIVE", points=150, off=Off(cents=500, from_cents=2_000), is_told=True
)
TENTH_OFF: Final = Offer(prefix="TENTH", points=75, off=Off(percent=10, at_most=400), each=1)
OFFERS: Final = (FIVE_OFF, TENTH_OFF)
"""In the order of the rules in the file."""


def program_file(partner_id: int) -> dict[str, Any]:
    """Every section that the shop makes use of."""
    return {
        "partner_id": partner_id,
        "settings": {"currency": "EUR", "pointsName": "Beans", "tierMethod": "amount_spent"},
        "tiers": [
            {
                "name": tier.name,
                "minProgress": tier.from_cents // 100,
                "order": order,
                "benefits": _benefits(tier),
            }
            for order, tier in enumerate(TIERS, start=1)
        ],
        "campaigns": _campaigns(),
        "referrals": {
            "referralMethod": "CustomerAndFriend",
            "eventName": "place_order",
            "customerReward": {"point": FOR_A_FRIEND},
            "friendReward": {"point": FOR_BEING_BROUGHT},
            "extraReward": {"forEvery": FRIENDS_FOR_EXTRA, "point": EXTRA},
        },
        "cashback": {
            "defaultCashbackRule": _rule(TIERS[0]),
            "tierCashbackRules": [{"tierName": tier.name, **_rule(tier)} for tier in TIERS[1:]],
        },
        "redemption": {
            "pointsExpiryPeriod": POINTS_LAST_DAYS,
            "rules": [_redemption(offer) for offer in OFFERS],
        },
        "couponGroups": [
            {"handle": REGULARS, "title": "For regulars", "maxPerCustomer": TENTH_OFF.each}
        ],
    }


def webhook(address: str, cancelled: str) -> dict[str, Any]:
    """How the shop's own coupon system is called: of coupons of an amount, and where it hears that one is cancelled."""
    return {
        "url": address,
        "method": "POST",
        "contentType": "application/json",
        "payload": {
            "couponId": "{{couponId}}",
            "customer": "{{playerUniqueId}}",
            "off": "{{value}}",
        },
        "cancelUrl": cancelled,
        "enableFixedRate": True,
    }


def _redemption(offer: Offer) -> dict[str, Any]:
    off = offer.off
    options = {"expiryAfter": COUPONS_LAST_DAYS, "couponPrefix": offer.prefix}
    coupon: dict[str, Any] = {"discountValue": off.percent or off.cents // 100, "options": options}
    if off.from_cents:
        coupon["minOrderValue"] = off.from_cents // 100
    if off.at_most is not None:
        options["capping"] = off.at_most // 100
    if offer.each is not None:
        coupon["group"] = {"handle": REGULARS}
    type_ = "percentage_discount_settings" if off.percent else "fixed_rate_settings"
    return {"pointsToRedeem": offer.points, "ruleType": type_, "coupon": coupon}


def _campaigns() -> list[dict[str, Any]]:
    welcome = {
        "couponType": "Fixed Percentage",
        "discountValue": WELCOME_OFF.percent,
        "options": {"expiryAfter": COUPONS_LAST_DAYS, "couponPrefix": "HELLO"},
    }
    is_big = {
        "name": "total",
        "operator": "greater_than_or_equals",
        "value": str(BIG_BASKET_CENTS // 100),
    }
    return [
        {
            "name": "Join us",
            "type": "SignUp",
            "rewards": [{"walletReward": WELCOME, "couponReward": welcome}],
        },
        {
            "name": "Double beans",
            "type": "Reward Campaign",
            "isRepeatable": True,
            "applicableTo": {"collections": [WHOLE_BEANS]},
            "rewards": [{"walletRewardFactor": 2}],
        },
        {
            "name": "Big basket",
            "type": "EventBased",
            "isRepeatable": True,
            "trigger": {"eventName": "place_order", "eventMetaData": [is_big]},
            "rewards": [{"walletReward": BIG_BASKET}],
        },
    ]


def _rule(tier: Tier) -> dict[str, Any]:
    return {
        "amountRewardThreshold": LEAST_CENTS // 100,
        "rewardWalletFactor": tier.points,
        "rewardRankFactor": 0,
    }


def _benefits(tier: Tier) -> list[dict[str, Any]]:
    benefits: list[dict[str, Any]] = []
    if tier.entry:
        benefits.append({"type": "Entry Reward", "walletReward": tier.entry})
    if tier.coupon:
        on_the_house = {"couponType": "Free Shipping", "options": {"couponName": "On the house"}}
        benefits.append({"type": "Lifetime Reward", "couponReward": on_the_house})
    return benefits
