"""A program as the database keeps it, at one version: the documents themselves, and what is asked of them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.simulation.model.exactly import moment, number

Document = dict[str, Any]


class Rate(NamedTuple):
    """A cashback rule."""

    threshold: Fraction
    wallet: Fraction
    rank: Fraction


class Rules:
    """One version of one partner's program."""

    def __init__(self, version: int, sections: str, cards: str, time_zone: str) -> None:
        document = json.loads(sections, parse_float=Decimal)
        self.version = version
        self.zone = ZoneInfo(time_zone)
        self.document: Document = document
        settings = document.get("settings", {})
        self.currency = settings.get("currency")
        self.method = settings.get("tierMethod", "amount_spent")
        self.tiers = sorted(document.get("tiers", []), key=lambda tier: int(tier["order"]))
        self.campaigns = sorted(document.get("campaigns", []), key=lambda each: int(each["id"]))
        self.referrals = document.get("referrals", {})
        self.redemption = document.get("redemption", {})
        self.days = self.redemption.get("pointsExpiryPeriod")
        self.groups = {group["handle"]: group for group in document.get("couponGroups", [])}
        self.cards = {card["id"]: card for card in json.loads(cards, parse_float=Decimal)}

    def tier_at(self, progress: Fraction) -> Document | None:
        """The highest whose minimum is reached."""
        reached = [tier for tier in self.tiers if number(tier["minProgress"]) <= progress]
        return reached[-1] if reached else None

    @property
    def default_rate(self) -> Rate | None:
        return _rate(self.document.get("cashback", {}).get("defaultCashbackRule"))

    def rate_of(self, tier: Document | None) -> Rate | None:
        """The tier's rule, else what its earning benefit comes to."""
        if tier is None:
            return None
        for rule in self.document.get("cashback", {}).get("tierCashbackRules", []):
            if rule["tierId"] == tier["id"]:
                return _rate(rule)
        factors = [each["walletRewardFactor"] for each in tier["benefits"] if "Earning" in each["type"]]  # fmt: skip
        if not factors:
            return None
        default = self.default_rate
        rank = default.rank if default is not None else Fraction(0)
        return Rate(Fraction(1), max(map(number, factors)), rank)

    def least_order(self, source: tuple[str, str], lifetime_of: int | None) -> int:
        """Of the tier that a Lifetime Reward is of, as it is now, else as it was."""
        now = [tier["order"] for tier in self.tiers if ("tier", str(tier["id"])) == source]
        return 0 if lifetime_of is None else (*now, lifetime_of)[0]

    def redemption_rule(self, rule_id: int) -> Document | None:
        """The default rule is none of these."""
        return next((each for each in self.redemption["rules"] if each["id"] == rule_id), None)

    def card(self, card_id: int | None) -> Document | None:
        """Of a card that is there: its settings, with `is_active` and `shop_ids`."""
        found = self.cards.get(card_id)
        return None if found is None else {**found, **found["settings"]}

    def gives_points(self, card: Document | None, shop_id: Any) -> bool:
        """Whether the card counts at this shop."""
        return (
            card is not None
            and card["is_active"]
            and card.get("points_enabled") is not False
            and (not card["shop_ids"] or shop_id in card["shop_ids"])
        )

    def card_for_new(self) -> int | None:
        """What who registers without a card is given."""
        fitting = [id_ for id_, card in self.cards.items() if card["is_active"] and card["settings"].get("auto_assign") is not False]  # fmt: skip
        return min(fitting, default=None)

    def points_end(self, card_id: int | None, at: datetime) -> datetime | None:
        """When points that come in now end: after the shorter of two periods."""
        card = self.card(card_id) or {}
        periods = [days for days in (self.days, card.get("points_expiration_days")) if days]
        return at + timedelta(hours=24 * min(periods)) if periods else None


def _rate(rule: Document | None) -> Rate | None:
    if rule is None:
        return None
    return Rate(
        number(rule["amountRewardThreshold"]),
        number(rule["rewardWalletFactor"]),
        number(rule["rewardRankFactor"]),
    )


def is_within(at: datetime, start: str | None, end: str | None) -> str | None:
    """`not_started`, `ended`, or None; all of an end's whole second is inside."""
    begins, ends = moment(start), moment(end)
    if begins is not None and at < begins:
        return "not_started"
    if ends is not None and at >= ends.replace(microsecond=0) + timedelta(seconds=1):
        return "ended"
    return None
