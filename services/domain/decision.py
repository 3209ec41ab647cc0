"""What may come of an event: a closed set of outcomes, reasons and effects.

A `Decision` says what was decided and why; its effects say what must change in the world. Facts are past
tense, effects imperative, refusals are reasons and never exceptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.domain.closed_orders import CloseOrder
from services.domain.coupons.effects import CouponEffect, DeclineReason
from services.domain.stamps import StampEffect
from services.domain.values import quickly_made


class Outcome(StrEnum):
    """`RECORDED` is an order's: its answer is the list of what became of each code and stamp."""

    ISSUED = "issued"
    DECLINED = "declined"
    RECORDED = "recorded"


class OrderReason(StrEnum):
    """Why an order event changed nothing."""

    ORDER_ALREADY_REVERSED = "order_already_reversed"


class CodeReason(StrEnum):
    """Why a code was not redeemed or, on a reversal, not given back."""

    UNKNOWN_CODE = "unknown_code"
    NOT_OWNER = "not_owner"
    NOT_ACTIVE = "not_active"
    EXPIRED = "expired"
    RESERVED_ELSEWHERE = "reserved_elsewhere"
    ACTIVE_COUPON_EXISTS = "active_coupon_exists"
    ORDER_ALREADY_REVERSED = "order_already_reversed"


class CodeOutcome(StrEnum):
    """What became of a code: redeemed or refused when the order was placed, given back or kept when it was reversed."""

    REDEEMED = "redeemed"
    REFUSED = "refused"
    REINSTATED = "reinstated"
    KEPT = "kept"
    """The order was reversed, but its coupon stays redeemed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeResult:
    """What became of one code of an order. `code` is as the order gave it."""

    code: str
    outcome: CodeOutcome
    reason: CodeReason | None = None
    coupon_id: str | None = None


Effect = CouponEffect | StampEffect | CloseOrder


@quickly_made(frozen=True, slots=True, kw_only=True)
class Decision:
    """The one answer to one event, for ever. `decided_at` is an instant of the database's clock.

    For an order `coupon_id` is the first coupon that its stamps earned, if any.
    """

    outcome: Outcome
    decided_at: datetime
    reason: DeclineReason | OrderReason | None = None
    rule_version: int | None = None
    coupon_id: str | None = None
    blocking_coupon_id: str | None = None
    codes: tuple[CodeResult, ...] = ()
    effects: tuple[Effect, ...] = ()
