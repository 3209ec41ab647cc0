"""Read what partners define (games, cards, shops, products): strict types, trimmed text, every wrong field named.

Errors are keyed by the dotted path of the leaf they concern. A required field that is missing or null has a text of its
own; so has whatever raises `refusal`; for the rest the model's table of messages speaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

D = TypeVar("D", bound="Definition")

Errors = dict[str, list[str]]
"""Messages by dotted path of the field they concern."""
Messages = Mapping[str, str]
"""What is said of a value that breaks its field's rule, by dotted path; `*` stands for an index of a list."""

_REFUSAL = "refusal"
MOST_ERRORS = 50
"""Fields that one answer names: who sends ten thousand wrong ones learns nothing from the rest."""


class InvalidDefinition(ValueError):
    """A definition breaks the rules; `errors` says where and how."""

    def __init__(self, errors: Errors) -> None:
        super().__init__("; ".join(f"{path}: {' '.join(texts)}" for path, texts in errors.items()))
        self.errors = errors


class Definition(BaseModel):
    """Base of what partners define: strict (no `"30"`, `1.0` or `1` for `true`); unknown fields are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


def refusal(text: str) -> PydanticCustomError:
    """An error that brings its own message."""
    return PydanticCustomError(_REFUSAL, "{text}", {"text": text})


def _storable(value: Any) -> Any:
    """Refuse what no Postgres text can hold."""
    if isinstance(value, str) and ("\0" in value or _has_surrogate(value)):
        raise refusal("Must not contain NUL or lone surrogates")
    return value


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text)


STORABLE = BeforeValidator(_storable)


def characters(
    shortest: int, longest: int | None, pattern: str | None = r"^[^\x00]*$"
) -> StringConstraints:
    """So many characters after trimming. Stands before STORABLE in a text's type."""
    return StringConstraints(
        strip_whitespace=True, min_length=shortest, max_length=longest, pattern=pattern
    )


def exact_characters(shortest: int, longest: int, pattern: str) -> StringConstraints:
    """So many characters, none of them trimmed: what is compared exactly elsewhere."""
    return StringConstraints(min_length=shortest, max_length=longest, pattern=pattern)


def validated(model: type[D], fields: Mapping[str, Any], messages: Messages) -> D:
    """The definition these fields make. Raises InvalidDefinition."""
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        raise InvalidDefinition(_errors(model, error, messages)) from None


def _errors(model: type[Definition], invalid: ValidationError, messages: Messages) -> Errors:
    errors: Errors = {}
    for error in invalid.errors(include_url=False):
        location = _location(model, error["loc"])
        path = ".".join(map(str, location))
        if len(errors) == MOST_ERRORS and path not in errors:
            break
        is_itself = len(location) == len(error["loc"])  # and not a name or a text inside it
        if error["type"] == "missing" or (
            is_itself and _is_empty(error) and _is_required(model, location)
        ):
            text = f"The {path} field is required."
        elif error["type"] == _REFUSAL:
            text = error["msg"]
        else:
            text = _message(messages, location)
        texts = errors.setdefault(path, [])
        if text not in texts:
            texts.append(text)
    return errors


def _is_empty(error: ErrorDetails) -> bool:
    """Null, or a text without a character where one is the least."""
    is_short = error["type"] == "string_too_short" and error["ctx"]["min_length"] == 1
    return error["input"] is None or is_short


def _location(model: type[BaseModel], loc: Sequence[str | int]) -> list[str | int]:
    """The names and numbers of a location that the sender wrote: pydantic adds the tags of unions."""
    location: list[str | int] = []
    inside: Any = model
    for step in loc:
        if isinstance(step, int):
            location.append(step)
        elif isinstance(inside, type) and issubclass(inside, BaseModel):
            if step not in inside.model_fields:
                break
            location.append(step)
            inside = _model_in(inside.model_fields[step].annotation)
        else:
            break
    return location


def _model_in(annotation: Any) -> Any:
    """The model an annotation is about, through `| None`; itself where there is none."""
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _is_required(model: type[BaseModel], location: Sequence[str | int]) -> bool:
    inside: Any = model
    required = False
    for step in location:
        if isinstance(step, int) or inside is None:
            return False
        field = inside.model_fields[step]
        required, inside = field.is_required(), _model_in(field.annotation)
    return required


def _message(messages: Messages, location: Sequence[str | int]) -> str:
    """Of the leaf, or of the nearest thing around it that has one."""
    pattern = ["*" if isinstance(step, int) else step for step in location]
    while ".".join(pattern) not in messages:
        pattern.pop()
    return messages[".".join(pattern)]
