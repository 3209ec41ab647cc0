"""The CloudEvents types that we read and write: names alone, for whoever needs no models."""

from __future__ import annotations

from typing import Final

GAME_COMPLETED: Final = "game.completed"

ORDER_PLACED: Final = "order.placed"
ORDER_CANCELLED: Final = "order.cancelled"
ORDER_REFUNDED: Final = "order.refunded"

COUPON_ISSUED: Final = "coupon.issued"
COUPON_LIFECYCLE: Final = (
    "coupon.reserved",
    "coupon.released",
    "coupon.redeemed",
    "coupon.reinstated",
    "coupon.expiring",
    "coupon.expired",
    "coupon.cancelled",
)
ISSUANCE_DECLINED: Final = "issuance.declined"
