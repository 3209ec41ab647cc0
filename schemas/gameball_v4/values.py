"""What a single value may be, and the text that says so: whole numbers, money, texts, addresses, instants.

Each is read by a function that refuses with its own text. Numbers must be JSON numbers that `exact_json` has read; only
what we stored ourselves holds decimals as texts. A bare date is the partner's day, so who reads gives the zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from schemas.definitions import refusal
from schemas.fields import as_money
from schemas.gameball_v4.currencies import CURRENCIES

MOST: Final = 10**12
"""Points and score."""
MAX_COUNT: Final = 2**31 - 1
MAX_ITEM_ID: Final = 2**53 - 1
"""Ids given in a file move the sequence past them, so they must leave it room."""
LONGEST_TEXT: Final = 10_000
LONGEST_URL: Final = 2_048
ADDRESS: Final = f"Must be an http or https address of up to {LONGEST_URL} characters"

_language = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}").fullmatch
_day = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_moment = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})?"
).fullmatch
_YEARS = range(1970, 9999)
_EARLIEST, _LATEST = datetime(1969, 12, 31, tzinfo=UTC), datetime(9999, 1, 2, tzinfo=UTC)
"""Of the instants that a day of these years has anywhere: what a date becomes can be sent back, and read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a value means depends on: the partner's zone, and whether it is one that we stored.

    `allows_private`: webhooks may lead to addresses that are nobody's on the internet.
    """

    time_zone: str = "UTC"
    is_stored: bool = False
    allows_private: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Reads:
    """Marks a type: how a value of it is read, and what it looks like."""

    read: Callable[[Any, ValidationInfo], Any]
    looks: dict[str, Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return self.looks


def _circumstances(info: ValidationInfo) -> Circumstances:
    return info.context if isinstance(info.context, Circumstances) else Circumstances()


def whole_of(value: Any) -> Any:
    """`100.0` as 100, anything else as it is."""
    if type(value) is Decimal and value == value.to_integral_value() and abs(value) < 2**63:
        return int(value)
    return value


def whole(least: int, most: int) -> Reads:
    """A whole number between these, both among them; `100.0` is 100."""
    text = f"Must be a whole number between {least} and {most}"

    def read(value: Any, info: ValidationInfo) -> int:
        value = whole_of(value)
        if type(value) is not int or not least <= value <= most:
            raise refusal(text)
        return int(value)

    return Reads(read, {"type": "integer", "minimum": least, "maximum": most})


def money(
    text: str, *, least: Decimal | int = 0, above: bool = False, most: int | None = None
) -> Reads:
    """An exact decimal of at most 12 digits before and 6 after the point."""

    def read(value: Any, info: ValidationInfo) -> Decimal:
        if type(value) is str and _circumstances(info).is_stored:
            return Decimal(value)
        if type(value) not in (int, Decimal):
            raise refusal(text)
        number = as_money(Decimal(value))
        if number is None or number < least or (above and number == least):
            raise refusal(text)
        if most is not None and number > most:
            raise refusal(text)
        return number

    looks = {"type": "number", "exclusiveMinimum" if above else "minimum": int(least)}
    return Reads(read, looks if most is None else {**looks, "maximum": most})


def text(least: int, most: int) -> Reads:
    """So many characters after trimming."""
    message = f"Must be {f'between {least} and' if least else 'up to'} {most} characters"

    def read(value: Any, info: ValidationInfo) -> str:
        found = storable(value, message).strip()
        if not least <= len(found) <= most:
            raise refusal(message)
        return found

    return Reads(read, {"type": "string", "minLength": least, "maxLength": most})


def storable(value: Any, message: str) -> str:
    """A text that the database can hold. Raises the refusal."""
    if (
        type(value) is not str
        or "\0" in value
        or any("\ud800" <= sign <= "\udfff" for sign in value)
    ):
        raise refusal(message)
    return value


def matching(says: str, fits: Callable[[str], Any], looks: dict[str, Any]) -> Reads:
    """A text that fits exactly as it is."""

    def read(value: Any, info: ValidationInfo) -> str:
        if not fits(storable(value, says)):
            raise refusal(says)
        return str(value)

    return Reads(read, {"type": "string", **looks})


def one_of(*words: str) -> Reads:
    """One of these words, exactly."""
    says = f"Must be one of: {', '.join(words)}"
    return matching(says, set(words).__contains__, {"enum": list(words)})


def _flag(value: Any, info: ValidationInfo) -> bool:
    if type(value) is not bool:
        raise refusal("Must be true or false")
    return value


def is_address(value: str) -> bool:
    """Whether it leads somewhere by http or https."""
    if len(value) > LONGEST_URL or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_handle(value: str) -> bool:
    return 1 <= len(value) <= 255 and value.isprintable() and not any(map(str.isspace, value))


def _reader(is_end: bool) -> Callable[[Any, ValidationInfo], datetime]:
    def read(value: Any, info: ValidationInfo) -> datetime:
        return moment(value, _circumstances(info).time_zone, is_end=is_end)

    return read


_MOMENT = "Must be an instant such as 2026-11-01T00:00:00Z, or a date from 1970 to 9998"


def moment(value: Any, time_zone: str, *, is_end: bool) -> datetime:
    """The instant in UTC; of a bare date the first of that day in this zone, or its last whole second."""
    if type(value) is str and _day(value):
        day = date_of(value)
        began = datetime.combine(day + timedelta(days=is_end), time.min, ZoneInfo(time_zone))
        return began.astimezone(UTC) - timedelta(seconds=is_end)
    found = _moment(value) if type(value) is str else None
    if found is None:
        raise refusal(_MOMENT)
    try:
        at = datetime.fromisoformat(found.string.upper())
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        if not _EARLIEST <= at < _LATEST:
            raise ValueError
        return at
    except (ValueError, OverflowError):
        raise refusal(_MOMENT) from None


def date_of(value: str) -> date:
    """The day that `YYYY-MM-DD` writes. Raises the refusal."""
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise refusal(_MOMENT) from None
    if day.year not in _YEARS:
        raise refusal(_MOMENT)
    return day


def is_day(value: str) -> bool:
    """Whether it is written as a bare date."""
    return bool(_day(value))


def shown_moment(at: datetime) -> str:
    """In UTC with `Z`; whole seconds without decimals."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


