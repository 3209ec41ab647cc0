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
from schemas.events import game_completed, orders, types
from services.domain.events import Cause, Event, GameCompleted, OrderPlaced, OrderReversed
from services.issuer.amounts import exactly


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
) -> EventType:
    """The reader of a type whose data are this model; `amounts` are its fields of money, which is exact."""
    # The core validator is what model_validate_json calls, without a quarter of its price.
    binary = model.__pydantic_validator__.validate_json
    structured = WithData[model].__pydantic_validator__.validate_json  # type: ignore[valid-type]
    return EventType(
        binary=exactly(binary, amounts) if amounts else binary,
        structured=exactly(structured, amounts) if amounts else structured,
        event=event,
    )


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
    lines = data.lines or ()
    return OrderPlaced(
        cause=cause,
        occurred_at=occurred_at,
        partner_id=data.partner_id,
        order_id=data.order_id,
        customer_id=_somebody(data.customer_id),
        shop_id=data.shop_id,
        coupon_codes=data.coupon_codes or (),
        product_ids=frozenset(line.product_id for line in lines if line.product_id is not None),
        skus=frozenset(line.sku for line in lines if line.product_id is None and line.sku),
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
    )


def _somebody(customer_id: str | None) -> str:
    """An order of nobody never gets this far: it is passed over."""
    assert customer_id is not None
    return customer_id


TYPES: Final[Mapping[str, EventType]] = {
    types.GAME_COMPLETED: event_type(game_completed.GameCompleted, _game_completed),
    types.ORDER_PLACED: event_type(
        orders.OrderPlaced, _order_placed, amounts=("total", "unit_price")
    ),
    types.ORDER_CANCELLED: event_type(orders.OrderCancelled, _order_reversed),
    types.ORDER_REFUNDED: event_type(
        orders.OrderRefunded, _order_reversed, amounts=("refunded_total",)
    ),
}
