"""What may have to change in the world once an event is decided: a closed set, the families' own put together."""

from __future__ import annotations

from services.domain.campaigns import CampaignEffect
from services.domain.closed_orders import CloseOrder
from services.domain.coupons.effects import CouponEffect, DeclineReward
from services.domain.points.wallet import Post
from services.domain.profiles import ProfileEffect
from services.domain.purchases import PurchaseEffect
from services.domain.referrals import RewardReferral
from services.domain.stamps import StampEffect
from services.domain.tiers import TierEffect

ProgramEffect = (
    DeclineReward
    | Post
    | TierEffect
    | CampaignEffect
    | ProfileEffect
    | PurchaseEffect
    | RewardReferral
)
Effect = CouponEffect | StampEffect | CloseOrder | ProgramEffect
