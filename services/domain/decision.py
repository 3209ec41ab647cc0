"""What may come of an event: a closed set of outcomes and reasons, and its effects.

A `Decision` says what was decided and why; its effects say what must change in the world. Facts are past
tense, effects imperative, refusals are reasons and never exceptions.
"""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services.domain.campaigns import CampaignResult
from services.domain.coupons.effects import DeclineReason, GrantRefusal, RedeemReason
from services.domain.effects import Effect
from services.domain.referrals import ReferralResult
from services.domain.state import CustomerState, evolve
from services.domain.terms import DiscountClass
from services.domain.tiers import TierRef
from services.domain.values import quickly_made


class Outcome(StrEnum):
    """A completion, and points that are to be redeemed, ask for a coupon: it is `ISSUED` or `DECLINED`. All else is
    `RECORDED`: of an order the answer is the list of what became of each code and stamp."""

    ISSUED = "issued"
    DECLINED = "declined"
    RECORDED = "recorded"


class OrderReason(StrEnum):
    """Why an order event changed nothing."""

    ORDER_ALREADY_REVERSED = "order_already_reversed"
    ORDER_ALREADY_COUNTED = "order_already_counted"
    CURRENCY_MISMATCH = "currency_mismatch"


class BookingReason(StrEnum):
    """Why points cannot be booked by hand."""

    INSUFFICIENT_POINTS = "insufficient_points"


class UndoReason(StrEnum):
    """Why a redemption cannot be undone."""

    NOT_A_REDEMPTION = "not_a_redemption"
    COUPON_NOT_ACTIVE = "coupon_not_active"
    COUPON_DELIVERED = "coupon_delivered"


RedeemRefusal = RedeemReason | GrantRefusal
"""Why points become no coupon."""
Reason = DeclineReason | OrderReason | BookingReason | RedeemRefusal | UndoReason


class CodeReason(StrEnum):
    """Why a code was not redeemed or, on a reversal, not given back."""

    UNKNOWN_CODE = "unknown_code"
    NOT_OWNER = "not_owner"
    NOT_ACTIVE = "not_active"
    EXPIRED = "expired"
    RESERVED_ELSEWHERE = "reserved_elsewhere"
    ACTIVE_COUPON_EXISTS = "active_coupon_exists"
    ORDER_ALREADY_REVERSED = "order_already_reversed"
    TIER_TOO_LOW = "tier_too_low"
    PLATFORM_NOT_ALLOWED = "platform_not_allowed"
    CURRENCY_MISMATCH = "currency_mismatch"
    NOT_APPLICABLE = "not_applicable"
    BELOW_MIN_ORDER_VALUE = "below_min_order_value"
    NOT_COMBINABLE = "not_combinable"


class CodeOutcome(StrEnum):
    """What became of a code: redeemed or refused when the order was placed, given back or kept when it was reversed."""

    REDEEMED = "redeemed"
    REFUSED = "refused"
    REINSTATED = "reinstated"
    KEPT = "kept"
    """The order was reversed, but its coupon stays redeemed."""


@quickly_made(frozen=True, slots=True, kw_only=True)
class CodeResult:
    """What became of one code of an order. `code` is as the order gave it."""

    code: str
    outcome: CodeOutcome
    reason: CodeReason | None = None
    coupon_id: str | None = None


@quickly_made(frozen=True, slots=True, kw_only=True)
class CodeDiscount:
    """What a code took off an order, as it was used. `discount_class` is what it was taken off."""

    code: str
    coupon_id: str
    discount_class: DiscountClass | None
    amount: Decimal


@quickly_made(frozen=True, slots=True, kw_only=True)
class ProgramAnswer:
    """What the partner's program, at this version, made of an event; amounts are in its effects."""

    version: int
    tier_before: TierRef | None = None
    tier_after: TierRef | None = None
    campaigns: tuple[CampaignResult, ...] = ()
    discounts: tuple[CodeDiscount, ...] = ()
    referral: ReferralResult | None = None


@quickly_made(frozen=True, slots=True, kw_only=True)
class Decision:
    """The one answer to one event, for ever. `decided_at` is an instant of the database's clock.

    For an order `coupon_id` is the first coupon that its stamps earned, if any. `after` is the customer then, where the
    rules have followed them so far: what `evolve` makes of the effects, which is asked where it is None.
    """

    outcome: Outcome
    decided_at: datetime
    reason: Reason | None = None
    rule_version: int | None = None
    coupon_id: str | None = None
    blocking_coupon_id: str | None = None
    codes: tuple[CodeResult, ...] = ()
    effects: tuple[Effect, ...] = ()
    program: ProgramAnswer | None = None
    after: CustomerState | None = field(default=None, repr=False, compare=False)


def state_after(state: CustomerState, decision: Decision) -> CustomerState:
    """The customer after this decision, which was made upon `state`."""
    return decision.after if decision.after is not None else evolve(state, decision.effects)