_TIME: Final = {"type": "string", "format": "date-time"}
_MONEY: Final = "Must be a number {} 0, of at most 12 digits before and 6 after the point"

Id = Annotated[int, whole(1, MAX_ITEM_ID)]
Points = Annotated[int, whole(0, MOST)]
Count = Annotated[int, whole(1, MAX_COUNT)]
Money = Annotated[Decimal, money(_MONEY.format("not below"))]
PositiveMoney = Annotated[Decimal, money(_MONEY.format("above"), above=True)]
Name = Annotated[str, text(1, 255)]
Text = Annotated[str, text(0, LONGEST_TEXT)]
Icon = Annotated[str, text(0, LONGEST_URL)]
Tag = Annotated[str, text(1, 64)]
EventName = Annotated[str, text(1, 100)]
Flag = Annotated[bool, Reads(_flag, {"type": "boolean"})]
Start = Annotated[datetime, Reads(_reader(is_end=False), _TIME)]
End = Annotated[datetime, Reads(_reader(is_end=True), _TIME)]
Url = Annotated[
    str,
    matching(
        ADDRESS,
        is_address,
        {"format": "uri", "maxLength": LONGEST_URL},
    ),
]
Handle = Annotated[
    str,
    matching("Must be 1 to 255 visible characters", _is_handle, {"minLength": 1, "maxLength": 255}),
]
Language = Annotated[str, matching("Must be a language such as en", _language, {"maxLength": 53})]
Currency = Annotated[
    str,
    matching(
        "Must be a currency of ISO 4217 in upper case, such as EUR",
        CURRENCIES.__contains__,
        {"pattern": "^[A-Z]{3}$"},
    ),
]
