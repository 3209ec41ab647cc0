"""Triggers: an event's name, conditions on what it says, and a count. Campaigns and referrals begin with one."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeAlias

SIGN_UP: Final = "sign_up"
PLACE_ORDER: Final = "place_order"
GAME_COMPLETED: Final = "game_completed"
BIRTHDAY: Final = "birthday"
VISIT: Final = "visit"
OURS: Final = frozenset({SIGN_UP, PLACE_ORDER, GAME_COMPLETED, BIRTHDAY})
"""Names of what we tell ourselves: nobody may send an event of such a name."""

_decimal = re.compile(r"[+-]?[0-9]{1,100}(?:\.[0-9]{1,100})?").fullmatch

Scalar: TypeAlias = str | int | Decimal | bool | None
Value: TypeAlias = Scalar | Sequence[Scalar]
Metadata: TypeAlias = Mapping[str, Value]


class Operator(StrEnum):
    """How a condition compares."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    GREATER_THAN = "greater_than"
    LESS_THAN = "less_than"
    GREATER_THAN_OR_EQUALS = "greater_than_or_equals"
    LESS_THAN_OR_EQUALS = "less_than_or_equals"


_COMPARES: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQUALS: operator.eq,
    Operator.NOT_EQUALS: operator.ne,
    Operator.GREATER_THAN: operator.gt,
    Operator.LESS_THAN: operator.lt,
    Operator.GREATER_THAN_OR_EQUALS: operator.ge,
    Operator.LESS_THAN_OR_EQUALS: operator.le,
}
_OF_TEXTS: Final = frozenset({Operator.EQUALS, Operator.NOT_EQUALS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a member of the event's metadata must be."""

    name: str
    operator: Operator
    value: str
    _number: Decimal | None = field(init=False, repr=False, compare=False)
    _compares: Callable[[Any, Any], bool] = field(init=False, repr=False, compare=False)
    """What the value writes down, and how it is compared, worked out once: every order asks."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_number", number_of(self.value))
        object.__setattr__(self, "_compares", _COMPARES[self.operator])

    def holds(self, metadata: Metadata) -> bool:
        """A missing member never does; of a list any item may."""
        found = metadata.get(self.name)
        if found is None:
            return False
        if isinstance(found, (list, tuple)):
            return any(item is not None and self._is_true_of(item) for item in found)
        return self._is_true_of(found)  # type: ignore[arg-type]

    def _is_true_of(self, found: Scalar) -> bool:
        """As numbers if both are, else as texts without case, of which none is before another."""
        mine = self._number
        if mine is not None and (theirs := number_of(found)) is not None:
            return self._compares(theirs, mine)
        return self.operator in _OF_TEXTS and self._compares(_text(found), _text(self.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Fires when `count` events of this name have met all conditions; then counting starts anew."""

    event_name: str
    conditions: tuple[Condition, ...] = ()
    count: int = 1

    def holds(self, event_name: str, metadata: Metadata) -> bool:
        if event_name != self.event_name:
            return False
        for condition in self.conditions:  # noqa: SIM110 - half of them have none, and a generator costs more
            if not condition.holds(metadata):
                return False
        return True


def number_of(value: Scalar) -> Decimal | None:
    """The number that this is, or writes down; None for anything else, truth values among it."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return Decimal(value)
    text = value.strip()
    return Decimal(text) if _decimal(text) else None


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).casefold()
