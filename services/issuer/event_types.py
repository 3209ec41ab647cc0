"""Which CloudEvents types are read, and the event that each becomes; `schemas.events.reading` has how its data is read.

A new type is one line there and one here. The type decides, not the topic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from schemas.events import customers, follow_ups, game_completed, orders, types
from schemas.events.reading import READERS
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
    PointsRedeemRequested,
    ReferralCompleted,
    Told,
    UndoRequested,
)
from services.domain.exact import ZERO


@dataclass(frozen=True, slots=True)
class EventType:
    """How one type is read: its data alone, its data inside a structured event, and into which event."""

    binary: Callable[[bytes], Any]
    structured: Callable[[bytes], Any]
    event: Callable[[Cause, datetime, Any], Event]


def event_type(name: str, event: Callable[[Cause, datetime, Any], Event]) -> EventType:
    """The type of this name, whose data become such an event."""
    reader = READERS[name]
    return EventType(binary=reader.binary, structured=reader.structured, event=event)


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


def _redeem_requested(
    cause: Cause, occurred_at: datetime, data: customers.PointsRedeemRequested
) -> PointsRedeemRequested:
    return PointsRedeemRequested(
        cause=cause,
        occurred_at=occurred_at,
        partner_id=data.partner_id,
        customer_id=data.customer_id,
        rule_id=data.rule_id,
        points=data.points,
    )


def _undo_requested(
    cause: Cause, occurred_at: datetime, data: customers.PointsUndoRequested
) -> UndoRequested:
    return UndoRequested(
        cause=cause,
        occurred_at=occurred_at,
        partner_id=data.partner_id,
        customer_id=data.customer_id,
        coupon_id=str(data.coupon_id),
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


_EVENTS: Final[Mapping[str, Callable[[Cause, datetime, Any], Event]]] = {
    types.GAME_COMPLETED: _game_completed,
    types.ORDER_PLACED: _order_placed,
    types.ORDER_CANCELLED: _order_reversed,
    types.ORDER_REFUNDED: _order_reversed,
    types.CUSTOMER_CREATED: _described,
    types.CUSTOMER_UPDATED: _described,
    types.CUSTOMER_EVENT: _did,
    types.POINTS_REDEEM_REQUESTED: _redeem_requested,
    types.POINTS_UNDO_REQUESTED: _undo_requested,
    types.REFERRAL_COMPLETED: _referral_completed,
    types.CUSTOMER_BIRTHDAY: _birthday,
}
TYPES: Final[Mapping[str, EventType]] = {
    name: event_type(name, event) for name, event in _EVENTS.items()
}
