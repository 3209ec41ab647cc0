"""Rewards: points, score and a coupon, granted by campaigns, tiers, referrals and cards."""

from __future__ import annotations

from dataclasses import dataclass

from services.domain.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """What is granted at once."""

    points: int = 0
    score: int = 0
    coupons: tuple[Terms, ...] = ()

    def __add__(self, other: Reward) -> Reward:
        return Reward(
            points=self.points + other.points,
            score=self.score + other.score,
            coupons=self.coupons + other.coupons,
        )

    def __bool__(self) -> bool:
        return bool(self.points or self.score or self.coupons)


NO_REWARD = Reward()
