"""What a customer has: points in lots, what is owed, and five meters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction

from tests.simulation.model.exactly import MOST

FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True, eq=False)
class Lot:
    """Points that came in together. `expired` ended and were not counted for a reversal yet."""

    ends: datetime | None
    amount: int
    left: int
    expired: int = 0


Take = tuple[Lot, int]


def _take(lots: list[Lot], points: int) -> list[Take]:
    """As many as there are, of what ends soonest, then of what came first."""
    takes = []
    for lot in sorted(lots, key=lambda lot: lot.ends or FAR):
        part = min(lot.left, points)
        lot.left, points = lot.left - part, points - part
        if part:
            takes.append((lot, part))
    return takes


@dataclass(slots=True)
class Account:
    """`lots` in the order in which they came."""

    lots: list[Lot] = field(default_factory=list)
    owed: int = 0
    points_earned: int = 0
    score: int = 0
    spent: Fraction = Fraction(0)
    orders: int = 0
    referrals: int = 0

    @property
    def balance(self) -> int:
        return sum(lot.left for lot in self.lots)

    def end(self, at: datetime) -> None:
        """What is over by then is gone."""
        for lot in self.lots:
            if lot.ends is not None and lot.ends <= at:
                lot.left, lot.expired = 0, lot.expired + lot.left

    def earn(self, points: int, score: int, ends: datetime | None) -> tuple[int, int, Lot | None]:
        """What really comes in, and its lot; a debt is paid first."""
        points = min(points, MOST - self.balance, MOST - self.points_earned)
        score = min(score, MOST - self.score)
        self.points_earned += points
        self.score += score
        if not points:
            return 0, score, None
        paid = min(self.owed, points)
        self.owed -= paid
        lot = Lot(ends, points, points - paid)
        self.lots.append(lot)
        return points, score, lot

    def spend(self, points: int) -> list[Take]:
        """Of what ends soonest, then of what is oldest; returns what was taken of which lot."""
        assert 0 < points <= self.balance
        return _take(self.lots, points)

    def restore(self, takes: list[Take], at: datetime) -> None:
        """What was spent is back in its lots; a debt is paid of it, and what has ended since is gone."""
        for lot, part in takes:
            lot.left += part
        paid = min(self.owed, sum(part for _, part in takes))
        self.owed -= paid
        _take([lot for lot, _ in takes], paid)
        self.end(at)

    def reverse(self, points: int, score: int, own: Lot | None) -> None:
        """Its own lot, what of that expired, other lots, and the rest is owed."""
        self.points_earned -= points
        self.score -= score
        if own is not None:
            part = min(own.left, points)
            own.left, points = own.left - part, points - part
            gone = min(own.expired, points)
            own.expired, points = own.expired - gone, points - gone
        self.owed += points - sum(part for _, part in _take(self.lots, points))

    def progress(self, method: str) -> Fraction:
        """The meter that a method names."""
        meters: dict[str, Fraction | int] = {
            "amount_spent": self.spent, "points_earned": self.points_earned, "friends_referred": self.referrals,
            "orders_completed": self.orders, "score": self.score,
        }  # fmt: skip
        return Fraction(meters[method])
