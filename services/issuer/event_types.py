"""Which CloudEvents types are read, and how: the wire model of each, and the event it becomes.

A new type is one line of `TYPES`. The type decides, not the topic.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from schemas.envelope import WithData
from schemas.events import customers, follow_ups, game_completed, orders, types
from services.domain.events import (
    Birthday,
    Cause,
    CustomerDescribed,
    CustomerDid,
    Event,
    GameCompleted,
    OrderLine,
    OrderPlaced,
    OrderReversed,
    ReferralCompleted,
    Told,
)
from services.domain.exact import ZERO
from services.issuer.amounts import as_written, exactly


@dataclass(frozen=True, slots=True)
class EventType:
    """How one type is read: its data alone, its data inside a structured event, and into which event."""

    binary: Callable[[bytes], Any]
    structured: Callable[[bytes], Any]
    event: Callable[[Cause, datetime, Any], Event]


def event_type(
    model: type[BaseModel],
    event: Callable[[Cause, datetime, Any], Event],
    *,
    amounts: Collection[str] = (),
    holds_members: bool = False,
) -> EventType:
    """The reader of a type whose data are this model.

    `amounts` are its fields of money, which is exact; `holds_members`: so is every number in objects of any members.
    """
    # The core validators are what model_validate_json and its like call, without a quarter of their price.
    readers = []
    for wanted in (model, WithData[model]):  # type: ignore[valid-type]
        validator = wanted.__pydantic_validator__
        read: Callable[[bytes], Any] = validator.validate_json
        if amounts:
            read = exactly(read, amounts)
        if holds_members:
            read = as_written(read, validator.validate_python)
        readers.append(read)
    return EventType(binary=readers[0], structured=readers[1], event=event)


def _game_completed(
    cause: Cause, occurred_at: datetime, data: game_completed.GameCompleted
) -> GameCompleted:
    return GameCompleted(
        cause=cause,
        occurred_at=occurred_at,
        partner_id=data.partner_id,
        game_id=data.game_id,
        customer_id=data.customer_id,
        won=data.result == "won",
        session_id=data.session_id,
        score=data.score,
    )


def _order_placed(cause: Cause, occurred_at: datetime, data: orders.OrderPlaced) -> OrderPlaced:
    lines, product_ids, skus = [], [], []
    for line in data.lines or ():
        product_id, sku, collection_ids = line.product_id, line.sku, line.collection_ids
        if product_id is not None:
            product_ids.append(product_id)
        elif sku:
            skus.append(sku)
        lines.append(
            OrderLine(
                product_id=None if product_id is None else str(product_id),
                sku=sku,
                collection_ids=tuple(map(str, collection_ids)) if collection_ids else (),
                quantity=line.quantity,
                unit_price=line.unit_price,
            )
        )
    return OrderPlaced(
        cause=cause,
        occurred_at=occurred_at,
        partner_id=data.partner_id,
        order_id=data.order_id,
        customer_id=_somebody(data.customer_id),
        shop_id=data.shop_id,
        coupon_codes=data.coupon_codes or (),
        product_ids=frozenset(product_ids),
        skus=frozenset(skus),
        currency=data.currency,
        total=data.total,
        paid_total=data.paid_total,
        shipping=data.shipping if data.shipping is not None else ZERO,
        channel=data.channel,
        lines=tuple(lines),
    )


def _order_reversed(
    cause: Cause, occurred_at: datetime, data: orders.OrderCancelled
) -> OrderReversed:
    return OrderReversed(
        cause=cause,
        occurred_at=occurred_at,
        partner_id=data.partner_id,
        order_id=data.order_id,
        customer_id=_somebody(data.customer_id),
        refunded_total=refunded.copy_abs()
        if isinstance(data, orders.OrderRefunded) and (refunded := data.refunded_total) is not None
        else None,
    )


def _described(
    cause: Cause, occurred_at: datetime, data: customers.CustomerUpdated
) -> CustomerDescribed:
    """Of what was given; a null says that there is nothing, where there can be."""
    given = data.model_fields_set & {"tags", "birthday", "locale", "attributes"}
    return CustomerDescribed(
        cause=cause,
        occurred_at=occurred_at,
        partner_id=data.partner_id,
        customer_id=data.customer_id,
        registers=isinstance(data, customers.CustomerCreated),
        told=Told(
            tags=frozenset(data.tags or ()),
            birthday=data.birthday,
            locale=data.locale,
            attributes=data.attributes or {},
            given=frozenset(given),
        ),
        referred_by=data.referred_by if isinstance(data, customers.CustomerCreated) else None,
    )


def _did(cause: Cause, occurred_at: datetime, data: customers.CustomerEvent) -> CustomerDid:
    return CustomerDid(
        cause=cause,
        occurred_at=occurred_at,
        partner_id=data.partner_id,
        customer_id=data.customer_id,
        name=data.name,
        metadata=data.metadata or {},
    )


def _referral_completed(
    cause: Cause, occurred_at: datetime, data: follow_ups.ReferralCompleted
) -> ReferralCompleted:
    return ReferralCompleted(
        cause=cause,
        occurred_at=occurred_at,
        partner_id=data.partner_id,
        customer_id=data.customer_id,
        friend_id=data.friend_id,
    )


def _birthday(cause: Cause, occurred_at: datetime, data: follow_ups.CustomerBirthday) -> Birthday:
    return Birthday(
        cause=cause,
        occurred_at=occurred_at,
        partner_id=data.partner_id,
        customer_id=data.customer_id,
        year=data.year,
    )


def _somebody(customer_id: str | None) -> str:
    """An order of nobody never gets this far: it is passed over."""
    assert customer_id is not None
    return customer_id


TYPES: Final[Mapping[str, EventType]] = {
    types.GAME_COMPLETED: event_type(game_completed.GameCompleted, _game_completed),
    types.ORDER_PLACED: event_type(
        orders.OrderPlaced,
        _order_placed,
        amounts=("total", "unit_price", "paid_total", "shipping"),
    ),
    types.ORDER_CANCELLED: event_type(orders.OrderCancelled, _order_reversed),
    types.ORDER_REFUNDED: event_type(
        orders.OrderRefunded, _order_reversed, amounts=("refunded_total",)
    ),
    types.CUSTOMER_CREATED: event_type(customers.CustomerCreated, _described, holds_members=True),
    types.CUSTOMER_UPDATED: event_type(customers.CustomerUpdated, _described, holds_members=True),
    types.CUSTOMER_EVENT: event_type(customers.CustomerEvent, _did, holds_members=True),
    types.REFERRAL_COMPLETED: event_type(follow_ups.ReferralCompleted, _referral_completed),
    types.CUSTOMER_BIRTHDAY: event_type(follow_ups.CustomerBirthday, _birthday),
}
