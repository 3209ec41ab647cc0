"""What groups of coupons have left to give: caps on all coupons of one, and pools of codes.

One that is not in a `Stock` has given nothing and has no pool.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from services.domain.coupons.effects import ChangeCoupon, GrantCoupon, group_moved
from services.domain.terms import Group
from services.domain.values import quickly_made

GroupKey = tuple[int, str]
"""(partner id, handle)."""


@quickly_made(frozen=True, slots=True, kw_only=True)
class PoolCode:
    """A code to be issued, as it is shown. `own`: of one that we made, what a coupon has: prefix and code."""

    text: str
    own: tuple[str, str] | None = None


@quickly_made(frozen=True, slots=True, kw_only=True)
class GroupStock:
    """`issued`: its coupons that are not cancelled. `codes`: the next ones of its pool, as many as are asked for at
    most; None of a group without a pool."""

    issued: int = 0
    codes: tuple[PoolCode, ...] | None = None

    def has_left(self, group: Group) -> bool:
        """Whether there is one more coupon of the group."""
        return self.codes != () and (group.max_total is None or self.issued < group.max_total)


Stock = Mapping[GroupKey, GroupStock]
NO_STOCK: Final[Stock] = {}
UNTOUCHED: Final = GroupStock()


def left_of(stock: GroupStock, handle: str, effects: Iterable[object]) -> GroupStock:
    """What the group has left after these. A coupon that is cancelled gives its place back, and never its code."""
    issued, codes = stock.issued, stock.codes
    for effect in effects:
        if type(effect) not in _MOVING:
            continue
        moved = group_moved(effect)
        if moved is None or moved[0] != handle:
            continue
        issued += moved[1]
        if codes and isinstance(effect, GrantCoupon):
            codes = tuple(each for each in codes if each.text != effect.pool_code)
    return GroupStock(issued=issued, codes=codes)


def left_after(stock: Stock, partner_id: int, effects: Iterable[object]) -> Stock:
    """The same of all groups of a partner."""
    effects = tuple(effects)
    handles = {handle for handle, _ in moves(effects)}
    if not handles:
        return stock
    left = {
        (partner_id, handle): left_of(stock.get((partner_id, handle), UNTOUCHED), handle, effects)
        for handle in handles
    }
    return {**stock, **left}


def moves(effects: Iterable[object]) -> list[tuple[str, int]]:
    """By how much each of these changes the coupons of which group, in their order."""
    found = (group_moved(effect) for effect in effects if type(effect) in _MOVING)
    return [move for move in found if move is not None]


class Given:
    """What decisions that nobody records have given of groups: while they are many, and the stock is read anew for each
    batch."""

    def __init__(self) -> None:
        self._issued: Counter[GroupKey] = Counter()
        self._codes: dict[GroupKey, set[str]] = {}

    def note(self, partner_id: int, effects: Iterable[object]) -> None:
        """These would be recorded."""
        for effect in effects:
            moved = group_moved(effect) if type(effect) in _MOVING else None
            if moved is None:
                continue
            key = (partner_id, moved[0])
            self._issued[key] += moved[1]
            if isinstance(effect, GrantCoupon) and effect.pool_code is not None:
                self._codes.setdefault(key, set()).add(effect.pool_code)

    def codes_of(self, key: GroupKey) -> int:
        """How many codes of its pool."""
        return len(self._codes.get(key, ()))

    def taken_from(self, stock: Stock) -> Stock:
        """What is left of what is stored."""
        left = {
            key: GroupStock(
                issued=each.issued + self._issued[key],
                codes=None if each.codes is None else self._unused(key, each.codes),
            )
            for key, each in stock.items()
        }
        missing = self._issued.keys() - stock.keys()
        return {**left, **{key: GroupStock(issued=self._issued[key]) for key in missing}}

    def _unused(self, key: GroupKey, codes: tuple[PoolCode, ...]) -> tuple[PoolCode, ...]:
        used = self._codes.get(key, ())
        return tuple(code for code in codes if code.text not in used)


_MOVING: Final = frozenset((GrantCoupon, ChangeCoupon))
"""By type, since it is asked of every effect of every event."""
