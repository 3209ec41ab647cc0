"""Field types that several topics share, and the two model bases.

Incoming data is read strictly: a JSON integer where an integer is asked for (no `1.0`, `"1"`, `true`),
no NUL in a string, since Postgres' `text` cannot hold one. Lone surrogates never get this far: the JSON
parser refuses them anywhere in a document. Unknown fields are ignored. Of a repeated JSON name the last
one counts, as in Python, JavaScript and Go.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

MAX_ID = 2**63 - 1
"""The largest value of Postgres' bigint."""

MAX_DECIMAL_DIGITS = 38
_PLAIN_DECIMAL = re.compile(r"[0-9]+(?:\.[0-9]+)?").fullmatch


class Incoming(BaseModel):
    """Base of data that others send us."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class Outgoing(BaseModel):
    """Base of data that we send. Subscribers must ignore fields they do not know: more may come."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


def _plain_decimal(value: Any) -> Any:
    # Decimal() itself would also take " 1", "1_000", "1e5" and "NaN" from a string. `type` and not isinstance:
    # true is no amount.
    if type(value) is str:
        if not _PLAIN_DECIMAL(value):
            raise ValueError("as a string, digits with an optional point and more digits")
        return Decimal(value)
    return Decimal(repr(value)) if type(value) in (int, float) else value


def rfc3339(at: datetime) -> str:
    """A zoned instant as we send it: UTC, microseconds, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Count = Id
"""A whole number from 1 up, such as a quantity."""

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
CustomerId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
OrderId = CustomerId

Amount = Annotated[
    Decimal,
    Field(ge=0, max_digits=MAX_DECIMAL_DIGITS),
    BeforeValidator(_plain_decimal),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"},
            ]
        }
    ),
]
"""Money, as a string or a number. A JSON number is read as a double and taken at its shortest decimal,
exact up to 15 digits; longer amounts must come as strings."""

Instant = Annotated[
    AwareDatetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Rule(Outgoing):
    """The rule a decision was made under: the game's, at that version."""

    allow_multiple_active_coupons: bool
    coupon_validity_days: int | None
    version: int


class Cause(Outgoing):
    """The event that led to this one: its CloudEvents `source`, `id` and `type`."""

    source: str
    id: str
    type: str


class CouponEvent(Outgoing):
    """What every event about a coupon carries. `code` may be masked by a setting."""

    coupon_id: UUID
    code: str
    partner_id: Id
    game_id: Id
    customer_id: CustomerId
