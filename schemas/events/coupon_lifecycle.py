"""Topic `coupon-lifecycle`: what became of a coupon. Outgoing. `ce_id` is `<coupon_id>.<step>.<word>`.

One shape for all types: the fields of a step that has nothing to say in them are left out. `coupon.delivered` is no
step, and its `ce_id` is `<coupon_id>.delivered`: the partner's own system has given the coupon a code, once for ever.
"""

from __future__ import annotations

from typing import Literal

from schemas.fields import Cause, CouponEvent, Id, Instant, OrderId

Status = Literal["active", "reserved", "redeemed", "expired", "cancelled"]


class CouponLifecycle(CouponEvent):
    """Data of every `coupon-lifecycle` event. `at` is the instant from which `status` holds."""

    status: Status
    at: Instant
    cause: Cause | None
    reason: str | None
    order_id: OrderId | None = None
    shop_id: Id | None = None
    reserved_until: Instant | None = None
    expires_at: Instant | None = None
    external_code: str | None = None
