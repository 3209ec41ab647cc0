"""The CloudEvents types that we read and write: names alone, for whoever needs no models."""

from __future__ import annotations

from typing import Final

GAME_COMPLETED: Final = "game.completed"

ORDER_PLACED: Final = "order.placed"
ORDER_CANCELLED: Final = "order.cancelled"
ORDER_REFUNDED: Final = "order.refunded"

CUSTOMER_CREATED: Final = "customer.created"
CUSTOMER_UPDATED: Final = "customer.updated"
CUSTOMER_EVENT: Final = "customer.event"
POINTS_REDEEM_REQUESTED: Final = "points.redeem-requested"
POINTS_UNDO_REQUESTED: Final = "points.undo-requested"

REFERRAL_COMPLETED: Final = "referral.completed"
CUSTOMER_BIRTHDAY: Final = "customer.birthday"

COUPON_ISSUED: Final = "coupon.issued"
COUPON_LIFECYCLE: Final = (
    "coupon.reserved",
    "coupon.released",
    "coupon.used",
    "coupon.redeemed",
    "coupon.reinstated",
    "coupon.expiring",
    "coupon.expired",
    "coupon.cancelled",
    "coupon.delivered",
)
ISSUANCE_DECLINED: Final = "issuance.declined"

POINTS: Final = (
    "points.earned",
    "points.spent",
    "points.expired",
    "points.reversed",
    "points.restored",
)
POINTS_EXPIRING: Final = "points.expiring"
TIER_CHANGED: Final = "tier.changed"
CAMPAIGN_ACHIEVED: Final = "campaign.achieved"
CAMPAIGN_REVOKED: Final = "campaign.revoked"
REFERRAL_REWARDED: Final = "referral.rewarded"
REWARD_DECLINED: Final = "reward.declined"
WEBHOOK_DISABLED: Final = "webhook.disabled"
OTHERS_OF_PROGRAM: Final = (
    POINTS_EXPIRING,
    TIER_CHANGED,
    CAMPAIGN_ACHIEVED,
    CAMPAIGN_REVOKED,
    REFERRAL_REWARDED,
    REWARD_DECLINED,
)
"""What the program tells beside entries of the ledger, each in a shape of its own."""
