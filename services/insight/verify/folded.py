"""A ledger, entry by entry: what a wallet and its lots come to, and what an entry cannot have done to them.

Counted again without the rules' own `after`, in one object per customer that entries change, so that a long ledger
costs as much an entry as a short one.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import asyncpg
import orjson

from services.domain.exact import ZERO, plus
from services.domain.points.wallet import NEVER, EntryKind, Wallet

METERS: Final = ("points_earned", "score", "spent", "orders", "referrals")

Row = asyncpg.Record | Mapping[str, Any]


class FoldError(Exception):
    """An entry that the ones before it do not allow; nothing can be said of those behind it."""

    def __init__(self, invariant: str, why: str) -> None:
        super().__init__(why)
        self.invariant = invariant


@dataclass(slots=True, kw_only=True)
class FoldedLot:
    """What entries have left of a lot. Compared with a stored one as a whole."""

    source: tuple[str, str]
    earned_at: datetime
    expires_at: datetime | None
    amount: int
    left: int
    expired: int = 0


Taken = tuple[int, int, int]
"""As it is stored: lot, points, and how many that had expired count as taken."""


class Folded:
    """The wallet after the entries so far. `open` holds (end, number) of lots with something left, in their order."""

    def __init__(self) -> None:
        self.entries = self.balance = self.owed = 0
        self.meters: dict[str, int | Decimal] = dict.fromkeys(METERS, 0) | {"spent": ZERO}
        self.lots: dict[int, FoldedLot] = {}
        self.open: list[tuple[datetime, int]] = []
        self._opened_by: dict[tuple[str, str, str | None], int] = {}
        self._just_in: frozenset[int] = frozenset()

    def wallet(self) -> Wallet:
        """As the rules know it, without its lots."""
        return Wallet(entries=self.entries, balance=self.balance, owed=self.owed, **self.meters)  # type: ignore[arg-type]

    def add(self, row: Row) -> None:
        """One more. Raises FoldError."""
        number, kind = row["number"], row["kind"]
        if number != self.entries + 1:
            raise FoldError("P1", f"entry {number} follows entry {self.entries}")
        if row["balance"] != self.balance + row["points"] or row["balance"] < 0:
            raise FoldError("P1", f"entry {number} leaves {row['balance']} after {self.balance}")
        takes: list[Taken] = [tuple(each) for each in orjson.loads(row["takes"] or "[]")]
        moved = -sum(points for _, points, _ in takes)
        is_payment = _pays_a_debt(row)
        _fits_its_kind(row, takes, is_payment=is_payment)
        if not is_payment and kind != EntryKind.EXPIRED:
            self._nothing_is_over(row)
        if kind == EntryKind.EARNED and row["points"]:
            self._opens(row)
            moved += row["points"]
        if row["points"] != moved:
            raise FoldError("P3", f"entry {number} moves other points than its lots do")
        self._takes(row, takes, is_payment=is_payment)
        self._count(row)
        self.entries, self.balance = number, row["balance"]

    def _nothing_is_over(self, row: Row) -> None:
        """Whatever else happens, what is over has been ended before it."""
        if self.open and self.open[0][0] <= row["at"]:
            number = self.open[0][1]
            if self.lots[number].earned_at < row["at"]:
                raise FoldError(
                    "P3", f"entry {row['number']} comes after lot {number}, which nobody ended"
                )

    def _opens(self, row: Row) -> None:
        number, source = row["number"], (row["source_kind"], row["source_id"])
        self.lots[number] = FoldedLot(
            source=source,
            earned_at=row["at"],
            expires_at=row["expires_at"],
            amount=row["points"],
            left=row["points"],
        )
        insort(self.open, (row["expires_at"] or NEVER, number))
        self._opened_by[(*source, row["order_id"])] = number

    def _takes(self, row: Row, takes: list[Taken], *, is_payment: bool) -> None:
        """From lots that are there and hold so many, in their order, and before their end."""
        number, kind = row["number"], row["kind"]
        for lot_number, points, counted in takes:
            lot = self.lots.get(lot_number)
            if lot is None:
                raise FoldError(
                    "P3", f"entry {number} takes from lot {lot_number}, which is not there"
                )
            if not 0 <= lot.left - points <= lot.amount - lot.expired or counted > lot.expired:
                raise FoldError(
                    "P3", f"entry {number} takes more from lot {lot_number} than there is"
                )
        if kind == EntryKind.EXPIRED:
            self._ends(row, takes)
        elif is_payment:
            if not self._just_in.issuperset(each for each, *_ in takes):
                raise FoldError("P3", f"entry {number} pays a debt of other points than came in")
        elif kind in (EntryKind.SPENT, EntryKind.REVERSED):
            self._in_order(row, takes)
        for taken in takes:
            self._take(taken, ends=kind == EntryKind.EXPIRED)
        if kind in (EntryKind.EARNED, EntryKind.RESTORED):
            self._just_in = frozenset({number, *(each for each, *_ in takes)})

    def _ends(self, row: Row, takes: list[Taken]) -> None:
        """A lot, whole, at its instant."""
        number, ((lot_number, points, _), *others) = row["number"], takes
        lot = self.lots[lot_number]
        if others or row["at"] != lot.expires_at or lot.left != points:
            raise FoldError(
                "P3", f"entry {number} ends lot {lot_number} at another instant, or by part"
            )

    def _in_order(self, row: Row, takes: list[Taken]) -> None:
        """Of a reversal its own earning's lot first; then what ends soonest, each as far as it goes."""
        own = None
        if row["kind"] == EntryKind.REVERSED:
            own = self._opened_by.get((row["source_kind"], row["source_id"], row["order_id"]))
        if own is not None and takes and takes[0][0] == own:
            (_, *of_own), *takes = takes
            has_more = bool(takes) or row["owed"] > 0
            takes_little = has_more and of_own != [self.lots[own].left, self.lots[own].expired]
        else:
            takes_little = own is not None and bool(row["points_earned"]) and self._gives(own) > 0
        if takes_little:
            raise FoldError(
                "P3", f"entry {row['number']} spares lot {own}, which its own earning opened"
            )
        if row["owed"] > 0 and row["balance"]:
            raise FoldError("P3", f"entry {row['number']} owes points, and leaves {row['balance']}")
        waiting = (each for _, each in self.open if each != own)
        for place, (lot_number, points, counted) in enumerate(takes, 1):
            is_last = place == len(takes)
            takes_all = points == self.lots[lot_number].left
            if lot_number != next(waiting, None) or counted or not (is_last or takes_all):
                raise FoldError("P3", f"entry {row['number']} takes lots out of their order")

    def _gives(self, number: int) -> int:
        lot = self.lots[number]
        return lot.left + lot.expired

    def _take(self, taken: Taken, *, ends: bool) -> None:
        number, points, counted = taken
        lot = self.lots[number]
        was_open = lot.left > 0
        lot.left -= points
        lot.expired += points if ends else -counted
        place = (lot.expires_at or NEVER, number)
        if was_open and not lot.left:
            del self.open[bisect_left(self.open, place)]
        elif lot.left and not was_open:
            insort(self.open, place)

    def _count(self, row: Row) -> None:
        self.owed += row["owed"]
        for name in METERS:
            was: Any = self.meters[name]
            self.meters[name] = plus(was, row[name]) if name == "spent" else was + row[name]
        if self.owed < 0 or any(self.meters[name] < 0 for name in METERS):
            raise FoldError(
                "P1", f"entry {row['number']} leaves a meter, or what is owed, below nothing"
            )


