"""What a single value of an event may be that is told over HTTP: never more than its topic takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from schemas.definitions import refusal
from schemas.events.customers import MAX_LIST, MAX_MEMBERS, MAX_TEXT, OURS
from schemas.fields import CUSTOMER_ID_PATTERN, MAX_DECIMAL_DIGITS, MAX_ID, exact
from schemas.gameball_v4.reading import refused_at
from schemas.gameball_v4.values import Reads, matching, storable, text, whole, whole_of

LONGEST_ID: Final = 128
LONGEST_NAME: Final = 100
_NUMBER: Final = f"Must be a number{{}} of at most {MAX_DECIMAL_DIGITS} digits"
_NAME: Final = f"Must be up to {LONGEST_NAME} characters"
_SCALAR: Final = f"Must be a text of up to {MAX_TEXT} characters, a number, true, false or null"
_ONE_NAME: Final = "Must hold one event: its name, and what it says"

_customer_id = re.compile(CUSTOMER_ID_PATTERN).fullmatch
_currency = re.compile(r"[A-Z]{3}").fullmatch
_own_id = re.compile(r"[1-9][0-9]{0,18}").fullmatch
_began = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9:.Zz+-]{1,40})?").fullmatch


def _decimal(value: Any) -> Decimal | None:
    """The number that was sent, if it can be written out with as many digits as a topic takes."""
    if type(value) not in (int, Decimal):
        return None
    number = Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > MAX_DECIMAL_DIGITS:
        return None
    try:
        return exact(format(number, "f"))
    except ValueError:
        return None


def _amount(least: int | None) -> Reads:
    says = _NUMBER.format("" if least is None else " not below 0,")

    def read(value: Any, info: ValidationInfo) -> Decimal:
        number = _decimal(value)
        if number is None or (least is not None and number < least):
            raise refusal(says)
        return number

    return Reads(
        read, {"type": "number"} if least is None else {"type": "number", "minimum": least}
    )


def _scalar(value: Any) -> Any:
    if value is None or type(value) is bool:
        return value
    if type(value) in (int, Decimal):
        number = _decimal(value)
        if number is None:
            raise refusal(_NUMBER.format(""))
        return value if type(value) is int else number
    if len(storable(value, _SCALAR)) > MAX_TEXT:
        raise refusal(_SCALAR)
    return value


def _member(value: Any) -> Any:
    if not isinstance(value, list):
        return _scalar(value)
    if len(value) > MAX_LIST:
        raise refusal(f"Must hold at most {MAX_LIST}")
    return [_scalar(item) for item in value]


def read_members(value: Any) -> dict[str, Any]:
    """Up to fifty values by name. Raises the refusal, or one that names the places."""
    if not isinstance(value, dict):
        raise refusal("Must be an object")
    if len(value) > MAX_MEMBERS:
        raise refusal(f"Must hold at most {MAX_MEMBERS}")
    wrong: dict[str, str] = {}
    found: dict[str, Any] = {}
    for name, each in value.items():
        try:
            if len(storable(name, _NAME)) > LONGEST_NAME:
                raise refusal(_NAME)
            found[name] = _member(each)
        except PydanticCustomError as error:
            wrong[_printable(name)] = error.message()
    if wrong:
        raise refused_at(wrong)
    return found


def _printable(name: str) -> str:
    """A place that an answer can name, whatever was sent for it."""
    return name.encode(errors="replace").decode()[:LONGEST_NAME]


def _one_event(value: Any, info: ValidationInfo) -> dict[str, dict[str, Any]]:
    """{name: metadata}, of one name."""
    if not isinstance(value, dict) or len(value) != 1:
        raise refusal(_ONE_NAME)
    ((name, metadata),) = value.items()
    if not 1 <= len(storable(name, _NAME)) <= LONGEST_NAME:
        raise refusal(f"Must have a name of 1 to {LONGEST_NAME} characters")
    if name in OURS:
        raise refused_at({name: f"Is told in other ways: {', '.join(OURS)} are reserved"})
    try:
        return {name: read_members({} if metadata is None else metadata)}
    except PydanticCustomError as error:
        raise refused_at(_inside(name, error)) from None


def _inside(name: str, error: PydanticCustomError) -> Mapping[str, str]:
    errors = (error.context or {}).get("errors")
    if errors is None:
        return {name: error.message()}
    return {f"{name}.{place}": says for place, says in errors.items()}


def _day(value: Any, info: ValidationInfo) -> date:
    """A date, or the one that an instant begins with: it was sent as it is meant."""
    try:
        if type(value) is str and _began(value):
            return date.fromisoformat(value[:10])
    except ValueError:
        pass
    raise refusal("Must be a date such as 1990-09-19")


def _collections(value: Any, info: ValidationInfo) -> list[str]:
    """Ids as texts, as they are compared; a single one is a list of one."""
    listed = value if isinstance(value, list) else [value]
    found = []
    for each in map(whole_of, listed):
        if type(each) is not int and not 1 <= len(storable(each, _COLLECTION)) <= 255:
            raise refusal(_COLLECTION)
        found.append(str(each))
    return found


_COLLECTION: Final = "Must be a list of ids: whole numbers, or 1 to 255 characters"
_ID: Final = {"type": ["integer", "string"]}

CustomerId = Annotated[
    str,
    matching(
        f"Must be 1 to {LONGEST_ID} characters, without white space at its ends",
        lambda value: len(value) <= LONGEST_ID and _customer_id(value),
        {"minLength": 1, "maxLength": LONGEST_ID, "pattern": CUSTOMER_ID_PATTERN},
    ),
]
OrderId = Annotated[
    str,
    matching(
        f"Must be 1 to {LONGEST_ID} characters",
        lambda value: 1 <= len(value) <= LONGEST_ID,
        {"minLength": 1, "maxLength": LONGEST_ID},
    ),
]
Locale = Annotated[str, text(1, 35)]
Channel = Annotated[
    str,
    matching("Must be up to 255 characters", lambda value: len(value) <= 255, {"maxLength": 255}),
]
OutsideText = Annotated[str, matching("Must be a text", lambda value: True, {})]
Currency = Annotated[
    str, matching("Must be three capital letters", _currency, {"pattern": "^[A-Z]{3}$"})
]
OwnId = Annotated[int, whole(1, MAX_ID)]
Amount = Annotated[Decimal, _amount(0)]
SignedAmount = Annotated[Decimal, _amount(None)]
Day = Annotated[date, Reads(_day, {"type": "string", "format": "date"})]
Members = Annotated[
    dict[str, Any],
    Reads(
        lambda value, info: read_members(value), {"type": "object", "maxProperties": MAX_MEMBERS}
    ),
]
OneEvent = Annotated[
    dict[str, Any],
    Reads(
        _one_event,
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": {"type": ["object", "null"]},
        },
    ),
]
Collections = Annotated[
    list[str], Reads(_collections, {"anyOf": [_ID, {"type": "array", "items": _ID}]})
]


def own_id(product_id: int | str | None) -> int | None:
    """The product of ours that this names, if it can be one."""
    if isinstance(product_id, str):
        product_id = int(product_id) if _own_id(product_id) else None
    return product_id if product_id is not None and 1 <= product_id <= MAX_ID else None
