"""What a coupon is worth at a till, where at most the total is told and never what is bought.

Terms are judged as far as they need no lines. One coupon is used at a time, and a till has no other currency than that
of the terms, so nothing is asked about either.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.domain.coupons.coupon import Coupon
from services.domain.coupons.discounts import TermsReason, off_worth
from services.domain.exact import ZERO
from services.domain.terms import Terms, TermsType
from services.domain.values import quickly_made

CHANNEL: Final = "pos"
"""What platforms call a till."""
REASONS: Final = (
    TermsReason.TIER_TOO_LOW,
    TermsReason.PLATFORM_NOT_ALLOWED,
    TermsReason.BELOW_MIN_ORDER_VALUE,
)
"""All that can be said against it here, in the order in which they are named."""
_NEEDS_MORE: Final = frozenset({TermsType.FREE_PRODUCT, TermsType.FREE_SHIPPING})
"""Than a total: nobody ships from a till, and no price is told."""


@quickly_made(frozen=True, slots=True, kw_only=True)
class TillAnswer:
    """It may be used. `discount` is None without a total, and of terms that need lines to say what they take off."""

    discount: Decimal | None = None


def asks_tier(coupon: Coupon) -> bool:
    """Whether it serves in some tiers only."""
    return coupon.terms is not None and coupon.terms.lifetime_of is not None


def asks_currency(coupon: Coupon, total: Decimal | None) -> bool:
    """Whether its discount is rounded to the currency of the program, since its terms name none."""
    terms = coupon.terms
    if terms is None or total is None or terms.currency is not None:
        return False
    return terms.type is not TermsType.CUSTOM and not _needs_lines(terms)


def at_till(
    coupon: Coupon, total: Decimal | None, places: int, *, has_tier: bool = True
) -> TillAnswer | TermsReason:
    """What it takes off a total, rounded to so many places, or the first reason against it.

    `has_tier`: no tier that it serves in is lost. What a game's coupon is good for is no money.
    """
    terms = coupon.terms
    if terms is None:
        return TillAnswer(discount=None if total is None else ZERO)
    if not has_tier:
        return TermsReason.TIER_TOO_LOW
    if not terms.is_for(CHANNEL):
        return TermsReason.PLATFORM_NOT_ALLOWED
    if total is None:
        return TillAnswer()
    if terms.min_order_value is not None and total < terms.min_order_value:
        return TermsReason.BELOW_MIN_ORDER_VALUE
    if _needs_lines(terms):
        return TillAnswer()
    return TillAnswer(discount=min(off_worth(terms, total, places), total))


def _needs_lines(terms: Terms) -> bool:
    return terms.is_restricted or terms.type in _NEEDS_MORE
