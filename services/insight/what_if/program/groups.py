"""What groups of coupons really had left when an event was decided: by what everybody's coupons say.

A family is decided by itself, so the places that others took are those that they really took. Of a group whose cap is
as it was, an event gets as many as it got; of one whose cap is another, what that leaves beside them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.domain.coupons.stock import NO_STOCK, GroupStock, PoolCode, Stock
from services.domain.partner_program import PartnerProgram
from services.insight.what_if.program.families import Share

_SQL = queries("what_if_program", __package__)
_WAIT: Final = timedelta(minutes=1)
"""Who waits for a group may have been decided before those who were faster: what they took so soon after was no more
to be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One group. `instants`: when a coupon of it began, or was cancelled; `counts`: how many there were from then on.
    `given` by the key of an event; `free`: codes of its pool that nobody has, None without a pool."""

    instants: Sequence[datetime]
    counts: Sequence[int]
    given: Mapping[Any, int]
    free: int | None

    def stock(self, key: Any, at: datetime, most: int | None, wanted: int) -> GroupStock:
        """What this event may have of it, under that cap."""
        given, codes = self.given.get(key, 0), None
        if self.free is not None:
            left = min(given + self.free, wanted)
            codes = tuple(PoolCode(text=str(number)) for number in range(left))
        if most is None:
            return GroupStock(codes=codes)
        first = bisect_left(self.instants, at)
        before = self.counts[first - 1] if first else 0
        soon = self.counts[first : bisect_right(self.instants, at + _WAIT)]
        room = min(most - before, given + max(0, most - max((before, *soon))))
        return GroupStock(issued=most - room, codes=codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """By handle, those that ever had an end to them."""

    by_handle: Mapping[str, Past] = field(default_factory=dict)

    def stock(
        self, key: Any, at: datetime, program: PartnerProgram | None, handles: Iterable[str]
    ) -> Stock:
        """Of the groups that an event may earn coupons of."""
        if program is None:
            return NO_STOCK
        return {
            (program.partner_id, handle): self.by_handle[handle].stock(
                key, at, program.groups[handle].max_total, count
            )
            for handle, count in Counter(handles).items()
            if handle in self.by_handle
        }


async def groups_of(connection: Connection, share: Share, capped: Iterable[str]) -> Groups:
    """The partner's; `given` is of the share. `capped`: handles that have a cap in the program that is tried."""
    rows = await connection.fetch(_SQL["limited_groups"], share.partner_id, list(capped))
    free = {row["handle"]: row["free"] for row in rows}
    moves: dict[str, list[tuple[datetime, int]]] = {handle: [] for handle in free}
    given: dict[str, Counter[Any]] = {handle: Counter() for handle in free}
    if free:
        for row in await connection.fetch(_SQL["coupons_of_groups"], *share.place, list(free)):
            handle = row["handle"]
            moves[handle].append((row["issued_at"], 1))
            if row["cancelled_at"] is not None:
                moves[handle].append((row["cancelled_at"], -1))
            if row["is_ours"]:
                given[handle][row["event_key"]] += 1
    return Groups(
        by_handle={
            handle: Past(
                instants=[at for at, _ in sorted(moved)],
                counts=list(accumulate(by for _, by in sorted(moved))),
                given=given[handle],
                free=free[handle],
            )
            for handle, moved in moves.items()
        }
    )
