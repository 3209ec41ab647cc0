"""Tiers, lowest first, and what each brings."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from schemas.gameball_v4.campaigns import MOST_LANGUAGES
from schemas.gameball_v4.reading import Part, Refused, refused_at, unite
from schemas.gameball_v4.terms import RewardCoupon
from schemas.gameball_v4.values import (
    Count,
    Icon,
    Id,
    Language,
    Money,
    Name,
    Points,
    Text,
    Url,
    one_of,
)

MOST_TIERS: Final = 50
MOST_BENEFITS: Final = 1_000
CUSTOM: Final = "Custom Benefits"
LIFETIME: Final = "Lifetime Reward"
EARNING: Final = "Loyalty Points Earning Custom Configuration"
ENTRY: Final = "Entry Reward"


class BenefitTexts(Part):
    """A benefit's text in another language."""

    description: Text | None = None


class Benefit(Part):
    """What belonging to a tier, or reaching it, brings. `walletRewardFactor` is also called `rewardWalletFactor`."""

    type: Annotated[str, one_of(CUSTOM, LIFETIME, EARNING, ENTRY)]
    description: Text | None = None
    hyper_link: Url | None = None
    rank_reward: Points = 0
    wallet_reward: Points = 0
    wallet_reward_factor: Money | None = None
    coupon_reward: RewardCoupon | None = None
    translations: Annotated[dict[Language, BenefitTexts], Field(max_length=MOST_LANGUAGES)] = Field(
        default_factory=dict
    )

    @classmethod
    def settle(cls, sent: dict[str, Any], refused: Refused) -> None:
        if "rewardWalletFactor" in sent:
            factor = sent.pop("rewardWalletFactor")
            unite(sent, "walletRewardFactor", factor, refused, other="rewardWalletFactor")

    @model_validator(mode="after")
    def _fits_its_type(self) -> Benefit:
        wrong: dict[str, str] = {}
        if self.type == LIFETIME:
            if self.coupon_reward is None:
                wrong["couponReward"] = f"Is required for a {LIFETIME}"
            for name, points in (("rankReward", self.rank_reward), ("walletReward", self.wallet_reward)):  # fmt: skip
                if points:
                    wrong[name] = f"Must be 0: a {LIFETIME} is a coupon only"
        if self.type == EARNING and self.wallet_reward_factor is None:
            wrong["walletRewardFactor"] = f"Is required for {EARNING}"
        if self.type != EARNING and self.wallet_reward_factor is not None:
            wrong["walletRewardFactor"] = f"Is for {EARNING} only"
        if wrong:
            raise refused_at(wrong)
        return self


class TierTexts(Part):
    """A tier's name in another language."""

    name: Name | None = None


class Tier(Part):
    """A tier; `id` None until it is stored."""

    id: Id | None = None
    name: Name
    min_progress: Money
    order: Count
    icon: Icon | None = None
    benefits: Annotated[list[Benefit], Field(max_length=MOST_BENEFITS)] = Field(
        default_factory=list
    )
    translations: Annotated[dict[Language, TierTexts], Field(max_length=MOST_LANGUAGES)] = Field(
        default_factory=dict
    )

    @property
    def earning_factor(self) -> Decimal | None:
        """Points per unit of money, by the benefit that says so; the highest of several."""
        factors = [
            benefit.wallet_reward_factor for benefit in self.benefits if benefit.type == EARNING
        ]
        return max((factor for factor in factors if factor is not None), default=None)


class Tiers(Part):
    """All of a partner's tiers, in the order they were given."""

    tiers: Annotated[list[Tier], Field(max_length=MOST_TIERS)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _ascend(self) -> Tiers:
        wrong: dict[str, str] = {}
        for name in ("id", "name", "order"):
            seen: set[Any] = set()
            for index, tier in enumerate(self.tiers):
                value = getattr(tier, name)
                if value is not None and value in seen:
                    wrong[f"tiers.{index}.{name}"] = "Is that of another tier"
                seen.add(value)
        wrong |= _not_rising(self.tiers)
        if wrong:
            raise refused_at(wrong)
        return self.model_copy(update={"tiers": sorted(self.tiers, key=lambda tier: tier.order)})


def _not_rising(tiers: Sequence[Tier]) -> dict[str, str]:
    """From 0 up, in the order of tiers."""
    wrong: dict[str, str] = {}
    before: Decimal | None = None
    for index, tier in sorted(enumerate(tiers), key=lambda each: each[1].order):
        path = f"tiers.{index}.minProgress"
        if before is None and tier.min_progress:
            wrong[path] = "Must be 0 for the lowest tier"
        elif before is not None and tier.min_progress <= before:
            wrong[path] = "Must be above that of the tier below"
        before = tier.min_progress
    return wrong
