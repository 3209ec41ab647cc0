"""Programs drawn by chance: everything that a partner can set, small enough that things meet."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson

from schemas.gameball_v4.exact_json import read
from schemas.gameball_v4.files import loaded
from schemas.gameball_v4.program import Sections
from services.decisions.program_changes import change

METHODS = ("amount_spent", "points_earned", "friends_referred", "orders_completed", "score")
TAGS = ("vip", "new", "staff")
EVENTS = ("review", "share", "visit")
CARDS = (1, 2)
GROUPS = ("club", "gift")
DEFAULT_RULE = 201
RULES = (
    "percentage_discount_settings", "general_settings", "custom", "free_product_settings", "general_settings",
    "free_shipping_settings", "fixed_rate_settings", "percentage_discount_settings",
)  # fmt: skip
"""Types of redemption rules, each there or not; their ids follow the default rule's."""
OPERATORS = (
    "equals",
    "not_equals",
    "greater_than",
    "less_than",
    "greater_than_or_equals",
    "less_than_or_equals",
)
ON_ORDERS = (
    ("total", ("10", "25.5", "100")), ("paid", ("9", "30")), ("discount", ("0", "2.5")), ("currency", ("eur", "USD")),
    ("channel", ("Web", "pos")), ("shop_id", ("1", "2")), ("number_of_products", ("2", "3")), ("number_of_lines", ("1", "2")),
    ("order_number", ("1", "2", "3")), ("product_ids", ("5",)), ("skus", ("bread", "CHEESE")), ("collection_ids", ("7",)),
    ("nothing", ("1",)),
)  # fmt: skip
ON_OTHERS = (
    ("stars", ("3", "four")),
    ("shop_id", ("1",)),
    ("plan", ("Gold",)),
    ("locale", ("lt",)),
    ("year", ("2026", "2028")),
)


