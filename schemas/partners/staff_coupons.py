"""Staff coupons over HTTP: what shop staff send, and coupons as they are shown to them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field, PlainValidator, WithJsonSchema

from schemas.definitions import STORABLE, Definition, characters, exact_characters, validated
from schemas.fields import CUSTOMER_ID_PATTERN, CodeStatus, Id, Outgoing, Source, Terms, as_money
from schemas.partners.answers import Pagination, Success

TOTAL: Final = (
    "Must be a number from 0 up of at most 12 digits before the point and 6 after it, or null"
)
MESSAGES: Final[Mapping[str, str]] = {
    "code": "Must be at least 1 character",
    "shop_id": "Must be the id of a shop",
    "notes": "Must be at most 255 characters, or null",
    "reason": "Must be between 1 and 255 characters",
    "selected_product_id": "Must be the id of a product, or null",
    "total": TOTAL,
    "game_id": "Must be the id of a game",
    "customer_id": "Must be between 1 and 128 characters, without white space at its ends",
}


def _total(value: Any) -> Decimal:
    number = as_money(Decimal(value)) if type(value) in (int, Decimal) else None
    if number is None or number < 0:
        raise ValueError("no amount")
    return number


Total = Annotated[
    Decimal,
    PlainValidator(_total),
    WithJsonSchema({"type": "number", "minimum": 0, "exclusiveMaximum": 10**12}),
]
"""What is paid for, before the coupon."""
Remark = Annotated[str, characters(0, 255), STORABLE]


class VerifyCode(Definition):
    """A code as typed, or what a scanner read: a link or text that has the code in it.

    With a `total` the coupon's terms are held against it.
    """

    code: Annotated[str, characters(1, None), STORABLE]
    shop_id: Id
    total: Total | None = None


class StaffStep(Definition):
    """Where a step is taken, and what there is to say about it."""

    shop_id: Id
    notes: Remark | None = None
    selected_product_id: Id | None = None
    reason: Remark | None = None


class StaffRedemption(StaffStep):
    """The same of a redemption; with a `total` the coupon's terms are held against it."""

    total: Total | None = None


class IssueByHand(Definition):
    """Who gets a coupon of which game, and why."""

    game_id: Id
    customer_id: Annotated[str, exact_characters(1, 128, CUSTOMER_ID_PATTERN), STORABLE]
    reason: Annotated[str, characters(1, 255), STORABLE]


def read_verify_code(fields: Mapping[str, Any]) -> VerifyCode:
    """Of fields whose fractions are Decimals. Raises InvalidDefinition."""
    return validated(VerifyCode, fields, MESSAGES)


def read_staff_step(fields: Mapping[str, Any]) -> StaffStep:
    """Raises InvalidDefinition."""
    return validated(StaffStep, fields, MESSAGES)


def read_staff_redemption(fields: Mapping[str, Any]) -> StaffRedemption:
    """Of fields whose fractions are Decimals. Raises InvalidDefinition."""
    return validated(StaffRedemption, fields, MESSAGES)


def read_issue_by_hand(fields: Mapping[str, Any]) -> IssueByHand:
    """Raises InvalidDefinition."""
    return validated(IssueByHand, fields, MESSAGES)


Instant = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}),
]
"""UTC with six decimals."""
Status = Literal["active", "reserved", "redeemed", "expired", "cancelled"]
Word = Literal[
    "issued", "reserved", "released", "used", "redeemed", "reinstated", "expired", "cancelled"
]
Number = Annotated[int, Field(ge=0)]
Discount = Annotated[
    Decimal | None, WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]})
]
"""An exact amount."""


class StaffCoupon(Outgoing):
    """A coupon as it stands now, whether or not anybody has recorded what time did to it.

    `days_until_expiry` counts the day begun as a whole one; null for a coupon without end. Of a game's coupon `source`
    names the game and `terms` is null; of any other `game_id` is. `code` is what the customer shows; beside one that
    the partner brought stands ours, `internal_code`. `code_status` `pending`: the partner's own system is to give
    another.
    """

    coupon_id: UUID
    code: str
    internal_code: str | None = None
    code_status: CodeStatus
    status: Status
    customer_id: str
    game_id: Id | None
    issued_at: Instant
    expires_at: Instant | None
    is_unlimited: bool
    days_until_expiry: Number | None
    reserved_until: Instant | None
    redeemed_at: Instant | None
    source: Source
    terms: Terms | None


class HistoryEntry(Outgoing):
    """What happened to a coupon, when, by whom and why; `status` is the one it has had from then on.

    `used` is a use that leaves some, `redeemed` the last one.
    """

    word: Word
    status: Status
    at: Instant
    actor: str
    reason: str | None
    shop_id: Id | None
    order_id: str | None


class CouponWithHistory(StaffCoupon):
    """A coupon and everything that happened to it, its issue first."""

    history: list[HistoryEntry]


class Owner(Outgoing):
    """Whose coupon it is."""

    customer_id: str


class CouponGame(Outgoing):
    """What a game's coupon is good for."""

    id: Id
    name: str
    reward_description: str
    product_ids: list[Id]


class OneCoupon(Outgoing):
    """A coupon."""

    coupon: StaffCoupon


class Redeemed(OneCoupon):
    """A coupon that was used, and what that takes off the total: null without one, and where only lines would tell."""

    discount: Discount


class OneCouponWithHistory(Outgoing):
    """A coupon with its history."""

    coupon: CouponWithHistory


class Verified(OneCoupon):
    """A coupon that can be used, and its owner's active coupons: how many, of how many games.

    `usable_here` is false while another shop has reserved it. `discount` as of a redemption.
    """

    discount: Discount
    usable_here: bool
    owner: Owner
    game: CouponGame | None
    games_count: Number
    coupons_count: Number


class Previewed(OneCoupon):
    """Whether this shop could redeem the coupon now and, if not, why not. `discount` as of a redemption."""

    discount: Discount
    can_apply: bool
    error_code: str | None
    reason: str | None
    game: CouponGame | None


class SomeCoupons(Outgoing):
    """Some of a partner's coupons."""

    coupons: list[StaffCoupon]
    pagination: Pagination


class CouponAnswer(Success):
    """One coupon, just changed or issued."""

    message: str
    data: OneCoupon


class CouponRedeemed(Success):
    """One coupon, just used."""

    message: str
    data: Redeemed


class CouponShown(Success):
    """One coupon with its history."""

    data: OneCouponWithHistory


class CouponVerified(Success):
    """A code that can be used."""

    message: str
    data: Verified


class CouponPreview(Success):
    """What redeeming would do."""

    data: Previewed


class CouponList(Success):
    """A page of coupons."""

    data: SomeCoupons
