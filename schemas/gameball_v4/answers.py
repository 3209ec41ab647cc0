"""What the v4 dialect answers, as it is described: documents that `shown` makes, errors; and a body that is a list."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, RootModel
from pydantic.alias_generators import to_camel

from schemas.fields import Outgoing
from schemas.gameball_v4.campaigns import (
    Activation,
    Availability,
    CampaignLines,
    CampaignTexts,
    CampaignTrigger,
)
from schemas.gameball_v4.coupon_groups import CouponGroup
from schemas.gameball_v4.coupon_values import Collection
from schemas.gameball_v4.pool_codes import PoolCode
from schemas.gameball_v4.redemption import DefaultRule
from schemas.gameball_v4.referrals import ReferralTexts
from schemas.gameball_v4.settings import ProgramSettings
from schemas.gameball_v4.terms import GroupName
from schemas.gameball_v4.tiers import BenefitTexts, Tier, TierTexts
from schemas.gameball_v4.triggers import EventCondition
from schemas.gameball_v4.values import Id, Money, Points, PositiveMoney


class Answer(Outgoing):
    """Names as they are sent; translations are left out where there are none."""

    model_config = ConfigDict(alias_generator=to_camel)


class ApiError(Answer):
    """Why a request was not done. `type` is the category of `code`."""

    code: int
    type: str
    message: str
    documentation_url: str
    request_id: str


class ApiFieldErrors(ApiError):
    """Which fields or parameters break their rules, by dotted path."""

    errors: dict[str, Annotated[list[str], Field(min_length=1)]]


class ApiUnknown(ApiError):
    """`reason`, a word for programs, where it is the body that names what is not there."""

    reason: str | None = None


class ApiConflict(ApiError):
    """`reason`: a word, for programs."""

    reason: str


class TierList(RootModel[list[Tier]]):
    """All tiers, as they are sent."""


class EventQueued(Answer):
    """The event is queued; by its id one can ask what has become of it."""

    event_id: str


class EventDecided(Outgoing):
    """What has become of an event, as it was recorded when it was decided.

    `outcome` is `issued`, `declined` or `recorded`, `reason` says why. `codes`: what became of an order's coupons.
    `program`: the tier before and after, entries of the ledger, campaigns, discounts, the referral; null without one.
    """

    event_id: str
    source: str
    type: str
    outcome: str
    reason: str | None
    rule_version: int | None
    blocking_coupon_id: str | None
    coupon_id: str | None
    codes: list[dict[str, Any]]
    program: dict[str, Any] | None
    decided_at: str


class ShownSettings(ProgramSettings):
    """What holds for the whole program. `version` counts its changes, 0 before the first."""

    version: Annotated[int, Field(ge=0)]


class ShownCoupon(Answer):
    """A coupon that is granted. `product`: an object, or `Any`."""

    coupon_type: str
    discount_value: Money | None
    min_order_value: Money | None
    product: dict[str, Any] | str | None
    collections: list[Collection]
    applicable_to: dict[str, Any]
    group: GroupName | None
    options: dict[str, Any]


class ShownReward(Answer):
    """What an achievement brings."""

    rank_reward: Points
    wallet_reward: Points
    wallet_reward_factor: Money | None
    coupon_reward: ShownCoupon | None


class ShownCampaign(Answer):
    """A campaign, its texts in the language that was asked for."""

    id: Id
    name: str
    description: str | None
    rewards: list[ShownReward]
    is_repeatable: bool
    max_achievement: int
    type: str
    visibility: str
    icon: str | None
    availability: Availability
    redirection_button_text: str | None
    redirection_button_link: str | None
    activation: Activation
    is_active: bool
    trigger: CampaignTrigger
    applicable_to: CampaignLines
    translations: dict[str, CampaignTexts]


class ShownBenefit(ShownReward):
    """What a tier brings. The factor has two names."""

    type: str
    description: str | None
    hyper_link: str | None
    reward_wallet_factor: Money | None
    translations: dict[str, BenefitTexts] = Field(default_factory=dict)


class ShownTier(Answer):
    """A tier."""

    id: Id
    name: str
    min_progress: Money
    order: int
    icon: str | None
    benefits: list[ShownBenefit]
    translations: dict[str, TierTexts] = Field(default_factory=dict)


class ShownReferralReward(Answer):
    """What one of the two gets."""

    score: Points
    point: Points
    coupon: ShownCoupon | None


class ShownExtraReward(ShownReferralReward):
    """On top, for every so many friends."""

    for_every: int


class ShownCustomerReward(ShownReferralReward):
    """What the referrer gets."""

    extra_reward: ShownExtraReward | None


class ShownReferrals(Answer):
    """Referrals; a method of null: they are off."""

    referral_method: str | None
    event_name: str | None
    event_meta_data: EventCondition | None
    customer_reward: ShownCustomerReward
    friend_reward: ShownReferralReward
    extra_reward: ShownExtraReward | None
    translations: dict[str, ReferralTexts] = Field(default_factory=dict)


class ShownCashbackRule(Answer):
    """What orders earn. `rewardFactor`: what comes back, in percent."""

    reward_factor: Money
    amount_reward_threshold: PositiveMoney
    reward_wallet_factor: Money
    reward_rank_factor: Money


class ShownTierCashbackRule(ShownCashbackRule):
    """The same in one tier. `derived`: it is what the tier's own benefit comes to."""

    tier_name: str
    derived: bool = False


class ShownCashback(Answer):
    """All rules."""

    default_cashback_rule: ShownCashbackRule | None
    tier_cashback_rules: list[ShownTierCashbackRule]


class ShownRedemptionRule(Answer):
    """Points into a coupon."""

    id: Id
    points_to_redeem: int | None
    value_of_point: Money
    rule_type: str
    start_date: str | None
    end_date: str | None
    coupon: dict[str, Any]
    available_to: dict[str, Any]
    is_active: bool
    how_to_redeem: str | None
    creation_date: str | None


class ShownRedemption(Answer):
    """What points can be redeemed for. `redemptionFactor`: what one is worth."""

    redemption_factor: Money
    redemption_rules: list[ShownRedemptionRule]
    default_rule: DefaultRule


class ShownGroup(CouponGroup):
    """A group of coupons. `remaining`: how many more it can issue, by its cap and its codes; null without either."""

    remaining: Annotated[int, Field(ge=0)] | None


class CodesAdded(Answer):
    """What became of codes: how many came in, those that are somebody's already, and what the group can issue now."""

    accepted: Annotated[int, Field(ge=0)]
    duplicates: list[PoolCode]
    remaining: Annotated[int, Field(ge=0)] | None
