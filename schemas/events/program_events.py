"""Topic `program-events`: what the program gave, took and will take. Outgoing.

`ce_id` begins with the key of the event that led to it; of points that end by themselves with a key of their own.
What concerns a partner alone is keyed by the partner's id.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from schemas.fields import (
    AmountText,
    Cause,
    Id,
    Instant,
    KnownCustomerId,
    OrderId,
    Outgoing,
    Source,
)


class ProgramEvent(Outgoing):
    """What every one carries. `at` is when it takes effect; `cause` null: time; `program_version` null: none is set."""

    partner_id: Id
    customer_id: KnownCustomerId
    at: Instant
    source: Source
    program_version: int | None
    cause: Cause | None


class PointsEntry(ProgramEvent):
    """Data of `points.earned, points.spent, points.expired, points.reversed, points.restored`: one entry of the ledger.

    `points` is above 0, `balance` what there is after it. Of an order's earning `base_points` is what the rate gave
    before multiplying by `factor`; `expires_at`, of what was earned, is exclusive, null never ends.
    """

    entry_id: str
    points: int = Field(gt=0)
    balance: int = Field(ge=0)
    expires_at: Instant | None
    order_id: OrderId | None
    base_points: AmountText | None
    factor: AmountText | None


class PointsExpiring(ProgramEvent):
    """Data of `points.expiring`: so many end then."""

    points: int = Field(gt=0)
    expires_at: Instant


class Tier(Outgoing):
    """A tier as it was called then."""

    id: Id
    order: int
    name: str


class TierChanged(ProgramEvent):
    """Data of `tier.changed`: null where there are no tiers. `progress` is what the customer came to by `method`."""

    from_: Tier | None = Field(alias="from", serialization_alias="from")
    to: Tier | None
    method: Literal[
        "amount_spent", "points_earned", "friends_referred", "orders_completed", "score"
    ]
    progress: AmountText


class CampaignAchieved(ProgramEvent):
    """Data of `campaign.achieved`: the how-manieth time, and what its rewards gave."""

    campaign_id: Id
    campaign_type: str
    achievement: int
    points: int
    score: int
    coupon_ids: tuple[UUID, ...]


class CampaignRevoked(ProgramEvent):
    """Data of `campaign.revoked`: this achievement counts no more."""

    campaign_id: Id
    achievement: int


class ReferralRewarded(ProgramEvent):
    """Data of `referral.rewarded`: `friend_id` is who was brought, `referrals` how many the referrer has by now."""

    role: Literal["customer", "friend"]
    friend_id: KnownCustomerId
    referrals: int | None
    extra: bool
    points: int
    score: int
    coupon_ids: tuple[UUID, ...]


class RewardDeclined(ProgramEvent):
    """Data of `reward.declined`: a coupon could not be issued. The rest of a reward stands; of points that were to be
    redeemed by the rule `rule_id` nothing was taken."""

    reason: Literal[
        "redemption_inactive",
        "rule_not_found",
        "rule_inactive",
        "rule_not_started",
        "rule_ended",
        "tier_not_eligible",
        "tag_not_eligible",
        "group_not_found",
        "group_inactive",
        "group_not_started",
        "group_ended",
        "group_customer_limit_reached",
        "group_exhausted",
        "coupon_offer_ended",
        "below_minimum",
        "above_maximum",
        "insufficient_points",
    ]
    rule_id: int | None


class WebhookDisabled(Outgoing):
    """Data of `webhook.disabled`: the partner's own coupon system is told nothing any more, until it is set again.

    About no customer; `ce_id` is made of the partner and the version of its program that says so.
    """

    partner_id: Id
    at: Instant
    reason: str
