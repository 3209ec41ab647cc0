"""How a section is read: names in their order, one place for each thing, and every wrong place named by its path.

First what was sent is put into the shape that its model has (`settled`): the case of a name's first letter is ignored,
of two names or places of one thing one is left, unknown names are dropped or, where a file is read, refused. A change
then is laid over what is there (`merged`), and the whole is validated (`read`). So a place that was sent wins over what
is stored, whichever of its names it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import MappingProxyType, NoneType
from typing import Any, ClassVar, Final, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from schemas.definitions import MOST_ERRORS, Errors, InvalidDefinition
from schemas.gameball_v4.exact_json import digits, write
from schemas.gameball_v4.values import Circumstances, shown_moment

P = TypeVar("P", bound="Part")

_REFUSALS: Final = "refusals"
DIFFERENT: Final = "Is given twice, differently: see {other}"
UNKNOWN: Final = "Is not known"


class Refused:
    """Collects what is wrong, by path. `places`: where that was sent which now stands at another place, by that one."""

    def __init__(
        self, path: str = "", errors: Errors | None = None, places: dict[str, str] | None = None
    ) -> None:
        self.path = path
        self.errors: Errors = {} if errors is None else errors
        self.places: dict[str, str] = {} if places is None else places

    def at(self, name: str | int) -> Refused:
        """The same, one step further in."""
        path = f"{self.path}.{name}" if self.path else str(name)
        return Refused(path, self.errors, self.places)

    def moved(self, name: str, sent: str) -> None:
        """What is at this name was sent at that one: whoever sent it is told of the place that it knows."""
        self.places[self.at(name).path] = self.at(sent).path

    def add(self, text: str) -> None:
        """Something is wrong here."""
        self.errors.setdefault(self.path, []).append(text)

    def end(self) -> None:
        """Raises InvalidDefinition if anything was."""
        if self.errors:
            raise InvalidDefinition(dict(list(self.errors.items())[:MOST_ERRORS]))


class Part(BaseModel):
    """An object of the program. `computed`: names that are shown and, when sent, ignored. `settle` makes one place of
    two."""

    model_config = ConfigDict(
        alias_generator=to_camel, frozen=True, extra="ignore", populate_by_name=True
    )
    computed: ClassVar[frozenset[str]] = frozenset()
    carries: ClassVar[str | None] = None
    """The field that holds what has no field of its own."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_missing(cls, fields: Any) -> Any:
        """For a required field, after a change was laid over what is there too."""
        nulls = [
            name
            for name in _required(cls)
            if isinstance(fields, dict) and name in fields and fields[name] is None
        ]
        return (
            {name: each for name, each in fields.items() if name not in nulls} if nulls else fields
        )

    @classmethod
    def settle(cls, sent: dict[str, Any], refused: Refused) -> None:
        """Leave one name and place of each thing; `sent` has its names with a small first letter."""


@cache
def _required(model: type[Part]) -> tuple[str, ...]:
    """Fields that must be there and cannot be null, as they are sent."""
    return tuple(
        field.alias or name
        for name, field in model.model_fields.items()
        if field.is_required() and NoneType not in get_args(field.annotation)
    )


def refused_at(errors: Mapping[str, str]) -> PydanticCustomError:
    """For a validator of a whole object: what is wrong in it, by path from there."""
    return PydanticCustomError(_REFUSALS, "refused", {"errors": dict(errors)})


def settled(model: type[Part], sent: Any, refused: Refused, *, strict: bool) -> Any:
    """What was sent in the model's own names and places; what is no object is left to the validation."""
    if not isinstance(sent, dict):
        return sent
    named = _small(sent, refused)
    model.settle(named, refused)
    fields = {
        field.alias: field for name, field in model.model_fields.items() if name != model.carries
    }
    found: dict[str, Any] = {}
    carried: dict[str, Any] = {}
    for name, value in named.items():
        if name not in fields:
            if model.carries is not None and name not in model.computed:
                carried[name] = value
            elif strict and name not in model.computed:
                refused.at(name).add(UNKNOWN)
            continue
        found[name] = _inside(fields[name].annotation, value, refused.at(name), strict=strict)
    if model.carries is not None:
        found[model.carries] = carried
    return found


def _small(sent: dict[str, Any], refused: Refused) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in sent.items():
        small = name[:1].lower() + name[1:]
        unite(named, small, value, refused, other=small)
    return named


