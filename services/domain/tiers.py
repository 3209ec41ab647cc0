"""Tiers: a function of a customer's progress, and what reaching one brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from services.domain.points.wallet import Wallet
from services.domain.rewards import NO_REWARD, Reward
from services.domain.values import quickly_made, replaced


class TierMethod(StrEnum):
    """The meter that is progress."""

    AMOUNT_SPENT = "amount_spent"
    POINTS_EARNED = "points_earned"
    FRIENDS_REFERRED = "friends_referred"
    ORDERS_COMPLETED = "orders_completed"
    SCORE = "score"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """`earning_factor`: points per unit of money, of a benefit that says so. `entry` is granted on joining, `lifetime`
    coupons too, which serve while the customer stays."""

    id: int
    name: str
    order: int
    min_progress: Decimal
    earning_factor: Decimal | None = None
    entry: Reward = NO_REWARD
    lifetime: Reward = NO_REWARD


@quickly_made(frozen=True, slots=True, kw_only=True)
class TierRef:
    """A tier as it was called when it was recorded."""

    id: int
    order: int
    name: str


@quickly_made(frozen=True, slots=True, kw_only=True)
class Standing:
    """The tier recorded last, None where there were no tiers; and the tiers that have granted, for ever, by id and
    name. `is_recorded` is False until the first decision."""

    tier: TierRef | None = None
    is_recorded: bool = False
    granted_ids: frozenset[int] = frozenset()
    granted_names: frozenset[str] = frozenset()

    def has_granted(self, tier: Tier) -> bool:
        return tier.id in self.granted_ids or tier.name in self.granted_names


NO_STANDING = Standing()


@quickly_made(frozen=True, slots=True, kw_only=True)
class GrantTier:
    """The tier's rewards are granted, once for ever; they follow as entries and coupons."""

    tier: TierRef


@quickly_made(frozen=True, slots=True, kw_only=True)
class ChangeTier:
    """The customer's tier is another one now. `is_told`: subscribers hear of it."""

    before: TierRef | None
    after: TierRef | None
    method: TierMethod
    progress: Decimal
    is_told: bool = True


TierEffect = GrantTier | ChangeTier


def after(standing: Standing, effect: TierEffect) -> Standing:
    """The standing after one effect."""
    match effect:
        case GrantTier():
            return replaced(
                standing,
                granted_ids=standing.granted_ids | {effect.tier.id},
                granted_names=standing.granted_names | {effect.tier.name},
            )
        case ChangeTier():
            return replaced(standing, tier=effect.after, is_recorded=True)
        case _:
            assert_never(effect)


def progress_by(method: TierMethod, wallet: Wallet) -> Decimal:
    """What the customer has come to by this method."""
    match method:
        case TierMethod.AMOUNT_SPENT:
            return wallet.spent
        case TierMethod.POINTS_EARNED:
            return Decimal(wallet.points_earned)
        case TierMethod.FRIENDS_REFERRED:
            return Decimal(wallet.referrals)
        case TierMethod.ORDERS_COMPLETED:
            return Decimal(wallet.orders)
        case TierMethod.SCORE:
            return Decimal(wallet.score)
        case _:
            assert_never(method)


def tier_at(tiers: Sequence[Tier], progress: Decimal) -> Tier | None:
    """The highest that this progress reaches, of tiers in ascending order; None where there are none."""
    for tier in reversed(tiers):
        if tier.min_progress <= progress:
            return tier
    return None


def tier_after(tiers: Sequence[Tier], progress: Decimal) -> Tier | None:
    """The lowest that this progress does not reach yet; None where it reaches all."""
    return next((tier for tier in tiers if tier.min_progress > progress), None)


def ref_of(tier: Tier | None) -> TierRef | None:
    """The tier as it is called now."""
    return None if tier is None else TierRef(id=tier.id, order=tier.order, name=tier.name)


def laid_over(stored: Standing, changes: Standing) -> Standing:
    """What is stored, or what it has been changed to as a whole."""
    return stored if changes == NO_STANDING else changes
