"""Points as lots: what one earning brought, on which day, and what is left of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Lot:
    """What one earning brought on that day: `left` of it can be taken, `ended` was over before that."""

    day: int
    left: int
    ended: int = 0


Takes = list[tuple[Lot, int]]
"""So many points of each."""


def take(lots: Iterable[Lot], points: int) -> Takes:
    """As many of these points as there are, the oldest first. All last as long, so that these end soonest."""
    takes = []
    for lot in lots:
        part = min(lot.left, points)
        if part:
            lot.left -= part
            points -= part
            takes.append((lot, part))
    return takes


def put_back(takes: Takes) -> None:
    """Each where it was taken from, although that may have ended."""
    for lot, points in takes:
        lot.left += points


def amount(takes: Takes) -> int:
    """All of it."""
    return sum(points for _, points in takes)