def _pays_a_debt(row: Row) -> bool:
    """Points that came in go at once for what is owed."""
    return bool(row["kind"] == EntryKind.REVERSED and row["owed"] < 0)


def _fits_its_kind(row: Row, takes: list[Taken], *, is_payment: bool) -> None:
    """What each kind may move: meters rise by what is earned, and fall by what is reversed, only."""
    number, points, meters = row["number"], row["points"], [row[name] for name in METERS]
    match row["kind"]:
        case EntryKind.EARNED:
            fits = points == row["points_earned"] and min(meters) >= 0 and not (row["owed"] or takes)  # fmt: skip
        case EntryKind.REVERSED if is_payment:
            fits = points == row["owed"] and not any(meters)
        case EntryKind.REVERSED:
            fits = points <= 0 and max(meters) <= 0
            back = -points + row["owed"] + sum(counted for _, _, counted in takes)
            if fits and back != -row["points_earned"]:
                raise FoldError(
                    "P9",
                    f"entry {number} takes, counts and owes {back} of {-row['points_earned']}",
                )
        case EntryKind.RESTORED:
            fits = points > 0 and not (row["owed"] or any(meters))
        case _:
            fits = points < 0 and bool(takes) and not (row["owed"] or any(meters))
    if not fits:
        raise FoldError("P2", f"entry {number} moves what nothing of its kind, {row['kind']}, may")
