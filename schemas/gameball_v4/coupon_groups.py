"""Groups of coupons: the window and the caps that bind every coupon that names them."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import model_validator

from schemas.gameball_v4.reading import Part, Refused, refused_at, unite
from schemas.gameball_v4.values import Count, End, Flag, Handle, Icon, Start, Text, Url


class CouponGroup(Part):
    """A group, by its handle."""

    computed: ClassVar = frozenset({"id", "remaining", "isAvailable", "isValid"})
    handle: Handle
    title: Text | None = None
    url: Url | None = None
    icon_path: Icon | None = None
    description: Text | None = None
    max_per_customer: Count | None = None
    max_total: Count | None = None
    start_date: Start | None = None
    expiry_date: End | None = None
    is_active: Flag = True

    @classmethod
    def settle(cls, sent: dict[str, Any], refused: Refused) -> None:
        if "maxPerPlayer" in sent:
            most = sent.pop("maxPerPlayer")
            unite(sent, "maxPerCustomer", most, refused, other="maxPerPlayer")

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> CouponGroup:
        if self.start_date and self.expiry_date and self.expiry_date < self.start_date:
            raise refused_at({"expiryDate": "Must not be before startDate"})
        return self
