"""What a coupon of the program gives: one shape for rewards of any kind and for redemption rules.

What the coupon applies to is united from the three places it may be named in.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from schemas.gameball_v4.carried import Carried
from schemas.gameball_v4.coupon_values import (
    ANY,
    LISTED,
    NEEDS_VALUE,
    Collections,
    CouponType,
    Expiry,
    OutsideId,
    Platform,
    Prefix,
    ProductIds,
    UsageLimit,
    collection_id_of,
)
from schemas.gameball_v4.reading import Part, Refused, refused_at, unite
from schemas.gameball_v4.values import (
    ADDRESS,
    Flag,
    Handle,
    Money,
    PositiveMoney,
    Text,
    is_address,
    whole_of,
)


class GrantedProduct(Part):
    """What a free product is, by the shop's ids. `any_product`: written `Any`, whichever the customer likes."""

    any_product: Flag = False
    product_id: OutsideId | None = None
    product_name: Text | None = None
    variant_id: OutsideId | None = None
    variant_name: Text | None = None
    product_display_names: Annotated[list[Text], Field(max_length=LISTED)] | None = None

    @classmethod
    def settle(cls, sent: dict[str, Any], refused: Refused) -> None:
        sent.setdefault("anyProduct", False)

    @model_validator(mode="after")
    def _is_any_or_one(self) -> GrantedProduct:
        others = {
            "product_id",
            "product_name",
            "variant_id",
            "variant_name",
            "product_display_names",
        }
        return self.model_copy(update=dict.fromkeys(others)) if self.any_product else self


class AppliesTo(Part):
    """The lines of an order that a coupon is for; nothing named: all."""

    collections: Collections = Field(default_factory=list)
    product_ids: ProductIds | None = None


class GroupName(Part):
    """Which group a coupon is of. The rest of a group is shown beside, and ignored when sent."""

    computed: ClassVar = frozenset(
        {"id", "title", "url", "iconPath", "description", "maxPerPlayer", "maxPerCustomer", "maxTotal", "startDate",
         "expiryDate", "isAvailable", "isValid", "isActive", "remaining"}
    )  # fmt: skip
    handle: Handle | None = None


class Combines(Part):
    """Which other discounts may be used beside."""

    order_discounts: Flag = False
    product_discounts: Flag = False
    shipping_discounts: Flag = False


class Options(Part):
    """When a coupon ends and how often it serves; what is not judged is carried."""

    computed: ClassVar = frozenset({"usedCount"})
    carries: ClassVar = "carried"
    expiry_after: Expiry | None = None
    usage_limit: UsageLimit = 1
    capping: PositiveMoney | None = None
    combines_with: Combines | None = None
    coupon_prefix: Prefix | None = None
    platforms: Annotated[list[Platform], Field(max_length=LISTED)] = Field(default_factory=list)
    carried: Carried = Field(default_factory=dict)

    @classmethod
    def settle(cls, sent: dict[str, Any], refused: Refused) -> None:
        if "codePrefix" in sent:
            unite(sent, "couponPrefix", sent.pop("codePrefix"), refused, other="codePrefix")

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Options:
        url = self.carried.get("productUrl")
        if url is not None and not (isinstance(url, str) and is_address(url)):
            raise refused_at({"productUrl": ADDRESS})
        return self


class Coupon(Part):
    """A coupon, whoever grants it."""

    discount_value: Money | None = None
    min_order_value: Money | None = None
    product: GrantedProduct | None = None
    applicable_to: AppliesTo = Field(default_factory=AppliesTo)
    group: GroupName | None = None

    @classmethod
    def settle(cls, sent: dict[str, Any], refused: Refused) -> None:
        """The three places of collections become one, and so do the two of the least order value."""
        _unite_collections(sent, refused)
        options = sent.get("options")
        if isinstance(options, dict):
            least = [name for name in options if name[:1].lower() + name[1:] == "minOrderValue"]
            if least:
                sent["options"] = {n: each for n, each in options.items() if n not in least}
            for name in least:
                unite(sent, "minOrderValue", options[name], refused, other="options.minOrderValue")
        if sent.get("product") in (ANY, ANY.lower()):
            sent["product"] = {"anyProduct": True}


class RewardCoupon(Coupon):
    """A coupon that a campaign, a tier or a referral grants."""

    coupon_type: CouponType
    options: Options = Field(default_factory=Options)

    @model_validator(mode="after")
    def _is_worth_something(self) -> RewardCoupon:
        if wrong := wrong_worth(self, self.coupon_type):
            raise refused_at(wrong)
        if (
            self.coupon_type == "fixed_rate"
        ):  # both are written `Fixed Amount` here, so only one can be kept
            return self.model_copy(update={"coupon_type": "fixed"})
        return self


class RuleCoupon(Coupon):
    """A coupon that points are redeemed for. Its type may follow from the rule's, which then says what it needs."""

    coupon_type: CouponType | None = None
    options: Options | None = None


def wrong_worth(coupon: Coupon, type_: str) -> dict[str, str]:
    """What a coupon of this type lacks, or has too much of, by path."""
    wrong: dict[str, str] = {}
    needs = type_ in NEEDS_VALUE
    if needs and coupon.discount_value is None:
        wrong["discountValue"] = "Is required for this coupon type"
    elif needs and not coupon.discount_value:
        wrong["discountValue"] = "Must be above 0"
    elif type_ == "percentage" and (coupon.discount_value or 0) > 100:
        wrong["discountValue"] = "Must be at most 100"
    if type_ == "free_product":
        if coupon.product is None:
            wrong["product"] = "Is required for a free product"
        elif coupon.product.product_id is None and not coupon.product.any_product:
            wrong["product.productId"] = "Is required for a free product"
    if type_ == "custom" and (coupon.group is None or coupon.group.handle is None):
        wrong["group.handle"] = "Is required for a custom coupon"
    return wrong


def _unite_collections(sent: dict[str, Any], refused: Refused) -> None:
    places = {"collections": sent.pop("collections")} if "collections" in sent else {}
    for holder in ("applicableTo", "options"):
        inside = sent.get(holder)
        if isinstance(inside, dict):
            named = {name[:1].lower() + name[1:]: each for name, each in inside.items()}
            if "collections" in named:
                places[f"{holder}.collections"] = named.pop("collections")
                sent[holder] = named
    if not places:
        return
    united: dict[str, tuple[Any, str]] = {}
    for place, items in places.items():
        if not isinstance(items, list | None):
            refused.at(place).add("Must be a list")
            return
        for index, item in enumerate(items or ()):
            id_ = whole_of(collection_id_of(item))
            # What is no id stays, to be refused by its place.
            key = str(id_) if type(id_) in (int, str) else f"\0{len(united)}"
            if key not in united or isinstance(item, dict):
                united[key] = (item, f"{place}.{index}")
    lines = sent.get("applicableTo")
    if not isinstance(lines, dict | None):
        refused.at("applicableTo").add("Must be an object")
        return
    sent["applicableTo"] = {**(lines or {}), "collections": [item for item, _ in united.values()]}
    first = next((place for place, items in places.items() if items), "applicableTo.collections")
    refused.moved("applicableTo.collections", first)
    for index, (_, place) in enumerate(united.values()):
        refused.moved(f"applicableTo.collections.{index}", place)
