"""Where two accounts differ, as lines to read: the earliest act first."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.doors.account import Account

MOST_LINES: Final = 12
NOTHING: Final = "nothing"
NO_ACT: Final = sys.maxsize
_names_in = re.compile(r"[\w-]+").findall


def difference(
    one: Account, other: Account, acts: Mapping[str, int], *, script: str, door: str
) -> str:
    """Empty if they are equal; else which script and door, and the first entries that differ with the acts they are of."""
    entries = sorted(
        (_act((*path, was, now), acts), path, was, now)
        for path, was, now in _differing(one, other, ())
    )
    if not entries:
        return ""
    lines = [
        f"  {'no act' if act == NO_ACT else f'act {act}'}: {' · '.join(path)}: {was} one by one, {now} here"
        for act, path, was, now in entries[:MOST_LINES]
    ]
    return "\n".join((f"{script}, {door}: {len(entries)} entries differ, the first are", *lines))


def _differing(
    one: Any, other: Any, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted({*one, *other}, key=str):
            yield from _differing(one.get(key, NOTHING), other.get(key, NOTHING), (*path, str(key)))
    elif isinstance(one, list) and isinstance(other, list):
        for place in range(max(len(one), len(other))):
            mine = one[place] if place < len(one) else NOTHING
            theirs = other[place] if place < len(other) else NOTHING
            yield from _differing(mine, theirs, (*path, str(place)))
    elif one != other:
        yield path, repr(one), repr(other)


def _act(texts: tuple[str, ...], acts: Mapping[str, int]) -> int:
    """The act of the first event, coupon or record that these texts name; after all others where they name none."""
    for text in texts:
        if text.startswith("act "):
            return int(text.removeprefix("act "))
        for name in _names_in(text):
            if name in acts:
                return acts[name]
    return NO_ACT
