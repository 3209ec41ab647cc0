"""What may come of an event for coupons: one is issued, one takes a step, or none is due and why."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from services.domain.coupons.coupon import Coupon, CouponStatus, Step
from services.domain.origins import Source
from services.domain.points.wallet import Take
from services.domain.terms import Terms
from services.domain.values import quickly_made


class DeclineReason(StrEnum):
    """Why no coupon is due, in the order in which reasons are named when several hold."""

    GAME_NOT_FOUND = "game_not_found"
    RESULT_LOST = "result_lost"
    GAME_INACTIVE = "game_inactive"
    GAME_NOT_STARTED = "game_not_started"
    GAME_ENDED = "game_ended"
    CUSTOMER_LIMIT_REACHED = "customer_limit_reached"
    GAME_LIMIT_REACHED = "game_limit_reached"
    ACTIVE_COUPON_EXISTS = "active_coupon_exists"


class GrantRefusal(StrEnum):
    """Why a coupon cannot be granted, in the order in which reasons are named."""

    GROUP_NOT_FOUND = "group_not_found"
    GROUP_INACTIVE = "group_inactive"
    GROUP_NOT_STARTED = "group_not_started"
    GROUP_ENDED = "group_ended"
    GROUP_CUSTOMER_LIMIT_REACHED = "group_customer_limit_reached"
    GROUP_EXHAUSTED = "group_exhausted"
    COUPON_OFFER_ENDED = "coupon_offer_ended"


class RedeemReason(StrEnum):
    """Why points cannot be redeemed, in the order in which reasons are named; those of a grant stand among them."""

    REDEMPTION_INACTIVE = "redemption_inactive"
    RULE_NOT_FOUND = "rule_not_found"
    RULE_INACTIVE = "rule_inactive"
    RULE_NOT_STARTED = "rule_not_started"
    RULE_ENDED = "rule_ended"
    TIER_NOT_ELIGIBLE = "tier_not_eligible"
    TAG_NOT_ELIGIBLE = "tag_not_eligible"
    BELOW_MINIMUM = "below_minimum"
    ABOVE_MAXIMUM = "above_maximum"
    INSUFFICIENT_POINTS = "insufficient_points"


@quickly_made(frozen=True, slots=True, kw_only=True)
class IssueCoupon:
    """Create a coupon. `code` is without prefix and dashes; the rule is the game's at `rule_version`."""

    coupon_id: str
    code: str
    code_prefix: str
    game_id: int
    issued_at: datetime
    expires_at: datetime | None
    allow_multiple_active_coupons: bool
    coupon_validity_days: int | None
    rule_version: int


@quickly_made(frozen=True, slots=True, kw_only=True)
class ChangeCoupon:
    """Take one step on a coupon. `coupon` is the coupon after it; `at` the instant from which that holds."""

    coupon: Coupon
    step: Step
    was: CouponStatus
    at: datetime
    reason: str | None = None
    order_id: str | None = None
    shop_id: int | None = None


@quickly_made(frozen=True, slots=True, kw_only=True)
class DeclineIssuance:
    """Tell subscribers that a completion earned nothing, and why."""

    game_id: int
    reason: DeclineReason
    blocking_coupon_id: str | None = None


@quickly_made(frozen=True, slots=True, kw_only=True)
class GrantCoupon:
    """Create a coupon of these terms, bought with the points that it `takes`. `code` is without prefix and dashes.

    `pool_code`: the code of its group's pool that it takes. One that the partner brought is its `external_code`; one
    that we made is its own, `code_prefix` that of the pool. `code_is_pending`: the partner's own system is to give one.
    """

    coupon_id: str
    code: str
    code_prefix: str
    source: Source
    terms: Terms
    issued_at: datetime
    expires_at: datetime | None
    program_version: int
    takes: tuple[Take, ...] = ()
    external_code: str | None = None
    pool_code: str | None = None
    code_is_pending: bool = False


@quickly_made(frozen=True, slots=True, kw_only=True)
class DeclineReward:
    """Tell subscribers that a coupon could not be issued, and why: one of a reward, whose rest stands, or one that was
    asked for by the redemption rule `rule_id`."""

    source: Source
    reason: GrantRefusal | RedeemReason
    rule_id: int | None = None


CouponEffect = IssueCoupon | ChangeCoupon | DeclineIssuance | GrantCoupon


def group_moved(effect: object) -> tuple[str, int] | None:
    """The group of which there is one coupon more after the effect, or one less; cancelled ones do not count."""
    match effect:
        case GrantCoupon() if effect.terms.group is not None:
            return effect.terms.group, 1
        case ChangeCoupon(step=Step.CANCELLED, coupon=coupon) if coupon.terms is not None:
            return None if coupon.terms.group is None else (coupon.terms.group, -1)
        case _:
            return None
