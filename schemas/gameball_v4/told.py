"""What partners tell over HTTP of customers, of what they do and of orders, and the event that each becomes.

In the names of the dialect; what it does not know is ignored. Who tells it that way is held to the same rules as who
writes to the topic: what is read here is read there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

from pydantic import ConfigDict, Field

from schemas.events import types
from schemas.events.customers import MAX_TAGS
from schemas.events.orders import MAX_COUPON_CODES
from schemas.gameball_v4.coupon_values import OutsideId
from schemas.gameball_v4.exact_json import write
from schemas.gameball_v4.reading import Part, Refused, settled, unite, validated
from schemas.gameball_v4.told_values import (
    Amount,
    Channel,
    Collections,
    Currency,
    CustomerId,
    Day,
    Locale,
    Members,
    OneEvent,
    OrderId,
    OutsideText,
    OwnId,
    SignedAmount,
    own_id,
)
from schemas.gameball_v4.values import Circumstances, Tag
from schemas.topics import CUSTOMERS, ORDERS

T = TypeVar("T", bound=Part)

NO_CURRENCY: Final = "XXX"
"""ISO 4217 for money of none: of an order that names none, where the program counts any at par."""


_ATTRIBUTES: Final = {
    "tags": "tags",
    "date_of_birth": "birthday",
    "preferred_language": "locale",
    "custom": "attributes",
}
"""What the topic calls what is told of a customer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Data of an event, as JSON, for its topic."""

    topic: str
    type: str
    customer_id: str
    value: str


class CustomerAttributes(Part):
    """Who a customer is. `custom`, and whatever has no field here, is kept by its name: conditions may ask for it."""

    tags: Annotated[list[Tag], Field(max_length=MAX_TAGS)] | None = None
    date_of_birth: Day | None = None
    preferred_language: Locale | None = None
    custom: Members | None = None

    @classmethod
    def settle(cls, sent: dict[str, Any], refused: Refused) -> None:
        fields = {field.alias for field in cls.model_fields.values()}
        others = {name: each for name, each in sent.items() if name not in fields}
        for name in others:
            del sent[name]
        flat = {name: each for name, each in others.items() if not isinstance(each, dict)}
        custom = sent.get("custom")
        if flat and isinstance(custom, dict | None):
            sent["custom"] = flat | (custom or {})
            for name in flat.keys() - (custom or {}).keys():
                refused.moved(f"custom.{name}", name)


class CustomerTold(Part):
    """A customer: registered if it was not, else known better. `referrerCode` is the id of who brought it."""

    customer_id: CustomerId
    customer_attributes: CustomerAttributes | None = None
    referrer_code: CustomerId | None = None


class EventTold(Part):
    """One thing that a customer did: `events` holds its name, and by that what more there is to say."""

    customer_id: CustomerId
    events: OneEvent


class LineItem(Part):
    """A position of an order. A product is known by our id or by its SKU, for which an id that is no number stands.

    A negative price is a discount.
    """

    product_id: OutsideId | None = None
    sku: OutsideText | None = None
    collection: Collections | None = None
    quantity: OwnId
    price: SignedAmount


def _price_or_paid(schema: dict[str, Any]) -> None:
    """One of the two is enough, which fields alone cannot say."""
    schema["required"].remove("totalPrice")
    schema["anyOf"] = [{"required": ["totalPrice"]}, {"required": ["totalPaid"]}]


class OrderTold(Part):
    """An order. `totalPrice` is the value of its goods before the discounts of `redeemedCoupons`, and what was paid
    where only `totalPaid` is told; without a `currency` it is in that of the settings. `shipping` is another name of
    `totalShipping`."""

    model_config = ConfigDict(json_schema_extra=_price_or_paid)
    order_id: OrderId
    customer_id: CustomerId
    total_price: Amount
    total_paid: Amount | None = None
    total_shipping: Amount | None = None
    currency: Currency | None = None
    channel: Channel | None = None
    shop_id: OwnId | None = None
    redeemed_coupons: Annotated[list[OutsideText], Field(max_length=MAX_COUPON_CODES)] | None = None
    line_items: list[LineItem] | None = None

    @classmethod
    def settle(cls, sent: dict[str, Any], refused: Refused) -> None:
        if "shipping" in sent:
            unite(sent, "totalShipping", sent.pop("shipping"), refused, other="shipping")
        if sent.get("totalPrice") is None and sent.get("totalPaid") is not None:
            sent["totalPrice"] = sent["totalPaid"]
            refused.moved("totalPrice", "totalPaid")


def customer_happening(sent: Mapping[str, Any], partner_id: int) -> Happening:
    """`customer.created`, which of a customer who is known is an update. Raises InvalidDefinition."""
    told = _read(CustomerTold, sent)
    data: dict[str, Any] = {"partner_id": partner_id, "customer_id": told.customer_id}
    if (known := told.customer_attributes) is not None:
        given = known.model_fields_set
        data |= {
            field: _plain(getattr(known, name))
            for name, field in _ATTRIBUTES.items()
            if name in given
        }
    if told.referrer_code is not None:
        data["referred_by"] = told.referrer_code
    return _happening(CUSTOMERS, types.CUSTOMER_CREATED, data)


def event_happening(sent: Mapping[str, Any], partner_id: int) -> Happening:
    """`customer.event`. Raises InvalidDefinition."""
    told = _read(EventTold, sent)
    ((name, metadata),) = told.events.items()
    data = {
        "partner_id": partner_id,
        "customer_id": told.customer_id,
        "name": name,
        "metadata": metadata,
    }
    return _happening(CUSTOMERS, types.CUSTOMER_EVENT, data)


def order_happening(sent: Mapping[str, Any], partner_id: int, currency: str | None) -> Happening:
    """`order.placed`; `currency` is the program's. Raises InvalidDefinition."""
    told = _read(OrderTold, sent)
    data = {
        "partner_id": partner_id,
        "order_id": told.order_id,
        "customer_id": told.customer_id,
        "shop_id": told.shop_id,
        "currency": told.currency or currency or NO_CURRENCY,
        "total": _plain(told.total_price),
        "paid_total": _plain(told.total_paid),
        "shipping": _plain(told.total_shipping),
        "channel": told.channel,
        "coupon_codes": told.redeemed_coupons or [],
        "lines": [_line(item) for item in told.line_items or ()],
    }
    return _happening(ORDERS, types.ORDER_PLACED, data)


def _line(item: LineItem) -> dict[str, Any]:
    product_id = own_id(item.product_id)
    sku = item.sku
    if sku is None and product_id is None and item.product_id is not None:
        sku = str(item.product_id)
    return {
        "product_id": product_id,
        "sku": sku,
        "collection_ids": item.collection or [],
        "quantity": item.quantity,
        "unit_price": _plain(item.price),
    }


def _read(model: type[T], sent: Mapping[str, Any]) -> T:
    refused = Refused()
    fields = settled(model, dict(sent), refused, strict=False)
    refused.end()
    return validated(model, fields, Circumstances(), places=refused.places)


def _plain(value: Any) -> Any:
    """Money as a text with all its digits, a day as it is written."""
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value


def _happening(topic: str, type_: str, data: dict[str, Any]) -> Happening:
    return Happening(topic=topic, type=type_, customer_id=data["customer_id"], value=write(data))
