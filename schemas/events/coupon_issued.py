"""Topic `coupon-issued`: a coupon exists. Outgoing; owned by the issuer. `ce_id` is `<coupon_id>.issued`."""

from __future__ import annotations

from schemas.fields import Cause, CouponEvent, Id, Instant, Rule


class CouponIssued(CouponEvent):
    """Data of `coupon.issued`. `expires_at` is exclusive; null, with `is_unlimited`, never expires.

    Of a coupon that no game issued `rule` and `reward_description` are null, and `product_ids` those of its terms that
    are numbers.
    """

    reward_description: str | None
    product_ids: tuple[Id, ...]
    issued_at: Instant
    expires_at: Instant | None
    is_unlimited: bool
    rule: Rule | None
    cause: Cause
