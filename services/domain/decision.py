"""What may come of an event: a closed set of outcomes, reasons and effects.

A `Decision` says what was decided and why; its effects say what must change in the world. Facts are past
tense, effects imperative, refusals are reasons and never exceptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.domain.coupons.coupon import Coupon, CouponStatus, Step


class Outcome(StrEnum):
    """`RECORDED` is an order's: its answer is the list of what became of each code and stamp."""

    ISSUED = "issued"
    DECLINED = "declined"
    RECORDED = "recorded"


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


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCoupon:
    """Take one step on a coupon. `coupon` is the coupon after it; `at` the instant from which that holds."""

    coupon: Coupon
    step: Step
    was: CouponStatus
    at: datetime
    reason: str | None = None
    order_id: str | None = None
    shop_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineIssuance:
    """Tell subscribers that a completion earned nothing, and why."""

    game_id: int
    reason: DeclineReason
    blocking_coupon_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddStamp:
    """Stamp a card for an order. The stamp that fills card `card_no` leaves card `card_no` + 1 with none."""

    game_id: int
    order_id: str
    card_no: int
    stamps: int
    fills_card: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeStampBack:
    """Undo an order's stamp; `stamps` are left on the card."""

    game_id: int
    order_id: str
    card_no: int
    stamps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseOrder:
    """Remember that the customer's order was reversed: whatever arrives about it later changes nothing."""

    order_id: str


Effect = IssueCoupon | ChangeCoupon | DeclineIssuance | AddStamp | TakeStampBack | CloseOrder


@dataclass(frozen=True, slots=True, kw_only=True)
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
