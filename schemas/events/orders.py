"""Topic `orders`: what a shop system tells of its orders. Incoming; owned by the shop systems.

Lists stop at their first wrong item: a megabyte of nonsense must not become a megabyte of complaints.
`currency` has the shape of ISO 4217 and is not looked up: codes come and go.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import FailFast, Field

from schemas.fields import Amount, Count, CustomerId, Id, Incoming, OrderId, Text

MAX_COUPON_CODES = 20
MAX_CODE_CHARACTERS = 255
"""Far above any real code: a mistyped one is refused with a reason, it must not cost the whole order."""

Code = Annotated[str, Field(max_length=MAX_CODE_CHARACTERS, pattern=r"^[^\x00]*$")]


class OrderLine(Incoming):
    """One position of an order: a product, by our id or the shop's SKU, and how much of it at which price."""

    product_id: Id | None = None
    sku: Text | None = None
    collection_ids: Annotated[tuple[Id | Text, ...], FailFast()] = ()
    quantity: Count
    unit_price: Amount


class OrderPlaced(Incoming):
    """Data of `order.placed`."""

    partner_id: Id
    order_id: OrderId
    customer_id: CustomerId
    shop_id: Id | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    total: Amount
    coupon_codes: Annotated[tuple[Code, ...], Field(max_length=MAX_COUPON_CODES)] = ()
    lines: Annotated[tuple[OrderLine, ...], FailFast()] = ()


class OrderCancelled(Incoming):
    """Data of `order.cancelled`."""

    partner_id: Id
    order_id: OrderId
    customer_id: CustomerId


class OrderRefunded(OrderCancelled):
    """Data of `order.refunded`; without `refunded_total` the whole order."""

    refunded_total: Amount | None = None
