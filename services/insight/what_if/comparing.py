"""Count what differs between the record and the changed rules."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.domain.program import midnight
from services.insight.what_if.history import Happened
from services.insight.what_if.world import ISSUED, Answer

MOST_MISMATCHES = 100
"""That are named; the rest are counted."""

_LOST = 1 << 32
"""A customer's two counters are one number, for there may be a million customers."""


class Change(NamedTuple):
    """Coupons that one customer gets by the changed rules alone, and by the record alone."""

    gained: int
    lost: int

    @property
    def difference(self) -> int:
        return self.gained - self.lost


class Mismatch(NamedTuple):
    """A decision that the recorded rules do not reproduce."""

    happened: Happened
    decided: Answer


class Days:
    """The day of an instant in a zone. Asked for every decision, and most fall on the same day as the one before."""

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        self._day = date.min
        self._from = self._to = datetime.min.replace(tzinfo=UTC)

    def of(self, at: datetime) -> date:
        """The day there."""
        if not self._from <= at < self._to:
            self._day = at.astimezone(self._zone).date()
            self._from = midnight(self._day, self._zone)
            self._to = midnight(self._day + timedelta(days=1), self._zone)
        return self._day


@dataclass(slots=True, kw_only=True)
class Comparison:
    """Of the decisions in the range. `by_day` counts (day, recorded outcome, outcome by the changed rules)."""

    days: Days
    read: int = 0
    orders: int = 0
    by_day: Counter[tuple[date, str | None, str | None]] = field(default_factory=Counter)
    stamps: Counter[str] = field(default_factory=Counter)
    mismatches: list[Mismatch] = field(default_factory=list)
    mismatched: int = 0
    _customers: dict[int, int] = field(default_factory=dict)

    def add(self, happened: Happened, before: Answer, after: Answer) -> None:
        """One decision, as it was recorded and as the changed rules make it."""
        self.read += 1
        if happened.order_id is not None:
            self.orders += 1
            self.stamps["before"] += happened.is_stamped
            self.stamps["after"] += after.is_stamped
            if before.outcome is None and after.outcome is None:
                return
        self.by_day[self.days.of(happened.decided_at), before.outcome, after.outcome] += 1
        if before.outcome != after.outcome and ISSUED in (before.outcome, after.outcome):
            change = 1 if after.outcome == ISSUED else _LOST
            number = happened.customer_no
            self._customers[number] = self._customers.get(number, 0) + change

    def pairs(self) -> Counter[tuple[str | None, str | None]]:
        """The same of all days together."""
        pairs: Counter[tuple[str | None, str | None]] = Counter()
        for (_, was, would), count in self.by_day.items():
            pairs[was, would] += count
        return pairs

    def mismatch(self, happened: Happened, decided: Answer) -> None:
        """The recorded rules decide this otherwise than it was."""
        self.mismatched += 1
        if len(self.mismatches) < MOST_MISMATCHES:
            self.mismatches.append(Mismatch(happened, decided))

    def customers(self) -> list[tuple[int, Change]]:
        """Customers for whom anything differs, by number: the largest differences first, gains before losses."""
        changes = (
            (number, Change(count % _LOST, count // _LOST))
            for number, count in self._customers.items()
        )
        return sorted(changes, key=lambda one: (-abs(one[1].difference), -one[1].gained, one[0]))


def recorded_answer(happened: Happened, decided: Answer | None) -> Answer:
    """What the record says. Why an order's full card earned nothing stands nowhere: that is as `decided` again."""
    if happened.order_id is None:
        blocked_by = happened.blocking.hex() if happened.blocking else None
        return Answer(happened.reason or ISSUED, blocked_by)
    if happened.coupon is not None:
        return Answer(ISSUED, None, happened.is_stamped)
    if decided is None or decided.outcome == ISSUED:
        return Answer(None, None, happened.is_stamped)
    return Answer(decided.outcome, decided.blocked_by, happened.is_stamped)
