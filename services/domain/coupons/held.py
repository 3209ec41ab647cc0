"""The coupons of one customer, as far as the events at hand can touch them: a family of the customer's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from services.domain.coupons.coupon import OPEN_STATUSES, Coupon, CouponStatus
from services.domain.coupons.effects import (
    ChangeCoupon,
    CouponEffect,
    DeclineIssuance,
    IssueCoupon,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupons:
    """`by_id`: the holders of single places, and coupons named by an order's codes or redeemed by it.

    `foreign_codes`: codes named that belong to another customer of the partner. `issues` by capped game: instants of
    past issues, newest first, no more than the largest cap needs.
    """

    by_id: Mapping[str, Coupon] = field(default_factory=dict)
    foreign_codes: frozenset[str] = frozenset()
    issues: Mapping[int, tuple[datetime, ...]] = field(default_factory=dict)

    def holder(self, game_id: int) -> Coupon | None:
        """The open coupon that holds the customer's single place in this game, its time over or not."""
        for coupon in self.by_id.values():
            if (
                coupon.game_id == game_id
                and coupon.holds_single_place
                and coupon.status in OPEN_STATUSES
            ):
                return coupon
        return None

    def of_code(self, code: str) -> Coupon | None:
        """The customer's coupon of this stored code, if it was loaded."""
        return next((coupon for coupon in self.by_id.values() if coupon.code == code), None)


NO_COUPONS = Coupons()


def after(coupons: Coupons, effect: CouponEffect) -> Coupons:
    """The coupons after one effect."""
    match effect:
        case IssueCoupon():
            past = coupons.issues.get(effect.game_id, ())
            return replace(
                coupons,
                by_id={**coupons.by_id, effect.coupon_id: issued(effect)},
                issues={**coupons.issues, effect.game_id: (effect.issued_at, *past)},
            )
        case ChangeCoupon():
            return replace(coupons, by_id={**coupons.by_id, effect.coupon.id: effect.coupon})
        case DeclineIssuance():
            return coupons
        case _:
            assert_never(effect)


def laid_over(stored: Coupons, changes: Coupons) -> Coupons:
    """What is stored with the changes on top; where both know a coupon, the change is newer."""
    games = stored.issues.keys() | changes.issues.keys()
    return replace(
        stored,
        by_id={**stored.by_id, **changes.by_id},
        foreign_codes=stored.foreign_codes | changes.foreign_codes,
        issues={
            game_id: (*changes.issues.get(game_id, ()), *stored.issues.get(game_id, ()))
            for game_id in games
        },
    )


def issued(issue: IssueCoupon) -> Coupon:
    """The coupon as it begins."""
    return Coupon(
        id=issue.coupon_id,
        code=issue.code,
        code_prefix=issue.code_prefix,
        game_id=issue.game_id,
        status=CouponStatus.ACTIVE,
        issued_at=issue.issued_at,
        expires_at=issue.expires_at,
        holds_single_place=not issue.allow_multiple_active_coupons,
    )
