"""Topic `orders`: what a shop system tells of its orders. Incoming; owned by the shop systems.

An order of nobody (`customer_id` null or left out) concerns nobody here. A list that is null is empty. Lists stop at
their first wrong item: a megabyte of nonsense must not become a megabyte of complaints.
`currency` has the shape of ISO 4217 and is not looked up: codes come and go.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.fields import Amount, Count, CustomerId, Id, Incoming, OrderId, SignedAmount, Text

MAX_COUPON_CODES = 20

Code = Text
"""Of any length: a mistyped one is refused with a reason, it must not cost the whole order."""


class OrderLine(Incoming):
    """One position of an order: a product, by our id or the shop's SKU, and how much of it at which price.

    A negative price is a discount. Without `product_id` the line is of the partner's product that has this SKU.
    """

    product_id: Id | None = None
    sku: Text | None = None
    collection_ids: (
        Annotated[
            tuple[Annotated[Id | Text, Field(union_mode="left_to_right")], ...],
            Field(fail_fast=True),
        ]
        | None
    ) = ()
    quantity: Count
    unit_price: SignedAmount


class OrderPlaced(Incoming):
    """Data of `order.placed`.

    `total` is the value of the goods before discounts of `coupon_codes`, `paid_total` what was paid for them, if told;
    `shipping` null is 0; `channel` is where it was bought.
    """

    partner_id: Id
    order_id: OrderId
    customer_id: CustomerId | None = None
    shop_id: Id | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    total: Amount
    paid_total: Amount | None = None
    shipping: Amount | None = None
    channel: Annotated[Text, Field(max_length=255)] | None = None
    coupon_codes: Annotated[tuple[Code, ...], Field(max_length=MAX_COUPON_CODES)] | None = ()
    lines: Annotated[tuple[OrderLine, ...], Field(fail_fast=True)] | None = ()


class OrderCancelled(Incoming):
    """Data of `order.cancelled`."""

    partner_id: Id
    order_id: OrderId
    customer_id: CustomerId | None = None


class OrderRefunded(OrderCancelled):
    """Data of `order.refunded`: `refunded_total` is all that was refunded of it so far, without it the whole order.

    Its size counts, not its sign.
    """

    refunded_total: SignedAmount | None = None
