"""What may come of an event: a closed set of outcomes, reasons and effects.

A `Decision` says what was decided and why; its effects say what must change in the world. Facts are past
tense, effects imperative, refusals are `DeclineReason` values and never exceptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    ISSUED = "issued"
    DECLINED = "declined"


class DeclineReason(StrEnum):
    """Why no coupon is due, in the order in which reasons are named when several hold."""

    GAME_NOT_FOUND = "game_not_found"
    RESULT_LOST = "result_lost"
    GAME_INACTIVE = "game_inactive"
    GAME_NOT_STARTED = "game_not_started"
    GAME_ENDED = "game_ended"
    ACTIVE_COUPON_EXISTS = "active_coupon_exists"


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
class ExpireCoupon:
    """Record that a coupon's validity ended, at the instant it did (`at` = its `expires_at`)."""

    coupon_id: str
    game_id: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineIssuance:
    """Tell subscribers that a completion earned nothing, and why."""

    game_id: int
    reason: DeclineReason
    blocking_coupon_id: str | None = None


Effect = IssueCoupon | ExpireCoupon | DeclineIssuance


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The one answer to one event, for ever. `decided_at` is an instant of the database's clock."""

    outcome: Outcome
    decided_at: datetime
    reason: DeclineReason | None = None
    rule_version: int | None = None
    coupon_id: str | None = None
    blocking_coupon_id: str | None = None
    effects: tuple[Effect, ...] = ()
