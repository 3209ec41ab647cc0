"""The instant that counts: the database's clock, moved by the test clock; and the guard that doubts it.

The guard compares the bare clock, without the test clock's offset, with every independent one that the process has: its
own, and the broker's, as told by records that were appended a moment ago.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta

from services.adapters.postgres.failures import ClockApart
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.domain.clocks import apart

_SQL = queries("clock")

log = logging.getLogger(__name__)


async def clock(connection: Connection, offset: timedelta) -> datetime:
    """The instant that counts now."""
    instant: datetime = await connection.fetchval(_SQL["clock"], offset)
    return instant


async def trusted_clock(connection: Connection, offset: timedelta, guard: ClockGuard) -> datetime:
    """The instant that counts now, at which something may be decided. Raises ClockApart."""
    at = await clock(connection, offset)
    guard.check(at - offset)
    return at


def own_clock() -> datetime:
    """How late this machine takes it to be. Times no decision: it is what the database's clock is compared with."""
    return datetime.now(UTC)  # noqa: TID251 - see above


class ClockGuard:
    """One per process. `fault` is None, or how far the database's clock was off when it was last looked at."""

    def __init__(self, own: Callable[[], datetime] = own_clock) -> None:
        self.fault: str | None = None
        self.own = own
        self._heard: dict[Hashable, tuple[datetime, float]] = {}

    def heard(self, source: Hashable, at: datetime) -> None:
        """By another clock it is this late just now, or was a moment ago. Goes on from here by itself.

        What it told before and has gone on since counts if it is later: a record that is read again is no news.
        """
        now = time.monotonic()
        known, then = self._heard.get(source, (at, now))
        if at >= known + timedelta(seconds=now - then):
            self._heard[source] = (at, now)

    def look(self, database: datetime) -> str | None:
        """The fault, as things stand when the database says that it is this late."""
        now = time.monotonic()
        others = [at + timedelta(seconds=now - then) for at, then in self._heard.values()]
        distance = apart(database, [self.own(), *others])
        fault = None if distance is None else _in_words(distance)
        if fault and not self.fault:
            log.error("%s", fault)
        if self.fault and not fault:
            log.info("the database's clock agrees again")
        self.fault = fault
        return fault

    def check(self, database: datetime) -> None:
        """Raises ClockApart, an outage, when there is a fault: nothing may be decided at such an instant."""
        if fault := self.look(database):
            raise ClockApart(fault)


def _in_words(distance: timedelta) -> str:
    seconds = abs(distance.total_seconds())
    where = "ahead of" if distance > timedelta() else "behind"
    return (
        f"the database's clock is {seconds:,.0f} s {where} every other clock known here: "
        "nothing is decided and nothing expires until it is set right"
    )


OWN_CLOCK = ClockGuard()
"""For who has no other clock than its own."""
