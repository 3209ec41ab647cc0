"""What a partner books by hand, as it is sent: points to a customer, or off."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import model_validator

from schemas.definitions import refusal
from schemas.fields import CUSTOMER_ID_PATTERN
from schemas.gameball_v4.coupon_values import Expiry
from schemas.gameball_v4.reading import Part, refused_at
from schemas.gameball_v4.values import MOST, Handle, Reads, Text, is_day, matching, moment, whole

_is_customer_id = re.compile(CUSTOMER_ID_PATTERN).search
_points = whole(-MOST, MOST)


def _other_than_nothing(value: Any, info: Any) -> int:
    points: int = _points.read(value, info)
    if not points:
        raise refusal("Must not be 0")
    return points


SentCustomerId = Annotated[
    str,
    matching(
        "Must be 1 to 128 characters, without white space at an end",
        lambda it: 1 <= len(it) <= 128 and _is_customer_id(it),
        {"minLength": 1, "maxLength": 128, "pattern": CUSTOMER_ID_PATTERN},
    ),
]


class ManualTransaction(Part):
    """`transactionId`: once per partner. `points` below 0 are taken, and end by nothing then."""

    customer_id: SentCustomerId
    transaction_id: Handle
    points: Annotated[int, Reads(_other_than_nothing, {**_points.looks, "not": {"const": 0}})]
    reason: Text | None = None
    expiry_after: Expiry | None = None

    @model_validator(mode="after")
    def _ends_what_comes_in(self) -> ManualTransaction:
        if self.points < 0 and self.expiry_after is not None:
            raise refused_at({"expiryAfter": "Is for points that come in only"})
        return self

    def ends_at(self, now: datetime, time_zone: str) -> datetime | None:
        """When the points end, exclusive: so many days from now, at an instant, or with the end of a day."""
        match self.expiry_after:
            case None:
                return None
            case int(days):
                return now + timedelta(days=days)
            case text if is_day(text):
                return moment(text, time_zone, is_end=True) + timedelta(seconds=1)
            case text:
                return moment(text, time_zone, is_end=False)
