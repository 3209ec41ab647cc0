"""A completion that counts becomes a coupon, unless a limit or the single rule stands in the way.

Won games and full stamp cards both end here, so that a coupon is issued by one set of rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from services.domain.coupons.effects import (
    CouponEffect,
    DeclineIssuance,
    DeclineReason,
    IssueCoupon,
)
from services.domain.coupons.held import Coupons
from services.domain.coupons.lifecycle import settle
from services.domain.program import NO_LIMITS, Game, period_starts
from services.domain.values import quickly_made

Quota = Mapping[int, int]
"""Coupons that may still be issued, by id of a game with a total limit."""


@quickly_made(frozen=True, slots=True, kw_only=True)
class Draw:
    """Randomness drawn before deciding: the id and code of a coupon, should one be due."""

    coupon_id: str
    code: str


def complete(
    game: Game, coupons: Coupons, quota: Quota, *, at: datetime, draw: Draw
) -> tuple[CouponEffect, ...]:
    """Effects of a completion; the last one issues a coupon or declines to.

    A holder of the single place whose validity is over is closed here, in the decision that needs its place, so
    that expiry takes effect at its instant and no background job stands between.
    """
    if reason := limit_reached(game, coupons, quota, at):
        return (DeclineIssuance(game_id=game.id, reason=reason),)
    closing: tuple[CouponEffect, ...] = ()
    if not game.allow_multiple_active_coupons and (holder := coupons.holder(game.id)):
        if holder.is_active(at):
            return (
                DeclineIssuance(
                    game_id=game.id,
                    reason=DeclineReason.ACTIVE_COUPON_EXISTS,
                    blocking_coupon_id=holder.id,
                ),
            )
        closing = settle(holder, at).effects
    return (
        *closing,
        IssueCoupon(
            coupon_id=draw.coupon_id,
            code=draw.code,
            code_prefix=game.code_prefix,
            game_id=game.id,
            issued_at=at,
            expires_at=expiry(at, game.coupon_validity_days),
            allow_multiple_active_coupons=game.allow_multiple_active_coupons,
            coupon_validity_days=game.coupon_validity_days,
            rule_version=game.version,
        ),
    )


def limit_reached(game: Game, coupons: Coupons, quota: Quota, at: datetime) -> DeclineReason | None:
    """The limit that binds, the customer's own before the game's; None if a coupon may be issued."""
    limits = game.customer_limits
    if limits is not NO_LIMITS:
        past = coupons.issues.get(game.id, ())
        day, week, month = period_starts(at, game.time_zone)
        for limit, since in (
            (limits.lifetime, None),
            (limits.per_day, day),
            (limits.per_week, week),
            (limits.per_month, month),
        ):
            count = len(past) if since is None else sum(issue >= since for issue in past)
            if limit is not None and count >= limit:
                return DeclineReason.CUSTOMER_LIMIT_REACHED
    if game.total_limit is not None and quota.get(game.id, 0) <= 0:
        return DeclineReason.GAME_LIMIT_REACHED
    return None


def expiry(issued_at: datetime, validity_days: int | None) -> datetime | None:
    """N days are N × 24 hours, whatever the calendar does in between."""
    return None if validity_days is None else issued_at + timedelta(days=validity_days)
