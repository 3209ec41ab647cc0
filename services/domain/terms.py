"""Terms: what a coupon is worth and when it applies. Frozen onto the coupon at its issue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum


class TermsType(StrEnum):
    """What the coupon gives."""

    PERCENTAGE = "percentage"
    FIXED = "fixed"
    FREE_SHIPPING = "free_shipping"
    FREE_PRODUCT = "free_product"
    CUSTOM = "custom"


class DiscountClass(StrEnum):
    """What a discount is taken off, where it is asked which may combine."""

    ORDER = "order"
    PRODUCT = "product"
    SHIPPING = "shipping"


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinesWith:
    """Other classes that an order may use beside this coupon."""

    order: bool = False
    product: bool = False
    shipping: bool = False

    def allows(self, other: DiscountClass | None) -> bool:
        """Whether a coupon of that class may come beside; of none may always."""
        match other:
            case None:
                return True
            case DiscountClass.ORDER:
                return self.order
            case DiscountClass.PRODUCT:
                return self.product
            case DiscountClass.SHIPPING:
                return self.shipping


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`value` is a percentage or an amount in `currency`, which null lets fit any; None of what has no value.

    `product_ids` and `collection_ids` are compared as texts with an order's lines; both empty: the whole order.
    `combines_with` None combines with everything. `lifetime_of`: of a Lifetime Reward the order that its tier had then;
    below the tier it cannot be used. Ends by `expires_after` or at `expires_at`, whichever is given; neither: never.
    `is_fixed_rate`: an amount that is called a fixed rate, which makes no difference to what it is worth.
    """

    type: TermsType
    value: Decimal | None = None
    currency: str | None = None
    min_order_value: Decimal | None = None
    capping: Decimal | None = None
    usage_limit: int = 1
    combines_with: CombinesWith | None = None
    product_ids: tuple[str, ...] = ()
    collection_ids: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    group: str | None = None
    code_prefix: str = ""
    expires_after: timedelta | None = None
    expires_at: datetime | None = None
    lifetime_of: int | None = None
    is_fixed_rate: bool = field(default=False, compare=False)

    @property
    def needs_group(self) -> bool:
        """Nothing but its group says what it is; of any other coupon a group that is not there is none."""
        return self.type is TermsType.CUSTOM

    @property
    def is_restricted(self) -> bool:
        """It applies to some lines of an order only."""
        return bool(self.product_ids or self.collection_ids)

    @property
    def discount_class(self) -> DiscountClass | None:
        """What it is taken off; None: off nothing."""
        match self.type:
            case TermsType.PERCENTAGE | TermsType.FIXED:
                return DiscountClass.PRODUCT if self.is_restricted else DiscountClass.ORDER
            case TermsType.FREE_PRODUCT:
                return DiscountClass.PRODUCT
            case TermsType.FREE_SHIPPING:
                return DiscountClass.SHIPPING
            case TermsType.CUSTOM:
                return None

    def is_for(self, channel: str) -> bool:
        """Whether it may be used there; without platforms everywhere."""
        named = {platform.casefold() for platform in self.platforms}
        return not named or channel.casefold() in named

    def combines(self, other: Terms) -> bool:
        """Each allows the other's class."""
        return (self.combines_with is None or self.combines_with.allows(other.discount_class)) and (
            other.combines_with is None or other.combines_with.allows(self.discount_class)
        )

    def ends(self, issued_at: datetime) -> datetime | None:
        """When a coupon issued at that instant ends, by these terms alone."""
        if self.expires_after is not None:
            return issued_at + self.expires_after
        return self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A partner's group of coupons: its window, whose end is exclusive, and its caps; None is no cap."""

    handle: str
    is_active: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    max_per_customer: int | None = None
    max_total: int | None = None


Groups = Mapping[str, Group]
