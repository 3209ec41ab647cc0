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
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from schemas.fields import Id

G = TypeVar("G", bound="Game")

Errors = dict[str, list[str]]
"""Messages by dotted path of the field they concern."""

MAX_LOADED_ID = 2**53 - 1
"""Ids given in a file move the sequence past them, so they must leave it room."""

DATE_MESSAGE = "Must be a date between 1970-01-01 and 9998-12-31, written YYYY-MM-DD"
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
    "code_prefix": "Must be up to 12 characters of A-Z and 0-9",
    "partner_id": "Must be the id of a partner",
    "id": f"Must be a number between 1 and {MAX_LOADED_ID}",
}
"""What is said of a value that breaks its field's rule. Required fields left out or null have their own text."""

_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch


class InvalidGame(ValueError):
    """A definition breaks the rules; `errors` says where and how."""

    def __init__(self, errors: Errors) -> None:
        super().__init__("; ".join(f"{path}: {' '.join(texts)}" for path, texts in errors.items()))
        self.errors = errors


def _storable(value: Any) -> Any:
    """Refuse what no Postgres text can hold, with a message of its own."""
    if isinstance(value, str) and ("\0" in value or _has_surrogate(value)):
        raise PydanticCustomError("unstorable", "Must not contain NUL or lone surrogates")
    return value


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text)


def _date(value: Any) -> Any:
    if isinstance(value, str):
        if not _ISO_DATE(value):
            raise ValueError("not YYYY-MM-DD")
        return date.fromisoformat(value)
    return value


Day = Annotated[date, BeforeValidator(_date), Field(ge=date(1970, 1, 1), le=date(9998, 12, 31))]


Storable = BeforeValidator(_storable)
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=255), Storable
]
Description = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=10, max_length=10_000), Storable
]
Reward = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=1_000), Storable
]
CodePrefix = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=12, pattern=r"^[A-Z0-9]*$"), Storable
]


class Game(BaseModel):
    """A whole, valid definition. Types are strict: no `"30"`, `1.0` or `1` for `true`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    name: Name
    description: Description
    game_type: Literal["stamps", "wheel", "collection", "quiz", "memory", "scratch"]
    reward_description: Reward
    is_active: bool = True
    allow_multiple_active_coupons: bool = True
    coupon_validity_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    product_ids: Annotated[
        list[Id], Field(max_length=10_000), BeforeValidator(lambda v: [] if v is None else v)
    ] = []
    start_date: Day | None = None
    end_date: Day | None = None
    stamps_required: Annotated[int, Field(ge=1, le=100)] = 10
    code_prefix: CodePrefix = ""

    @field_validator("end_date")
    @classmethod
    def _ends_after_it_starts(cls, end: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("start_date")
        if end is not None and start is not None and end <= start:
            raise PydanticCustomError("order", "Must be after start_date")
        return end


class GameEntry(Game):
    """A game in a file: also whose it is and, to update one or to choose it, its id."""

    partner_id: Id
    id: Annotated[int, Field(ge=1, le=MAX_LOADED_ID)] | None = None


def read_game(fields: Mapping[str, Any], stored: Game | None = None) -> Game:
    """A new game, or `stored` with these fields changed. Raises InvalidGame."""
    merged = {**stored.model_dump(), **fields} if stored else fields
    return _validated(Game, merged)


def read_entry(fields: Mapping[str, Any]) -> GameEntry:
    """A game of a file. Raises InvalidGame."""
    return _validated(GameEntry, fields)


def _validated(model: type[G], fields: Mapping[str, Any]) -> G:
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        raise InvalidGame(_errors(model, error)) from None


def _errors(model: type[Game], invalid: ValidationError) -> Errors:
    errors: Errors = {}
    for error in invalid.errors(include_url=False, include_context=False):
        field, *rest = error["loc"]
        path = f"{field}.{rest[0]}" if rest and isinstance(rest[0], int) else str(field)
        texts = errors.setdefault(path, [])
        text = _message(model, str(field), path, error["type"], error["msg"], error["input"])
        if text not in texts:
            texts.append(text)
    return errors


def _message(model: type[Game], field: str, path: str, kind: str, text: str, value: Any) -> str:
    if kind == "missing" or (value is None and model.model_fields[field].is_required()):
        return f"The {field} field is required."
    if kind in {"unstorable", "order"}:
        return text
    return MESSAGES[field if path == field else f"{field}.*"]