class Draw:
    """Choices of one seed. `now` is where the clock stands, for windows around it."""

    def __init__(self, chance: random.Random, now: datetime) -> None:
        self.chance, self.now = chance, now

    def one_of(self, *values: Any) -> Any:
        return self.chance.choice(values)

    def perhaps(self, probability: float) -> bool:
        return self.chance.random() < probability

    def document(self) -> dict[str, Any]:
        """All sections but the webhook's."""
        tiers = self.tiers()
        return {
            "settings": {
                "currency": self.one_of(None, *["EUR"] * 6, "JPY"),
                "tierMethod": self.one_of("amount_spent", *METHODS),
            },
            "tiers": tiers,
            "campaigns": self.campaigns(),
            "referrals": self.referrals(),
            "cashback": self.cashback([tier["name"] for tier in tiers]),
            "redemption": self.redemption(),
            "couponGroups": self.groups(),
        }

    def groups(self) -> list[dict[str, Any]]:
        """One is always there, the other comes and goes."""
        return [
            {
                "handle": handle,
                "title": handle.title(),
                "isActive": self.perhaps(0.9),
                "maxPerCustomer": self.one_of(None, None, 1, 2),
                "maxTotal": self.one_of(None, None, 2, 4),
                **self.window("startDate", "expiryDate"),
            }
            for handle in GROUPS
            if handle == GROUPS[0] or self.perhaps(0.8)
        ]

    def redemption(self) -> dict[str, Any]:
        return {
            "isRedemptionActive": self.perhaps(0.95),
            "pointsExpiryPeriod": self.one_of(None, 1, 8, 30),
            "defaultRule": {
                "id": DEFAULT_RULE,
                "valueOfPoint": self.one_of(0, 0.1, 0.1, 0.013),
                "isActive": self.perhaps(0.9),
            },
            "rules": [
                self.redemption_rule(type_, DEFAULT_RULE + number)
                for number, type_ in enumerate(RULES, 1)
                if self.perhaps(0.8)
            ],
        }

    def redemption_rule(self, type_: str, id_: int) -> dict[str, Any]:
        """For anybody at any time, mostly; general settings cost the whole balance, or so much."""
        is_general = type_ == "general_settings"
        of_coupon = {
            "free_product_settings": "Free Product", "free_shipping_settings": "Free Shipping", "custom": "Custom",
            "fixed_rate_settings": "Fixed Amount",
        }.get(type_, "Fixed Percentage")  # fmt: skip
        rule = {
            "id": id_,
            "ruleType": type_,
            "pointsToRedeem": self.one_of(None, 7, 40) if is_general else self.one_of(1, 5, 40),
            "valueOfPoint": self.one_of(0, 0.05) if is_general else 0,
            "isActive": self.perhaps(0.9),
            "coupon": self.coupon(of_coupon, in_group=0.6),
        }
        if self.perhaps(0.2):
            rule |= self.window("startDate", "endDate")
        if self.perhaps(0.2):
            level = self.one_of(
                (11, "other"), (12, None), (None, "tier 1"), (None, "tier 1"), (99, "tier 1")
            )
            rule["availableTo"] = {"level": dict(zip(("levelId", "levelName"), level, strict=True))}
        elif self.perhaps(0.1):
            rule["availableTo"] = {"tags": self.one_of(["vip"], ["new", "staff"])}
        return rule

    def window(self, start: str, end: str) -> dict[str, Any]:
        """Mostly open, sometimes over or to come."""
        times = {
            start: self.one_of(None, None, -9, -1, 1),
            end: self.one_of(None, None, 0.2, 9, 40),
        }
        if times[start] is not None and times[end] is not None and times[end] < times[start]:
            times[end] = None
        return {
            name: None
            if days is None
            else (self.now + timedelta(days=days))
            .astimezone(UTC)
            .isoformat(timespec="milliseconds")
            for name, days in times.items()
        }

    def coupon(self, of: str | None = None, in_group: float = 0.2) -> dict[str, Any]:
        """Of this type or any, with anything that its terms may say."""
        type_ = of or self.one_of(
            "Fixed Percentage",
            "Fixed Percentage",
            "Fixed Amount",
            "Free Shipping",
            "Free Product",
            "Custom",
        )
        options: dict[str, Any] = {
            "expiryAfter": self.one_of(None, 1, 30, "2026-12-31", "2028-01-01T00:00:00Z"),
            "usageLimit": self.one_of(1, 1, 2, 3),
        }
        if self.perhaps(0.3):
            options["capping"] = self.one_of(2, 2.505, 50)
        if self.perhaps(0.4):
            options["combinesWith"] = {
                f"{kind}Discounts": self.perhaps(0.6) for kind in ("order", "product", "shipping")
            }
        if self.perhaps(0.2):
            options["platforms"] = ["Web"]
        coupon: dict[str, Any] = {"couponType": type_, "options": options}
        if type_.startswith("Fixed"):
            coupon["discountValue"] = self.one_of(10, 12.5, 15, 33.333, 100)
        if type_ == "Free Product":
            coupon["product"] = self.one_of("Any", {"productId": "5"}, {"productId": "cheese"})
        if self.perhaps(0.3):
            coupon["minOrderValue"] = self.one_of(5, 19.99)
        if self.perhaps(0.3):
            coupon["collections"] = [7]
        if type_ == "Custom" or self.perhaps(in_group):
            handle = self.one_of("club", "club", "club", "gift", "gift", "nobody")
            coupon["group"] = {"handle": handle}
        return coupon

    def reward(self, *, factor: bool = False) -> dict[str, Any]:
        """Of a campaign or a tier."""
        return {
            "walletReward": self.one_of(0, 7, 40, 250),
            "rankReward": self.one_of(0, 3),
            "couponReward": self.coupon() if self.perhaps(0.6) else None,
            **({"walletRewardFactor": self.one_of(2, 1.5, 3, 2.000001)} if factor else {}),
        }

    def tiers(self) -> list[dict[str, Any]]:
        """None to three, their ids and names for ever."""
        progress, tiers = 0.0, []
        for number in range(1, self.one_of(0, 2, 3, 3) + 1):
            benefits = []
            if number > 1:
                benefits.append({"type": "Entry Reward", **self.reward()})
                if self.perhaps(0.5):
                    benefits.append({"type": "Lifetime Reward", "couponReward": self.coupon()})
            if self.perhaps(0.4):
                benefits.append(
                    {
                        "type": "Loyalty Points Earning Custom Configuration",
                        "walletRewardFactor": self.one_of(0.7, 2, 3),
                    }
                )
            tiers.append(
                {
                    "id": 10 + number,
                    "name": f"tier {number}",
                    "order": number * 2 - 1,
                    "minProgress": progress,
                    "benefits": benefits,
                }
            )
            progress += self.one_of(1, 2, 49.5, 100)
        return tiers

    def conditions(self, choices: Any) -> list[dict[str, str]]:
        if self.perhaps(0.6):
            return []
        name, values = self.one_of(*choices)
        return [{"name": name, "operator": self.one_of(*OPERATORS), "value": self.one_of(*values)}]

    def campaigns(self) -> list[dict[str, Any]]:
        """Of all eight types, each there or not; two of them multiply."""
        types = (
            "SignUp", "SocialMedia", "ScheduledChallenge", "Spin The Wheel", "EventBased", "HighScore", "Birthday",
            "Reward Campaign", "Reward Campaign", "Reward Campaign",
        )  # fmt: skip
        return [
            self.campaign(type_, 101 + number)
            for number, type_ in enumerate(types)
            if self.perhaps(0.7)
        ]

    def campaign(self, type_: str, id_: int) -> dict[str, Any]:
        repeats = self.perhaps(0.7)
        trigger: dict[str, Any] = {"count": 1}
        event = {
            "SocialMedia": "share",
            "EventBased": self.one_of("review", "place_order"),
            "ScheduledChallenge": self.one_of("place_order", "visit"),
        }.get(type_)
        if event is not None:
            trigger["eventName"] = event
        is_of_orders = type_ == "Reward Campaign" or event == "place_order"
        multiplies = type_ == "Reward Campaign" and id_ >= 109
        if not multiplies:
            trigger["count"] = self.one_of(1, 1, 2, 3)
        if type_ in {"Spin The Wheel", "HighScore"} and self.perhaps(0.3):
            trigger["gameId"] = self.one_of(1, 2)
        if type_ == "HighScore":
            trigger["minScore"] = 50
        trigger["eventMetaData"] = self.conditions(ON_ORDERS if is_of_orders else ON_OTHERS)
        window = self.window("startDate", "endDate")
        if type_ == "ScheduledChallenge" and window["endDate"] is None:
            window["endDate"] = (self.now + timedelta(days=90)).isoformat()
        campaign: dict[str, Any] = {
            "id": id_, "name": f"{type_} {id_}", "type": type_, "trigger": trigger, "activation": window,
            "isActive": self.perhaps(0.9), "isRepeatable": repeats, "rewards": [self.reward(factor=multiplies)],
            "availability": {"minTier": self.one_of(1, 1, 1, 2, 3), "tags": self.one_of([], [], ["vip", "new"])},
        }  # fmt: skip
        if repeats:
            campaign["maxAchievement"] = self.one_of(-1, 1, 2)
        if self.perhaps(0.2):
            campaign["rewards"].append(self.reward())
        if is_of_orders and self.perhaps(0.5):
            campaign["applicableTo"] = self.one_of(
                {"productSkus": ["cheese"]}, {"collections": [7, "new"]}
            )
        if multiplies:
            # Of two that are open to everybody the higher one counts.
            campaign |= {"availability": {}, "activation": {}}
        return campaign

    def referrals(self) -> dict[str, Any]:
        event = self.one_of("place_order", "place_order", "sign_up", "review", "game_completed")
        conditions = self.conditions(ON_ORDERS if event == "place_order" else ON_OTHERS)
        reward = {"point": self.one_of(0, 200), "score": self.one_of(0, 2)}
        return {
            "referralMethod": self.one_of(
                None, "CustomerOnly", "CustomerAndFriend", "CustomerAndFriend"
            ),
            "eventName": event,
            "eventMetaData": conditions[0] if conditions else None,
            "customerReward": {**reward, "coupon": self.coupon() if self.perhaps(0.3) else None},
            "friendReward": {
                "point": self.one_of(0, 50),
                "coupon": self.coupon() if self.perhaps(0.3) else None,
            },
            "extraReward": self.one_of(None, {"forEvery": 2, "point": 500}),
        }

    def rate(self) -> dict[str, Any]:
        return {
            "amountRewardThreshold": self.one_of(1, 1, 0.1, 50, 3),
            "rewardWalletFactor": self.one_of(1, 1, 0.7, 1.5, 10, 0),
            "rewardRankFactor": self.one_of(0, 1, 0.333),
        }

    def cashback(self, tiers: list[str]) -> dict[str, Any]:
        return {
            "defaultCashbackRule": self.rate() if self.perhaps(0.9) else None,
            "tierCashbackRules": [
                {"tierName": name, **self.rate()} for name in tiers if self.perhaps(0.4)
            ],
        }

    def card(self) -> dict[str, Any]:
        """What of a card is rules, all of it."""
        least = self.one_of(0, 5)
        return {
            "auto_assign": self.perhaps(0.8), "points_enabled": self.perhaps(0.8), "initial_bonus_points": self.one_of(0, 20),
            "points_expiration_days": self.one_of(None, 0, 1, 30), "points_per_currency": self.one_of(None, 1, 1.5),
            "currency_amount": self.one_of(1, 10), "round_points_up": self.perhaps(0.5), "min_points_per_purchase": least,
            "max_points_per_purchase": self.one_of(None, 20), "points_per_visit": self.one_of(0, 4),
            "points_redemption_enabled": self.perhaps(0.95), "points_per_currency_redemption": self.one_of(None, 3, 10),
            "currency_amount_redemption": self.one_of(None, 1, 0.5), "min_points_for_redemption": self.one_of(0, 0, 5),
            "max_points_per_redemption": self.one_of(None, None, 60),
        }  # fmt: skip


async def change_program(
    pool: asyncpg.Pool, partner_id: int, draw: Draw, sections: tuple[str, ...] = ()
) -> None:
    """A new program, or only these of its sections."""
    document = draw.document()
    kept: dict[str, Any] = {
        name: each for name, each in document.items() if not sections or name in sections
    }

    def edit(now: Sections) -> Sections:
        if "cashback" in kept and sections:
            kept["cashback"] = draw.cashback([tier.name for tier in now.tiers])
        return loaded(now, read(json.dumps(kept))).sections

    async with pool.acquire() as connection, connection.transaction():
        await change(connection, partner_id, actor="simulation", edit=edit)


async def change_card(pool: asyncpg.Pool, draw: Draw) -> None:
    """Other settings of a card, other shops, switched on or off."""
    await pool.execute(
        "UPDATE cards SET settings = settings || $2::jsonb, is_active = $3, shop_ids = $4 WHERE id = $1",
        draw.one_of(*CARDS), orjson.dumps(draw.card()).decode(), draw.perhaps(0.8), draw.one_of([], [], [1]),
    )  # fmt: skip
