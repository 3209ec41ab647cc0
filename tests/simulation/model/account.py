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

    def spend(self, points: int) -> None:
        """Of what ends soonest, then of what is oldest."""
        assert self._take(points) == 0

    def reverse(self, points: int, score: int, own: Lot | None) -> None:
        """Its own lot, what of that expired, other lots, and the rest is owed."""
        self.points_earned -= points
        self.score -= score
        if own is not None:
            part = min(own.left, points)
            own.left, points = own.left - part, points - part
            gone = min(own.expired, points)
            own.expired, points = own.expired - gone, points - gone
        self.owed += self._take(points)

    def _take(self, points: int) -> int:
        for lot in sorted(self.lots, key=lambda lot: lot.ends or FAR):
            part = min(lot.left, points)
            lot.left, points = lot.left - part, points - part
        return points

    def progress(self, method: str) -> Fraction:
        """The meter that a method names."""
        meters: dict[str, Fraction | int] = {
            "amount_spent": self.spent, "points_earned": self.points_earned, "friends_referred": self.referrals,
            "orders_completed": self.orders, "score": self.score,
        }  # fmt: skip
        return Fraction(meters[method])
