"""How deliveries and the coupons that they tell of are named in paths and queries."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Path, Query

from services.domain.webhooks.answers import DeliveryKind

_KINDS: Final = frozenset(DeliveryKind)


def read_id(name: str) -> tuple[str, str] | None:
    """The coupon's id and the kind of a delivery's `webhook-id`; None for what is none."""
    kind, _, text = name.partition("_")
    try:
        coupon_id = str(UUID(text))
    except ValueError:
        return None
    return (coupon_id, kind) if kind in _KINDS and coupon_id == text else None


CouponOfPath = Annotated[UUID, Path(alias="couponId")]
CouponSought = Annotated[UUID | None, Query(alias="couponId")]
