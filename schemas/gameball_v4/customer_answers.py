"""What the v4 dialect answers of customers, as it is described: who they are, what they have, and how it came."""

from __future__ import annotations

from typing import Literal

from schemas.gameball_v4.answers import Answer, ShownCampaign
from schemas.gameball_v4.values import Money


class ShownCustomer(Answer):
    """Who a customer is."""

    customer_id: str
    is_registered: bool
    tags: list[str]
    date_of_birth: str | None
    preferred_language: str | None
    referred_by: str | None
    card_id: int | None


class TierReached(Answer):
    """A tier, as progress shows it."""

    id: int
    order: int
    name: str
    min_progress: Money
    icon: str | None


class ShownTierProgress(Answer):
    """Where a customer stands between tiers."""

    current: TierReached | None
    next: TierReached | None
    progress: Money
    method: str


class ShownFriend(Answer):
    """Somebody whom a customer has brought. `Active`: the referral is completed."""

    customer_id: str
    join_date: str
    status: Literal["Active", "Pending"]


class ShownFriends(Answer):
    """A page of them; `startAfter` the last one's id comes the next. `count`: completed referrals of all friends."""

    referred_by: str | None
    count: int
    referrals: list[ShownFriend]
    has_more: bool


class ShownBalance(Answer):
    """What a customer has. `totalEarnedPoints` counts what was ever earned and not taken back.

    `tier` and `referrals` only where they are asked for.
    """

    total_points_balance: int
    total_points_value: Money
    available_points_balance: int
    available_points_value: Money
    pending_points: int
    pending_points_value: Money
    currency: str | None
    points_name: str
    next_expiring_points_amount: int
    next_expiring_points_value: Money
    next_expiring_points_date: str | None
    total_earned_points: int
    score: int
    points_owed: int
    tier: ShownTierProgress | None = None
    referrals: ShownFriends | None = None


class ShownCustomerCoupon(Answer):
    """A coupon as it stands now. `currency`: of its amounts. `isActive`: it can be used, or is held at a shop.

    `codeStatus` `pending`: the code may still give way to one that the partner's own system is asked for.
    """

    coupon_id: str
    code: str
    code_status: Literal["final", "pending"]
    name: str | None
    type: Literal[
        "Percentage",
        "Fixed Discount",
        "Fixed Rate Discount",
        "Free Shipping",
        "Free Product",
        "Custom",
    ]
    value: Money | None
    currency: str | None
    source: dict[str, str]
    start_date: str
    expiry_date: str | None
    usage_limit: int
    used_count: int
    status: Literal["active", "reserved", "redeemed", "expired", "cancelled"]
    is_expired: bool
    is_active: bool
    is_available_to_use: bool


class ShownCustomerCoupons(Answer):
    """A page of them; `startAfter` the last one's id comes the next."""

    coupons: list[ShownCustomerCoupon]
    count: int
    has_more: bool


class ShownCampaignProgress(Answer):
    """How far a customer has come in a campaign. `isUnlocked`: it is for their tier and tags.

    `completionPercentage` is of the next achievement, 100 where none can follow.
    """

    rewards_campaign_name: str
    rewards_campaign_id: int
    is_unlocked: bool
    completion_percentage: Money
    achieved_count: int
    can_achieve: bool
    reward_campaign_configuration: ShownCampaign


class ShownTransaction(Answer):
    """An entry of the ledger that moved points."""

    gameball_transaction_id: int
    transaction_id: str | None
    customer_id: str
    type: str
    direction: str
    points: int
    points_balance_after: int
    amount: None
    transaction_time: str
    expiry_date: str | None
    coupon_code: str | None
    reason: str | None
    status: str
    source: dict[str, str]


class ShownTransactions(Answer):
    """A page of them; `startAfter` the last one's id comes the next."""

    transactions: list[ShownTransaction]
    count: int
    has_more: bool


class ShownRedeemed(Answer):
    """A coupon that points were redeemed for. `url` is its group's, and `pin` there is none. `codeStatus` `pending`: it
    is our code, until the partner's own system has given another."""

    code: str
    coupon_id: str
    start_date: str
    expiry_date: str | None
    url: str | None
    pin: None
    points_spent: int
    points_balance: int
    code_status: Literal["final", "pending"]


class ShownUndone(Answer):
    """What came back. Of it a debt is paid first, and what is over by now ends."""

    points_returned: int
    points_balance: int


class ShownBooking(Answer):
    """What was booked by hand."""

    customer_id: str
    gameball_transaction_id: int
    transaction_id: str
    points: int
    amount: None
    points_balance: int
