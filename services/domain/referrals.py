"""Referrals: who brought whom, and what both get for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.domain.rewards import NO_REWARD, Reward
from services.domain.triggers import Trigger
from services.domain.values import quickly_made


class ReferralReason(StrEnum):
    """Why a registration names no referrer."""

    SELF_REFERRAL = "self_referral"
    UNKNOWN_REFERRER = "unknown_referrer"


class ReferralOutcome(StrEnum):
    """What an event did for a referral."""

    SET = "set"
    COMPLETED = "completed"
    REFUSED = "refused"


class Role(StrEnum):
    """Who is rewarded."""

    CUSTOMER = "customer"
    FRIEND = "friend"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralRules:
    """`friend` is granted to who was brought, where the method says so; `extra` at every `for_every`-th friend."""

    trigger: Trigger
    customer: Reward = NO_REWARD
    friend: Reward = NO_REWARD
    extra: Reward = NO_REWARD
    for_every: int | None = None

    def for_referrer(self, referrals: int) -> tuple[Reward, bool]:
        """What the referrer gets for the friend that makes so many, and whether the extra is among it."""
        has_extra = self.for_every is not None and referrals % self.for_every == 0
        return (self.customer + self.extra if has_extra else self.customer), has_extra


@quickly_made(frozen=True, slots=True, kw_only=True)
class Others:
    """Other customers of the partner, as far as the events at hand name them: who of them is registered."""

    registered: frozenset[str] = frozenset()


NOBODY = Others()


@quickly_made(frozen=True, slots=True, kw_only=True)
class RewardReferral:
    """Somebody was rewarded for a referral; entries and coupons say with what. `friend_id` is who was brought.

    `referrals` is how many the referrer has brought with this one; None where the friend is rewarded.
    """

    role: Role
    friend_id: str
    referrals: int | None
    extra: bool
    points: int
    score: int
    coupon_ids: tuple[str, ...] = ()


@quickly_made(frozen=True, slots=True, kw_only=True)
class ReferralResult:
    """What an event did for a referral, and why not."""

    outcome: ReferralOutcome
    referrer_id: str
    reason: ReferralReason | None = None
