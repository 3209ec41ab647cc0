"""A game as partners define it: the one place that knows which definitions are valid, for files and for HTTP.

Decisions, where the seed leaves a choice:

* A file's entry and a create request are whole definitions: a field left out takes its default. An update request
  names only what changes and is merged over what is stored; the merged whole obeys the same rules (`read_game`).
* null is a value: for a required field an error, for `product_ids` the same as `[]`.
* Text is trimmed before its characters are counted, and stored trimmed. Fields we do not know are ignored.
* Dates are `YYYY-MM-DD` from 1970 to 9998, so that the instants they stand for can be written in every time zone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from schemas.definitions import (
    STORABLE,
    Definition,
    InvalidDefinition,
    characters,
    refusal,
    validated,
)
from schemas.fields import Id, Ids

InvalidGame = InvalidDefinition

MAX_LOADED_ID = 2**53 - 1
"""Ids given in a file move the sequence past them, so they must leave it room."""
MAX_LIMIT = 2**31 - 1

DATE_MESSAGE = "Must be a date between 1970-01-01 and 9998-12-31, written YYYY-MM-DD"
LIMIT_MESSAGE = f"Must be between 1 and {MAX_LIMIT}, or null"
MESSAGES: Final[Mapping[str, str]] = {
    "name": "Must be between 3 and 255 characters",
    "description": "Must be between 10 and 10000 characters",
    "game_type": "Invalid game type provided",
    "reward_description": "Must be between 3 and 1000 characters",
    "is_active": "Must be true or false",
    "allow_multiple_active_coupons": "Must be true or false",
    "coupon_validity_days": "Must be between 1 and 3650 days",
    "product_ids": "Must be a list of product ids",
    "product_ids.*": "Must be a product id",
    "start_date": DATE_MESSAGE,
    "end_date": DATE_MESSAGE,
    "stamps_required": "Must be between 1 and 100",
    "customer_limit": LIMIT_MESSAGE,
    "customer_limit_per_day": LIMIT_MESSAGE,
    "customer_limit_per_week": LIMIT_MESSAGE,
    "customer_limit_per_month": LIMIT_MESSAGE,
    "total_limit": LIMIT_MESSAGE,
    "code_prefix": "Must be up to 12 characters of A-Z and 0-9",
    "partner_id": "Must be the id of a partner",
    "id": f"Must be a number between 1 and {MAX_LOADED_ID}",
}
"""What is said of a value that breaks its field's rule. Required fields left out or null have their own text."""

_YEARS = r"^(19[7-9]\d|[2-8]\d{3}|9[0-8]\d\d|99[0-8]\d|999[0-8])-\d\d-\d\d$"
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch


def _date(value: Any) -> Any:
    if isinstance(value, str):
        if not _ISO_DATE(value):
            raise ValueError("not YYYY-MM-DD")
        return date.fromisoformat(value)
    return value


Day = Annotated[
    date,
    BeforeValidator(_date),
    Field(ge=date(1970, 1, 1), le=date(9998, 12, 31)),
    WithJsonSchema({"type": "string", "format": "date", "pattern": _YEARS}),
]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)] | None


class Game(Definition):
    """A whole, valid definition."""

    name: Annotated[str, characters(3, 255), STORABLE]
    description: Annotated[str, characters(10, 10_000), STORABLE]
    game_type: Literal["stamps", "wheel", "collection", "quiz", "memory", "scratch"]
    reward_description: Annotated[str, characters(3, 1_000), STORABLE]
    is_active: bool = True
    allow_multiple_active_coupons: bool = True
    coupon_validity_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    product_ids: Ids = Field(default_factory=list)
    start_date: Day | None = None
    end_date: Day | None = None
    stamps_required: Annotated[int, Field(ge=1, le=100)] = 10
    customer_limit: Limit = None
    customer_limit_per_day: Limit = None
    customer_limit_per_week: Limit = None
    customer_limit_per_month: Limit = None
    total_limit: Limit = None
    code_prefix: Annotated[str, characters(0, 12, r"^[A-Z0-9]*$"), STORABLE] = ""

    @field_validator("end_date")
    @classmethod
    def _ends_after_it_starts(cls, end: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("start_date")
        if end is not None and start is not None and end <= start:
            raise refusal("Must be after start_date")
        return end


class GameEntry(Game):
    """A game in a file: also whose it is and, to update one or to choose it, its id."""

    partner_id: Id
    id: Annotated[int, Field(ge=1, le=MAX_LOADED_ID)] | None = None


def read_game(fields: Mapping[str, Any], stored: Mapping[str, Any] | None = None) -> Game:
    """A new game, or the `stored` fields with these changed. Raises InvalidGame."""
    return validated(Game, {**(stored or {}), **fields}, MESSAGES)


def read_entry(fields: Mapping[str, Any]) -> GameEntry:
    """A game of a file. Raises InvalidGame."""
    return validated(GameEntry, fields, MESSAGES)
