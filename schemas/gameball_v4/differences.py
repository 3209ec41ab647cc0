"""What differs between two programs: the items and the fields, by place, with what they were and what they become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.gameball_v4.exact_json import write
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.reading import same, sendable
from schemas.gameball_v4.shown import Document, shown_program

LONGEST: Final = 60
"""Characters of a value that are shown."""
_KEYS: Final[Mapping[str, str]] = {
    "tiers": "id",
    "campaigns": "id",
    "rules": "id",
    "couponGroups": "handle",
    "tierCashbackRules": "tierName",
}
"""What items of a list are told apart by."""
_NOTHING: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`was` and `becomes` as JSON, cut short; None where there is nothing, or where an item is new."""

    place: str
    was: str | None
    becomes: str | None


def differences(before: Sections, after: Sections) -> list[Difference]:
    """In the order of sections. An item is called by its id, a new one by its name."""
    return [
        Difference(place=place, was=_short(was), becomes=_short(becomes))
        for place, was, becomes in _differ("", _plain(before), _plain(after))
    ]


def _plain(sections: Sections) -> Document:
    """As it is shown, each thing in one place, without what is computed."""
    document = shown_program(sections)
    document["cashback"] = sendable(sections.cashback)
    document["referrals"]["customerReward"].pop("extraReward")
    return document


def _differ(place: str, was: Any, becomes: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(was, dict) and isinstance(becomes, dict):
        for name in dict.fromkeys([*was, *becomes]):
            inside = f"{place}.{name}" if place else name
            key = _KEYS.get(name)
            if key and all(_is_keyed(each.get(name) or [], key) for each in (was, becomes)):
                yield from _differ_by(inside, key, was.get(name) or [], becomes.get(name) or [])
            else:
                yield from _differ(inside, was.get(name, _NOTHING), becomes.get(name, _NOTHING))
    elif _is_alike(was, becomes):
        for index, (one, other) in enumerate(zip(was, becomes, strict=True)):
            yield from _differ(f"{place}.{index}", one, other)
    elif was is _NOTHING or becomes is _NOTHING or not same(was, becomes):
        yield place, was, becomes


def _is_keyed(value: Any, key: str) -> bool:
    """Items of ours, and not what a partner happens to call by the same name."""
    return isinstance(value, list) and all(isinstance(item, dict) and key in item for item in value)


def _is_alike(was: Any, becomes: Any) -> bool:
    """Lists of as many objects, whose fields can be compared one by one."""
    return (
        isinstance(was, list)
        and isinstance(becomes, list)
        and len(was) == len(becomes)
        and all(isinstance(item, dict) for item in (*was, *becomes))
    )


def _differ_by(
    place: str, key: str, was: Sequence[Document], becomes: Sequence[Document]
) -> Iterator[tuple[str, Any, Any]]:
    before = {item[key]: item for item in was}
    after = {item[key]: item for item in becomes if item[key] is not None}
    for item in was:
        if item[key] not in after:
            yield f"{place}.{item[key]}", _name(item), _NOTHING
    for item in becomes:
        if item[key] in before:
            yield from _differ(f"{place}.{item[key]}", before[item[key]], item)
        else:
            yield f"{place}.{item[key] or 'new'}", _NOTHING, _name(item)


def _name(item: Document) -> str:
    names = (item.get(name) for name in ("name", "title", "ruleType", "handle", "tierName"))
    return next((str(name) for name in names if name), "")


def _short(value: Any) -> str | None:
    if value is _NOTHING:
        return None
    text = value if isinstance(value, str) else write(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
