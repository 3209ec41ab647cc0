"""What partners ask of deliveries to their own coupon system, and what they are shown of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas.gameball_v4.answers import Answer
from schemas.gameball_v4.coupon_values import CouponType
from schemas.gameball_v4.reading import Part, refused_at
from schemas.gameball_v4.values import End, Flag, Start, matching

DeliveryStatus = Literal["pending", "held", "delivered", "dead"]
_SURROGATES = ("\ud800", "\udfff")


def _is_code(text: str) -> bool:
    is_text = "\0" not in text and not any(
        _SURROGATES[0] <= sign <= _SURROGATES[1] for sign in text
    )
    return 1 <= len(text) <= 255 and text.strip() == text and is_text


class Redrive(Part):
    """Coupons that were issued between these, both inside."""

    from_: Start = Field(alias="from")
    to: End

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Redrive:
        if self.to < self.from_:
            raise refused_at({"to": "Must not be before from"})
        return self


class TestCall(Part):
    """A sample of this type, or of the first that is sent. `dryRun`: shown, and not sent."""

    __test__ = False  # no test of ours, whatever it is called
    type: CouponType | None = None
    dry_run: Flag = False

    @model_validator(mode="after")
    def _is_of_a_type_that_is_sent(self) -> TestCall:
        if self.type == "custom":
            raise refused_at({"type": "Custom coupons are never sent"})
        return self


class GivenCode(Part):
    """The code of a coupon that was promised with 202."""

    code: Annotated[
        str,
        matching(
            "Must be 1 to 255 characters, without white space at an end",
            _is_code,
            {"minLength": 1, "maxLength": 255},
        ),
    ]


class ShownRequest(Answer):
    """A request as it was, or would be, sent; secrets are `***`."""

    method: str
    url: str
    headers: dict[str, str]
    body: str


class ShownAttempt(Answer):
    """How an attempt went. `status` of the answer, where one came; `detail`: the first of it, or what went wrong."""

    at: str
    status: int | None
    error: str | None
    duration_ms: int
    detail: str | None
    request: ShownRequest | None


class ShownDelivery(Answer):
    """What the partner's system is told of a coupon. `id` is its `webhook-id`."""

    id: str
    coupon_id: str
    customer_id: str
    status: DeliveryStatus
    attempts: list[ShownAttempt]
    next_attempt_at: str | None
    external_code: str | None


class ShownDeliveries(Answer):
    """A page of them; `startAfter` the last one's id comes the next."""

    deliveries: list[ShownDelivery]
    count: int
    has_more: bool


class ShownQueued(Answer):
    """How many are queued."""

    queued: int


class ShownTest(Answer):
    """What came of a test; of a dry run the request alone."""

    ok: bool | None = None
    status: int | None = None
    code: str | None = None
    duration_ms: int | None = None
    error: str | None = None
    request: ShownRequest | None = None


class ShownCode(Answer):
    """The code that a coupon has from now on."""

    coupon_id: str
    code: str
    code_status: Literal["final"]
