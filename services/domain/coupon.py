"""A coupon as the rules see it, and the states it may pass through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CouponStatus(StrEnum):
    ACTIVE = "active"
    RESERVED = "reserved"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


OPEN_STATUSES = frozenset({CouponStatus.ACTIVE, CouponStatus.RESERVED})
"""A coupon in one of these holds the customer's place under the single rule until its time is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """One coupon of a customer. `expires_at` is exclusive; None never expires."""

    id: str
    game_id: int
    status: CouponStatus
    issued_at: datetime
    expires_at: datetime | None
    reserved_until: datetime | None = None

    def is_active(self, at: datetime) -> bool:
        """Active in the sense of the single rule: open, and not past its time."""
        return self.status in OPEN_STATUSES and not self.is_over(at)

    def is_over(self, at: datetime) -> bool:
        """Its validity has ended, whether or not anybody has recorded that yet."""
        return self.expires_at is not None and self.expires_at <= at
