"""The lines of the table: what is counted over the month, by the arithmetic and by whoever can tell."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Line(StrEnum):
    """In their order."""

    JOINED = "customers joined"
    ORDERS = "orders"
    REFUNDS = "refunds and cancellations"
    REQUESTS = "coupons asked for or given back"
    SPENT = "cents spent and not refunded"
    OFF = "cents taken off by coupons"
    EARNED = "points earned"
    ENDED = "points ended"
    PAID = "points paid at the counter"
    REDEEMED = "points spent on coupons"
    RESTORED = "points returned for coupons"
    TAKEN = "points taken back by refunds"
    HELD = "points held in the end"
    OWED = "points owed in the end"
    BIG_BASKETS = "big baskets rewarded"
    REVOKED = "rewards of big baskets taken back"
    REFERRALS = "referrals rewarded"
    ROAST = "customers who reached Roast"
    ESPRESSO = "customers who reached Espresso"
    FELL = "falls to a lower tier"
    COUPONS = "coupons issued by the program"
    BOUGHT = "coupons bought with points"
    REFUSED = "requests for coupons refused"
    UNDONE = "coupons given back for points"
    CODES = "codes from the shop's own system"
    CODES_BACK = "codes it was given back"
    USED = "coupons used in orders"
    REINSTATED = "coupons back after refunds"


REACHED: Final = {1: Line.ROAST, 2: Line.ESPRESSO}
"""By the tier's place in `TIERS`."""
