"""Coupons by the demo's own arithmetic: what each takes off an order, in cents, and what has become of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.stage.demo.shop.lots import Takes
from services.stage.demo.shop.program import Off, Offer


@dataclass(slots=True, kw_only=True)
class Coupon:
    """`offer` and `takes`: what it was bought by, and the points it cost; one that was given has neither.

    `used_by` is the order that has used it, once and for all unless the order is wholly refunded.
    """

    off: Off
    offer: Offer | None = None
    takes: Takes = field(default_factory=list)
    used_by: str | None = None
    is_undone: bool = False

    @property
    def is_open(self) -> bool:
        return self.used_by is None and not self.is_undone


def cents_off(off: Off, cents: int) -> int:
    """Of an order of so many: a share half up, or an amount; never more than the order, or than there may be."""
    share = (cents * off.percent + 50) // 100
    most = cents if off.at_most is None else min(off.at_most, cents)
    return min(share + off.cents, most)
