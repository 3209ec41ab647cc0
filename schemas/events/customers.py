"""Topic `customers`: who customers are, and what they do beside games and orders. Incoming; owned by the partners.

What is given replaces what was known; what is left out stays. A second `customer.created` is an update.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from schemas.fields import MAX_DECIMAL_DIGITS, CustomerId, Id, Incoming, Text, exact

MAX_TAGS: Final = 50
MAX_MEMBERS: Final = 50
MAX_POINTS: Final = 10**12
OURS: Final = ("sign_up", "place_order", "game_completed", "birthday")
"""Names of events that are told by others: a registration, an order, a completion, the calendar."""

Tag = Annotated[Text, Field(min_length=1, max_length=64)]
Locale = Annotated[Text, Field(min_length=1, max_length=35)]


_is_day = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch


def _day(value: Any) -> Any:
    """Strict as all data: a text of a date, and nothing of a time. Weeks and ordinals are for other doors."""
    if value is None:
        return None
    try:
        if isinstance(value, str) and _is_day(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError("must be a date that there is, as YYYY-MM-DD")


Birthday = Annotated[
    date | None,
    BeforeValidator(_day),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}),
]

MAX_TEXT: Final = 10_000
MAX_LIST: Final = 1_000
_LARGE = 2**63
"""From here on a whole number is a decimal, too: not everything that keeps numbers has larger ones."""
_TOO_LARGE = f"must be a number of at most {MAX_DECIMAL_DIGITS} digits"


def _scalar(value: Any) -> Any:
    """A text, a number or a truth value, or none."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, str) and len(value) <= MAX_TEXT and "\x00" not in value:
        return value
    raise ValueError(
        f"must be a text of at most {MAX_TEXT} characters without NUL, a number, true, false or null"
    )


def _number(value: float) -> int | Decimal:
    """Exact as it was written, which its `repr` says. (Of a double alone only its shortest decimal is known.)"""
    if isinstance(value, int):
        if abs(value) >= 10**MAX_DECIMAL_DIGITS:
            raise ValueError(_TOO_LARGE)
        return value if abs(value) < _LARGE else Decimal(value)
    if not isfinite(value):
        raise ValueError(_TOO_LARGE)
    return Decimal(repr(value)) if type(value) is float else exact(repr(value))


def _member(value: Any) -> Any:
    if not isinstance(value, list):
        return _scalar(value)
    if len(value) > MAX_LIST:
        raise ValueError(f"must be a list of at most {MAX_LIST}")
    return tuple(_scalar(item) for item in value)


_SCALAR = {"type": ["string", "number", "boolean", "null"], "maxLength": MAX_TEXT}
Value = Annotated[
    str | int | Decimal | bool | tuple[Any, ...] | None,
    PlainValidator(_member),
    WithJsonSchema({"anyOf": [_SCALAR, {"type": "array", "maxItems": MAX_LIST, "items": _SCALAR}]}),
]
Members = Annotated[
    dict[Annotated[Text, Field(max_length=100)], Value], Field(max_length=MAX_MEMBERS)
]


class CustomerUpdated(Incoming):
    """Data of `customer.updated`. `attributes` may hold up to 50 values that campaigns can ask for."""

    partner_id: Id
    customer_id: CustomerId
    # Of a list, also where the document was parsed before (see `schemas.amounts`).
    tags: (
        Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS, fail_fast=True, strict=False)] | None
    ) = None
    birthday: Birthday = None
    locale: Locale | None = None
    attributes: Members | None = None


class CustomerCreated(CustomerUpdated):
    """Data of `customer.created`. `referred_by` is the id of the customer who brought this one."""

    referred_by: CustomerId | None = None


def _not_ours(name: str) -> str:
    if name in OURS:
        raise ValueError(
            f"{name!r} is told by events of its own: {', '.join(OURS)} are reserved, give it another name"
        )
    return name


class CustomerEvent(Incoming):
    """Data of `customer.event`. `metadata` holds up to 50 texts, numbers, truth values, or lists of them."""

    partner_id: Id
    customer_id: CustomerId
    name: Annotated[Text, Field(min_length=1, max_length=100), AfterValidator(_not_ours)]
    metadata: Members | None = None


class PointsRedeemRequested(Incoming):
    """Data of `points.redeem-requested`: a coupon by the redemption rule `rule_id`; of so many `points` where
    that is the default rule."""

    partner_id: Id
    customer_id: CustomerId
    rule_id: Id
    points: Annotated[int, Field(ge=0, le=MAX_POINTS)] | None = None


class PointsUndoRequested(Incoming):
    """Data of `points.undo-requested`: a coupon that points were redeemed for is given back, and they are returned."""

    partner_id: Id
    customer_id: CustomerId
    coupon_id: UUID
