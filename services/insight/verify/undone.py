"""P8: a redemption that is undone gives back the very points that it took, once, and nothing else gives any back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import asyncpg
import orjson

from services.domain.origins import SourceKind
from services.domain.points.wallet import EntryKind

Taken = tuple[tuple[int, int], ...]
"""Lot and points each, in the order of the lots."""


class Redemptions:
    """Of one customer, as entries pass: what was taken for coupons and what was given back, by decision."""

    def __init__(self) -> None:
        self._taken: dict[object, Taken] = {}
        self._given_back: list[tuple[int, object, Taken]] = []

    def note(self, row: asyncpg.Record | Mapping[str, Any]) -> None:
        """An entry, if it is of these."""
        kind = row["kind"]
        if row["source_kind"] == SourceKind.REDEMPTION and kind == EntryKind.SPENT:
            self._taken[row["event_key"]] = _taken(row)
        elif kind == EntryKind.RESTORED:
            self._given_back.append((row["number"], row["event_key"], _taken(row)))

    def faults(self, undone: Iterable[tuple[object, object]]) -> Iterator[str]:
        """What is wrong, given the decisions that gave a coupon back, each with the one that had bought it."""
        expected = dict(undone)
        for number, key, back in self._given_back:
            bought_by = expected.pop(key, None)
            if bought_by is None:
                yield f": entry {number} gives points back, and its decision undid no redemption, or did before"
            elif tuple((lot, -points) for lot, points in back) != self._taken.pop(bought_by, None):
                yield f": entry {number} gives back other points than decision {bought_by} took"
        for key, bought_by in expected.items():
            yield f" gave a coupon back by decision {key}, and not the points that decision {bought_by} took"


def _taken(row: asyncpg.Record | Mapping[str, Any]) -> Taken:
    return tuple(sorted((lot, points) for lot, points, _ in orjson.loads(row["takes"] or "[]")))