def unite(
    into: dict[str, Any], name: str, value: Any, refused: Refused, *, other: str | None = None
) -> None:
    """Put a value where the same thing may be already: equal is fine, null yields, different is refused."""
    if name not in into or into[name] is None:
        into[name] = value
        if other not in (None, name):
            refused.moved(name, other)
    elif value is not None and not same(into[name], value):
        refused.at(name).add(DIFFERENT.format(other=other or name))


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1. However deep: nobody has measured yet what was sent."""
    pairs = [(one, other)]
    while pairs:
        this, that = pairs.pop()
        if isinstance(this, dict) and isinstance(that, dict):
            if this.keys() != that.keys():
                return False
            pairs += [(this[name], that[name]) for name in this]
        elif isinstance(this, list) and isinstance(that, list):
            if len(this) != len(that):
                return False
            pairs += zip(this, that, strict=True)
        elif isinstance(this, bool) != isinstance(that, bool) or this != that:
            return False
    return True


def _inside(annotation: Any, value: Any, refused: Refused, *, strict: bool) -> Any:
    model = _part_in(annotation)
    if model is None:
        return value
    if isinstance(value, list):
        return [
            settled(model, item, refused.at(index), strict=strict)
            for index, item in enumerate(value)
        ]
    if isinstance(value, dict) and _is_mapping(annotation):
        return {
            name: settled(model, item, refused.at(name), strict=strict)
            for name, item in value.items()
        }
    return settled(model, value, refused, strict=strict)


def _part_in(annotation: Any) -> type[Part] | None:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    return next((found for part in get_args(annotation) if (found := _part_in(part))), None)


def _is_mapping(annotation: Any) -> bool:
    origins = {annotation, *get_args(annotation)}
    return any(getattr(origin, "__origin__", None) is dict for origin in origins)


def merged(stored: Any, sent: Any) -> Any:
    """Objects to any depth, everything else replaced."""
    if isinstance(stored, dict) and isinstance(sent, dict):
        return {
            **stored,
            **{name: merged(stored.get(name), value) for name, value in sent.items()},
        }
    return sent


def validated(
    model: type[P],
    fields: Any,
    circumstances: Circumstances,
    path: str = "",
    places: Mapping[str, str] = MappingProxyType({}),
) -> P:
    """The part that these make. Raises InvalidDefinition, paths beginning with `path`; `places` as in Refused."""
    try:
        return model.model_validate(fields, context=circumstances)
    except ValidationError as invalid:
        raise InvalidDefinition(_errors(invalid, path, places)) from None


def _errors(invalid: ValidationError, path: str, places: Mapping[str, str]) -> Errors:
    errors: Errors = {}
    for error in invalid.errors(include_url=False):
        steps = [str(step) for step in error["loc"] if step not in _OURS]
        inner = ".".join([path, *steps] if path else steps)
        where = _as_sent(inner, places)
        if error["type"] == _REFUSALS:
            found = {
                _as_sent(".".join(filter(None, (inner, inside))), places): text
                for inside, text in error["ctx"]["errors"].items()
            }
        elif error["type"] == "missing":
            found = {where: f"The {where} field is required."}
        else:
            found = {where: _SAYS.get(error["type"], error["msg"]).format_map(error.get("ctx", {}))}
        for at, text in found.items():
            if len(errors) == MOST_ERRORS and at not in errors:
                return errors
            texts = errors.setdefault(at, [])
            if text not in texts:
                texts.append(text)
    return errors


def _as_sent(path: str, places: Mapping[str, str]) -> str:
    """By the innermost thing around it that was moved."""
    steps = path.split(".")
    for end in range(len(steps), 0, -1):
        if (place := places.get(".".join(steps[:end]))) is not None:
            return ".".join([place, *steps[end:]])
    return path


_OURS: Final = ("[key]", "carried")
"""Steps of a location that nobody has sent."""
_SAYS: Final = {
    "model_type": "Must be an object",
    "dict_type": "Must be an object",
    "list_type": "Must be a list",
    "tuple_type": "Must be a list",
    "too_long": "Must hold at most {max_length}",
    "too_short": "Must hold at least {min_length}",
}


def storable(value: Any) -> Any:
    """What is stored: JSON with exact decimals as texts, each as short as can be, and instants in UTC."""
    return _laid_out(value, digits, write)


def sendable(value: Any) -> Any:
    """The same as who sends it would write it: what a change is laid over."""
    return _laid_out(value, lambda number: number, lambda carried: carried)


def _laid_out(
    value: Any, number: Callable[[Decimal], Any], carried: Callable[[dict[str, Any]], Any]
) -> Any:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Part):
        return {
            alias: carried(getattr(value, name))
            if name == value.carries
            else _laid_out(getattr(value, name), number, carried)
            for name, alias in _names(type(value))
        }
    if isinstance(value, dict):
        return {name: _laid_out(each, number, carried) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_laid_out(each, number, carried) for each in value]
    if isinstance(value, Decimal):
        return number(value)
    return shown_moment(value) if isinstance(value, datetime) else value


@cache
def _names(model: type[Part]) -> tuple[tuple[str, str], ...]:
    return tuple((name, field.alias or name) for name, field in model.model_fields.items())
