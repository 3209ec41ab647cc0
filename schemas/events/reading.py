"""How the data of each incoming type is read: whoever queues an event reads it as whoever takes it off its topic will.

A new type is one line of `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from schemas.amounts import as_written, exactly
from schemas.envelope import WithData
from schemas.events import customers, follow_ups, game_completed, orders, types


@dataclass(frozen=True, slots=True)
class Reader:
    """Of the data alone, and of the data inside a structured event. Both raise pydantic's ValidationError."""

    binary: Callable[[bytes], Any]
    structured: Callable[[bytes], Any]


def reader(
    model: type[BaseModel], *, amounts: Collection[str] = (), holds_members: bool = False
) -> Reader:
    """The reader of data that are this model.

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
    return Reader(binary=readers[0], structured=readers[1])


READERS: Final[Mapping[str, Reader]] = {
    types.GAME_COMPLETED: reader(game_completed.GameCompleted),
    types.ORDER_PLACED: reader(
        orders.OrderPlaced, amounts=("total", "unit_price", "paid_total", "shipping")
    ),
    types.ORDER_CANCELLED: reader(orders.OrderCancelled),
    types.ORDER_REFUNDED: reader(orders.OrderRefunded, amounts=("refunded_total",)),
    types.CUSTOMER_CREATED: reader(customers.CustomerCreated, holds_members=True),
    types.CUSTOMER_UPDATED: reader(customers.CustomerUpdated, holds_members=True),
    types.CUSTOMER_EVENT: reader(customers.CustomerEvent, holds_members=True),
    types.POINTS_REDEEM_REQUESTED: reader(customers.PointsRedeemRequested),
    types.POINTS_UNDO_REQUESTED: reader(customers.PointsUndoRequested),
    types.REFERRAL_COMPLETED: reader(follow_ups.ReferralCompleted),
    types.CUSTOMER_BIRTHDAY: reader(follow_ups.CustomerBirthday),
}
