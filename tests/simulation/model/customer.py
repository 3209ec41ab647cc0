"""Everything known of one customer, and what every decision about one ends with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from tests.simulation.model.account import Account, Lot
from tests.simulation.model.coupons import Coupon, grant, group_of
from tests.simulation.model.pools import Pools
from tests.simulation.model.rules import Document, Rules
from tests.simulation.model.triggers import counts, event_of, holds, refusal


@dataclass(slots=True)
class Achieved:
    """By an order: what is taken back with it."""

    campaign: int
    points: int
    score: int
    lot: Lot | None
    coupons: list[Coupon]


@dataclass(slots=True)
class Purchase:
    """An order that earned. `steps`: (campaign, round)."""

    owner: str
    amount: Fraction
    points: int
    score: int
    lot: Lot | None
    refunded: Fraction = Fraction(0)
    closed: bool = False
    steps: list[tuple[int, int]] = field(default_factory=list)
    achieved: list[Achieved] = field(default_factory=list)


@dataclass(slots=True)
class Progress:
    """Towards a campaign."""

    achieved: int = 0
    round: int = 1
    steps: int = 0


@dataclass(slots=True)
class Said:
    """What a decision tells, as `explain` has it. `moved`: points that a redemption took, or undoing it gave back."""

    reason: str | None = None
    campaigns: list[tuple[int, str, str | None]] = field(default_factory=list)
    referral: tuple[str, str | None, str] | None = None
    discounts: list[tuple[str, Fraction]] = field(default_factory=list)
    codes: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    tier: tuple[int | None, int | None] = (None, None)
    granted: list[Coupon] = field(default_factory=list)
    moved: int = 0


@dataclass(slots=True)
class Customer:
    """`tier` is the one recorded last, as (id, order)."""

    id: str
    account: Account = field(default_factory=Account)
    registered: bool = False
    tags: set[str] = field(default_factory=set)
    locale: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    referred_by: str | None = None
    referral_done: bool = False
    card: int | None = None
    bonus_cards: set[int] = field(default_factory=set)
    tier: tuple[int, int] | None = None
    is_recorded: bool = False
    granted_tiers: set[int] = field(default_factory=set)
    granted_names: set[str] = field(default_factory=set)
    campaigns: dict[int, Progress] = field(default_factory=dict)
    coupons: list[Coupon] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    """Orders that were reversed before they came."""
    refunded_before: dict[str, Fraction] = field(default_factory=dict)
    used_for: dict[str, Fraction] = field(default_factory=dict)
    """What orders were worth that used coupons and earned nothing."""


class Turn:
    """One event of one customer under one version."""

    def __init__(
        self,
        rules: Rules,
        customer: Customer,
        at: datetime,
        occurred_at: datetime,
        everybody: Collection[Customer],
        pools: Pools,
    ) -> None:
        self.rules, self.customer, self.at, self.occurred_at = rules, customer, at, occurred_at
        self.everybody, self.pools = everybody, pools
        self.said = Said()
        customer.account.end(at)
        self.tier = rules.tier_at(customer.account.progress(rules.method))
        self.tags = set(customer.tags)

    @property
    def tier_order(self) -> int:
        return int(self.tier["order"]) if self.tier is not None else 1

    def earn(self, points: int, score: int = 0) -> tuple[int, int, Lot | None]:
        ends = self.rules.points_end(self.customer.card, self.at)
        return self.customer.account.earn(points, score, ends)

    def give(
        self,
        points: int,
        score: int,
        coupons: list[Document],
        source: tuple[str, str],
        lifetime_of: int | None = None,
    ) -> tuple[int, int, Lot | None, list[Coupon]]:
        """A reward; a coupon that cannot be issued is left out."""
        points, score, lot = self.earn(points, score)
        issued = []
        for terms in coupons:
            coupon = self.coupon(terms, source, lifetime_of)
            if isinstance(coupon, Coupon):
                self.issue(coupon)
                issued.append(coupon)
        return points, score, lot, issued

    def coupon(
        self, terms: Document, source: tuple[str, str], lifetime_of: int | None = None
    ) -> Coupon | str:
        """One that could be issued now, or why none can."""
        live = [
            coupon
            for each in self.everybody
            for coupon in each.coupons
            if coupon.status != "cancelled"
        ]
        return grant(
            self.rules, terms, self.customer.id, source, self.at, lifetime_of, live, self.pools
        )

    def issue(self, coupon: Coupon) -> None:
        """It is the customer's, with a code of its group's pool if that has one."""
        coupon.code = self.pools.next(group_of(coupon.terms))
        self.customer.coupons.append(coupon)
        self.said.granted.append(coupon)

    def set_off(
        self,
        name: str,
        metadata: Mapping[str, Any],
        lines: list[Document],
        multiplying: set[int],
        purchase: Purchase | None = None,
    ) -> None:
        """Campaigns, by id."""
        for campaign in self.rules.campaigns:
            if event_of(campaign) != name:
                continue
            id_ = campaign["id"]
            progress = self.customer.campaigns.setdefault(id_, Progress())
            why = self.refusal(campaign, metadata, lines)
            if why is None and factor_of(campaign) is not None and id_ not in multiplying:
                why = "condition_not_met"
            if why is not None:
                self.said.campaigns.append((id_, "refused", why))
            elif progress.steps + 1 < campaign["trigger"]["count"]:
                progress.steps += 1
                self.said.campaigns.append((id_, "progressed", None))
                if purchase is not None:
                    purchase.steps.append((id_, progress.round))
            else:
                self.said.campaigns.append((id_, "achieved", None))
                self._achieve(campaign, progress, purchase)

    def refusal(
        self, campaign: Document, metadata: Mapping[str, Any], lines: list[Document]
    ) -> str | None:
        """Why it does not count towards the campaign."""
        achieved = self.customer.campaigns.get(campaign["id"], Progress()).achieved
        why = refusal(campaign, self.occurred_at, self.tier_order, self.tags, achieved)
        if why is None and not counts(campaign, metadata, lines):
            return "condition_not_met"
        return why

    def _achieve(self, campaign: Document, progress: Progress, purchase: Purchase | None) -> None:
        progress.achieved, progress.round, progress.steps = (
            progress.achieved + 1,
            progress.round + 1,
            0,
        )
        rewards = campaign["rewards"]
        got = self.give(
            sum(each["walletReward"] for each in rewards),
            sum(each["rankReward"] for each in rewards),
            [each["couponReward"] for each in rewards if each["couponReward"] is not None],
            ("campaign", str(campaign["id"])),
        )
        if purchase is not None:
            purchase.achieved.append(Achieved(campaign["id"], *got))

    def settle_tier(self) -> None:
        """Each tier newly reached grants its rewards, lowest first, until nothing moves."""
        customer, tiers = self.customer, self.rules.tiers
        first = (tiers[0]["id"], tiers[0]["order"]) if tiers else None
        before = customer.tier if customer.is_recorded else first
        was = before[0] if before is not None else None
        passed = next((tier["order"] for tier in tiers if tier["id"] == was), 0)
        while True:
            now = self.rules.tier_at(customer.account.progress(self.rules.method))
            reached = [
                tier
                for tier in tiers[1:]
                if now is not None and passed < tier["order"] <= now["order"]
            ]
            if now is None or not reached:
                break
            passed = now["order"]
            for tier in reached:
                self._join(tier)
        after = (now["id"], now["order"]) if now is not None else None
        customer.tier, customer.is_recorded = after, True
        self.said.tier = (before[0] if before else None, after[0] if after else None)

    def _join(self, tier: Document) -> None:
        customer = self.customer
        if tier["id"] in customer.granted_tiers or tier["name"] in customer.granted_names:
            return
        customer.granted_tiers.add(tier["id"])
        customer.granted_names.add(tier["name"])
        entries = [each for each in tier["benefits"] if each["type"] == "Entry Reward"]
        points, score = (
            sum(each[name] for each in entries) for name in ("walletReward", "rankReward")
        )
        entry = [each["couponReward"] for each in entries if each["couponReward"] is not None]
        self.give(points, score, entry, ("tier", str(tier["id"])))
        lasting = [
            each["couponReward"] for each in tier["benefits"] if each["type"] == "Lifetime Reward"
        ]
        self.give(0, 0, lasting, ("tier", str(tier["id"])), lifetime_of=tier["order"])

    def refer(self, name: str, metadata: Mapping[str, Any]) -> None:
        """The friend's first matching event completes the referral."""
        customer, rules = self.customer, self.rules.referrals
        if (
            rules.get("referralMethod") is None
            or customer.referred_by is None
            or customer.referral_done
        ):
            return
        condition = rules["eventMetaData"]
        if name != rules["eventName"] or (condition is not None and not holds(condition, metadata)):
            return
        customer.referral_done = True
        self.said.referral = ("completed", None, customer.referred_by)
        if rules["referralMethod"] == "CustomerAndFriend":
            reward = rules["friendReward"]
            coupons = [reward["coupon"]] if reward["coupon"] is not None else []
            self.give(reward["point"], reward["score"], coupons, ("referral", customer.id))


def factor_of(campaign: Document) -> str | None:
    """The highest of its rewards, as it is written."""
    factors = [
        each["walletRewardFactor"]
        for each in campaign["rewards"]
        if each["walletRewardFactor"] is not None
    ]
    return max(factors, key=Fraction, default=None)
