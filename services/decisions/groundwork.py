"""What a change of games needs done before it, so that it keeps no issuer waiting: in transactions of their own.

A change holds its games' rows until its commit, and whoever issues waits for them. So nothing in it may take longer the
more coupons a game has. Where something would, it is turned away with `NeedsGroundwork` and begins again when that is
laid: coupons that are over are closed a few at a time, and a game that gets its first limit gets the largest there is,
under which what it issues is taken from shares; what it has issued before is then counted while it goes on issuing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from services.adapters.postgres.clock import clock
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.games import limit_without_counting, unlimit
from services.adapters.postgres.pool import Connection
from services.decisions.manner import Manner
from services.decisions.passing_time import close_lapsed

T = TypeVar("T")
Begin = Callable[[], AbstractAsyncContextManager[Connection]]
"""A transaction, committed at the end of the block."""

ROUNDS = 5
"""A change may need one thing after another; what it asks for again and again is no groundwork."""


class NeedsGroundwork(Exception):
    """Roll back, lay it, begin again. Games by what they need."""

    def __init__(
        self, *, lapsed: frozenset[int] = frozenset(), uncounted: frozenset[int] = frozenset()
    ) -> None:
        super().__init__(f"coupons to close: {sorted(lapsed)}; to count: {sorted(uncounted)}")
        self.lapsed = lapsed
        self.uncounted = uncounted


async def upon_groundwork(
    change: Callable[[], Awaitable[T]], begin: Begin, *, actor: str, manner: Manner
) -> T:
    """Run `change`, a whole transaction, and lay what it turns out to need. Raises what it raises."""
    uncounted: frozenset[int] = frozenset()
    try:
        for _ in range(ROUNDS):
            try:
                return await change()
            except NeedsGroundwork as needed:
                uncounted |= needed.uncounted
                await _lay(needed, begin, actor, manner)
        raise LostRace("coupons of this game end faster than they are closed")
    except BaseException:
        if uncounted:
            async with begin() as connection:
                await unlimit(connection, uncounted)
        raise


async def _lay(needed: NeedsGroundwork, begin: Begin, actor: str, manner: Manner) -> None:
    if needed.uncounted:
        async with begin() as connection:
            await limit_without_counting(connection, needed.uncounted)
    all_closed = not needed.lapsed
    while not all_closed:
        try:
            async with begin() as connection:
                at = await clock(connection, manner.clock_offset)
                all_closed = await close_lapsed(connection, manner, needed.lapsed, at, actor=actor)
        except LostRace:
            continue  # of one coupon, with somebody who has dealt with it
