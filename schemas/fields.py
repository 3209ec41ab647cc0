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
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

MAX_ID = 2**63 - 1
"""The largest value of Postgres' bigint."""

MAX_DECIMAL_DIGITS = 38
MAX_EXPONENT = 30
MONEY_BEFORE_POINT, MONEY_AFTER_POINT = 12, 6
"""Digits before and after the point of an amount of money, a rate and a factor that a partner sets."""
_DECIMAL = r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_decimal = re.compile(_DECIMAL).fullmatch
_short_decimal = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,18})?").fullmatch
"""Nearly every amount: nothing of it is too long."""


class Incoming(BaseModel):
    """Base of data that others send us."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class Outgoing(BaseModel):
    """Base of data that we send. Subscribers must ignore fields they do not know: more may come."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


def exact(value: Any) -> Decimal:
    """The decimal that a JSON string or number writes down. Raises ValueError for what is none, or is too long."""
    # `type` and not isinstance: true is no amount. A number that came as a double is exact at its shortest decimal, up
    # to 15 digits; who reads records sees to it that a longer one comes as a string (see `schemas.amounts`).
    text = repr(value) if type(value) in (int, float) else value
    if type(text) is str and _short_decimal(text):
        return Decimal(text) or Decimal(0)
    if type(text) is not str or not _decimal(text):
        raise ValueError(
            "must be a number, or a string of an optional sign, digits, an optional fraction and an optional exponent"
        )
    written, _, exponent = text.lower().partition("e")
    if sum(map(str.isdigit, written)) > MAX_DECIMAL_DIGITS:
        raise ValueError(f"must have at most {MAX_DECIMAL_DIGITS} digits")
    if exponent and (len(exponent) > MAX_DECIMAL_DIGITS or abs(int(exponent)) > MAX_EXPONENT):
        raise ValueError(f"must have an exponent from -{MAX_EXPONENT} to {MAX_EXPONENT}")
    return Decimal(text) or Decimal(0)


def _exact_amount(value: Any) -> Decimal:
    """The same, not below 0: in one call, since an order has half a dozen amounts."""
    amount = exact(value)
    if amount < 0:
        raise ValueError("must not be below 0")
    return amount


def rfc3339(at: datetime) -> str:
    """A zoned instant as we send it: UTC, microseconds, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Count = Id
"""A whole number from 1 up, such as a quantity."""

MAX_IDS = 10_000
Ids = Annotated[
    list[Id],
    Field(max_length=MAX_IDS),
    BeforeValidator(lambda value: [] if value is None else value),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "array",
                    "maxItems": MAX_IDS,
                    "items": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
                },
                {"type": "null"},
            ]
        }
    ),
]
"""Ids of what partners define; null is none."""

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
OrderId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
WHITE_SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Unicode's White_Space, as a class of a pattern has it inside its brackets."""
CUSTOMER_ID_PATTERN = rf"^[^\x00{WHITE_SPACE}](?:[^\x00]*[^\x00{WHITE_SPACE}])?$"
CustomerId = Annotated[str, Field(min_length=1, max_length=128, pattern=CUSTOMER_ID_PATTERN)]
"""Compared exactly, everywhere. White space at an end is refused: some door, somewhere, would trim it."""
KnownCustomerId = OrderId
"""Of a customer who is stored: before they were refused, white space at an end was kept."""

SignedAmount = Annotated[
    Decimal,
    PlainValidator(exact),
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^{_DECIMAL}$"}]},
    ),
]
"""Money, as a string or a number; exact, `-0.00` is 0."""
Amount = Annotated[
    Decimal,
    PlainValidator(_exact_amount),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": f"^{_DECIMAL}$"},
            ]
        }
    ),
]
"""The same, not below 0."""

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


AmountText = Annotated[str, Field(pattern=r"^[0-9]+(?:\.[0-9]+)?$")]
"""Money or a factor, exact, without an exponent."""


class Source(Outgoing):
    """What something was earned by, or taken for; `id` as text: of an order its id, of a campaign its, and so on."""

    kind: Literal["game", "order", "campaign", "tier", "referral", "card", "redemption", "manual"]
    id: str


class CombinesWith(Outgoing):
    """Which other discounts an order may have beside."""

    order: bool
    product: bool
    shipping: bool


class Terms(Outgoing):
    """What a coupon is worth and when it applies, frozen at its issue. Null says nothing; `combines_with`: with all."""

    type: Literal["percentage", "fixed", "free_shipping", "free_product", "custom"]
    value: AmountText | None
    currency: str | None
    min_order_value: AmountText | None
    capping: AmountText | None
    usage_limit: int
    used_count: int
    combines_with: CombinesWith | None
    product_ids: tuple[str, ...]
    collection_ids: tuple[str, ...]
    platforms: tuple[str, ...]
    group: str | None


CodeStatus = Literal["final", "pending"]
"""Of the code that a customer shows: it stays, or may give way to one that the partner's own system is asked for."""


class CouponEvent(Outgoing):
    """What every event about a coupon carries. `code` is what the customer shows, and may be masked by a setting; where
    the partner brought it, `internal_code` is ours. `code_status` `pending`: the partner's own system is to
    give another.

    Of a game's coupon `source` names the game, and `program_version` and `terms` are null; of any other `game_id` is.
    """

    coupon_id: UUID
    code: str
    internal_code: str | None = None
    code_status: CodeStatus
    partner_id: Id
    game_id: Id | None
    customer_id: KnownCustomerId
    source: Source
    program_version: int | None
    terms: Terms | None


def as_money(number: Decimal) -> Decimal | None:
    """The same in its shortest form, without an exponent; None if it has too many digits, or is no number."""
    if not number.is_finite() or number.adjusted() >= MONEY_BEFORE_POINT:
        return None
    if number == 0:
        return Decimal(0)
    shortest = number.normalize() if len(number.as_tuple().digits) <= 28 else number
    exponent = shortest.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -MONEY_AFTER_POINT:
        return None
    return shortest.quantize(Decimal(1)) if exponent > 0 else shortest
