"""Steps on one coupon: what time does to it, and what a customer's order or shop staff may do.

Every function answers with effects or with a refusal; none knows who asks. `at` is the customer's decision instant.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from services.domain.coupons.coupon import TRANSITIONS, Coupon, CouponStatus, Step
from services.domain.coupons.effects import ChangeCoupon
from services.domain.program import Game
from services.domain.values import quickly_made

VALIDITY_OVER = "validity_over"
RESERVATION_LAPSED = "reservation_lapsed"


class StepRefusal(StrEnum):
    """Why a step cannot be taken."""

    ALREADY_REDEEMED = "already_redeemed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    RESERVED_ELSEWHERE = "reserved_elsewhere"
    NOT_RESERVED = "not_reserved"
    NOT_REDEEMED = "not_redeemed"
    ACTIVE_COUPON_EXISTS = "active_coupon_exists"


@quickly_made(frozen=True, slots=True, kw_only=True)
class Settled:
    """A coupon after what time alone has done to it, and the effects that say so."""

    coupon: Coupon
    effects: tuple[ChangeCoupon, ...] = ()


Steps = tuple[ChangeCoupon, ...]


def settle(coupon: Coupon, at: datetime) -> Settled:
    """Expire what is over and release what has lapsed, at the instant it happened, not at the one it is noticed."""
    effects: Steps = ()
    if coupon.status is CouponStatus.RESERVED and coupon.reservation_lapsed(at):
        lapsed_at = coupon.reserved_until
        assert lapsed_at is not None
        if coupon.expires_at is None or lapsed_at < coupon.expires_at:
            released = _step(coupon, Step.RELEASED, lapsed_at, reason=RESERVATION_LAPSED)
            coupon, effects = released.coupon, (released,)
    if coupon.is_over(at) and (coupon.status, Step.EXPIRED) in TRANSITIONS:
        assert coupon.expires_at is not None
        expired = _step(coupon, Step.EXPIRED, coupon.expires_at, reason=VALIDITY_OVER)
        coupon, effects = expired.coupon, (*effects, expired)
    return Settled(coupon=coupon, effects=effects)


def closed_reason(coupon: Coupon) -> StepRefusal | None:
    """None for an open coupon, else why it can be used no more. The coupon must be settled."""
    match coupon.status:
        case CouponStatus.REDEEMED:
            return StepRefusal.ALREADY_REDEEMED
        case CouponStatus.EXPIRED:
            return StepRefusal.EXPIRED
        case CouponStatus.CANCELLED:
            return StepRefusal.CANCELLED
        case CouponStatus.ACTIVE | CouponStatus.RESERVED:
            return None


def reserve(
    coupon: Coupon, at: datetime, *, shop_id: int, until: datetime, reason: str | None = None
) -> ChangeCoupon | StepRefusal:
    """Hold an active coupon for one shop."""
    if refusal := closed_reason(coupon):
        return refusal
    if coupon.status is CouponStatus.RESERVED:
        return StepRefusal.RESERVED_ELSEWHERE
    return _step(
        coupon,
        Step.RESERVED,
        at,
        reason=reason,
        shop_id=shop_id,
        reserved_until=until,
        reserved_shop_id=shop_id,
    )


def release(
    coupon: Coupon, at: datetime, *, shop_id: int, reason: str | None = None
) -> ChangeCoupon | StepRefusal:
    """Give a reserved coupon back before its reservation ends; only the shop that reserved it may."""
    if refusal := closed_reason(coupon):
        return refusal
    if coupon.status is not CouponStatus.RESERVED:
        return StepRefusal.NOT_RESERVED
    if coupon.reserved_shop_id != shop_id:
        return StepRefusal.RESERVED_ELSEWHERE
    return _step(coupon, Step.RELEASED, at, reason=reason, shop_id=shop_id)


def redeem(
    coupon: Coupon,
    at: datetime,
    *,
    shop_id: int | None,
    order_id: str | None = None,
    reason: str | None = None,
) -> ChangeCoupon | StepRefusal:
    """Use a coupon; one that is reserved, only at the shop that reserved it."""
    if refusal := closed_reason(coupon):
        return refusal
    if coupon.status is CouponStatus.RESERVED and coupon.reserved_shop_id != shop_id:
        return StepRefusal.RESERVED_ELSEWHERE
    if coupon.terms is not None and coupon.used_count + 1 < coupon.terms.usage_limit:
        return _step(
            coupon,
            Step.USED,
            at,
            reason=reason,
            shop_id=shop_id,
            order_id=order_id,
            used_count=coupon.used_count + 1,
        )
    return _step(
        coupon,
        Step.REDEEMED,
        at,
        reason=reason,
        shop_id=shop_id,
        order_id=order_id,
        redeemed_at=at,
        redeemed_order_id=order_id,
        used_count=coupon.used_count + 1 if coupon.terms is not None else None,
    )


def cancel(
    coupon: Coupon, at: datetime, *, shop_id: int | None = None, reason: str | None = None
) -> ChangeCoupon | StepRefusal:
    """Take an open coupon out of use for good; no shop may while another one has reserved it."""
    if refusal := closed_reason(coupon):
        return refusal
    if coupon.status is CouponStatus.RESERVED and shop_id not in (None, coupon.reserved_shop_id):
        return StepRefusal.RESERVED_ELSEWHERE
    return _step(coupon, Step.CANCELLED, at, reason=reason, shop_id=shop_id)


def reinstate(
    coupon: Coupon,
    at: datetime,
    *,
    game: Game,
    holder: Coupon | None,
    order_id: str | None = None,
    shop_id: int | None = None,
    reason: str | None = None,
) -> Steps | StepRefusal:
    """Make a redeemed coupon active again, under the game's rule of now.

    `holder` is the coupon that holds the customer's single place in the game, if any; one whose time is over is
    closed first. A coupon whose validity has ended since stays as it is.
    """
    if coupon.status is not CouponStatus.REDEEMED:
        return closed_reason(coupon) or StepRefusal.NOT_REDEEMED
    if coupon.is_over(at):
        return StepRefusal.EXPIRED
    closing: Steps = ()
    if not game.allow_multiple_active_coupons and holder is not None:
        settled = settle(holder, at)
        if settled.coupon.is_active(at):
            return StepRefusal.ACTIVE_COUPON_EXISTS
        closing = settled.effects
    return (
        *closing,
        _step(
            coupon,
            Step.REINSTATED,
            at,
            reason=reason,
            order_id=order_id,
            shop_id=shop_id,
            holds_single_place=not game.allow_multiple_active_coupons,
        ),
    )


def give_back(
    coupon: Coupon,
    at: datetime,
    *,
    order_id: str | None = None,
    shop_id: int | None = None,
    reason: str | None = None,
    released_for: str | None = None,
) -> Steps | StepRefusal:
    """A use of a coupon that no game issued comes back; one whose validity has ended since stays as it is.

    So does one that a shop has reserved, unless it is `released_for` a reason: then the reservation is ended first.
    """
    reserved = coupon.status is CouponStatus.RESERVED
    usable = coupon.status in {CouponStatus.ACTIVE, CouponStatus.REDEEMED}
    if not coupon.used_count or not (usable or (reserved and released_for)):
        return closed_reason(coupon) or StepRefusal.NOT_REDEEMED
    if coupon.is_over(at):
        return StepRefusal.EXPIRED
    before: Steps = ()
    if reserved:
        released = _step(coupon, Step.RELEASED, at, reason=released_for, order_id=order_id)
        coupon, before = released.coupon, (released,)
    return (
        *before,
        _step(
            coupon,
            Step.REINSTATED,
            at,
            reason=reason,
            order_id=order_id,
            shop_id=shop_id,
            used_count=coupon.used_count - 1,
        ),
    )


def _step(
    coupon: Coupon,
    step: Step,
    at: datetime,
    *,
    reason: str | None = None,
    order_id: str | None = None,
    shop_id: int | None = None,
    reserved_until: datetime | None = None,
    reserved_shop_id: int | None = None,
    redeemed_at: datetime | None = None,
    redeemed_order_id: str | None = None,
    holds_single_place: bool | None = None,
    used_count: int | None = None,
) -> ChangeCoupon:
    """The step by the table of transitions. A reservation or redemption ends with whatever comes after it.

    The coupon is written out: `dataclasses.replace` costs three times as much, and orders come by the thousand.
    """
    after = Coupon(
        id=coupon.id,
        code=coupon.code,
        code_prefix=coupon.code_prefix,
        game_id=coupon.game_id,
        status=TRANSITIONS[coupon.status, step],
        issued_at=coupon.issued_at,
        expires_at=coupon.expires_at,
        holds_single_place=(
            coupon.holds_single_place if holds_single_place is None else holds_single_place
        ),
        steps=coupon.steps + 1,
        notice_at=coupon.notice_at,
        reserved_until=reserved_until,
        reserved_shop_id=reserved_shop_id,
        redeemed_at=redeemed_at,
        redeemed_order_id=redeemed_order_id,
        source=coupon.source,
        terms=coupon.terms,
        program_version=coupon.program_version,
        used_count=coupon.used_count if used_count is None else used_count,
        external_code=coupon.external_code,
        is_delivered=coupon.is_delivered,
        code_is_pending=coupon.code_is_pending,
    )
    return ChangeCoupon(
        coupon=after,
        step=step,
        was=coupon.status,
        at=at,
        reason=reason,
        order_id=order_id,
        shop_id=shop_id,
    )
