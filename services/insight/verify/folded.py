"""A ledger, entry by entry: what a wallet and its lots come to, and what an entry cannot have done to them."""

from __future__ import annotations

import asyncpg
import orjson

from services.domain.origins import Source, SourceKind
from services.domain.points.ledger import taken
from services.domain.points.wallet import NO_POINTS, EntryKind, Lot, Post, Take, after


class FoldError(Exception):
    """An entry that the ones before it do not allow; nothing can be said of those behind it."""

    def __init__(self, invariant: str, why: str) -> None:
        super().__init__(why)
        self.invariant = invariant


class Folded:
    """The wallet after the entries so far."""

    def __init__(self) -> None:
        self.wallet = NO_POINTS

    def add(self, row: asyncpg.Record) -> None:
        """One more. Raises FoldError."""
        number, wallet = row["number"], self.wallet
        if number != wallet.entries + 1:
            raise FoldError("P1", f"entry {number} follows entry {wallet.entries}")
        if row["balance"] != wallet.balance + row["points"] or row["balance"] < 0:
            raise FoldError("P1", f"entry {number} leaves {row['balance']} after {wallet.balance}")
        entry = post_from(row)
        self._takes(entry)
        opened = entry.opens.amount if entry.opens is not None else 0
        if entry.points != opened - sum(take.points for take in entry.takes):
            raise FoldError("P3", f"entry {number} moves other points than its lots do")
        self.wallet = after(wallet, entry)

    def _takes(self, entry: Post) -> None:
        """From lots that are there and hold so many, in their order, and before their end."""
        lots = self.wallet.lots
        for take in entry.takes:
            lot = lots.get(take.lot) or (
                entry.opens if entry.opens and entry.opens.number == take.lot else None
            )
            if lot is None:
                raise FoldError(
                    "P3", f"entry {entry.number} takes from lot {take.lot}, which is not there"
                )
            if not 0 <= lot.left - take.points <= lot.amount or take.counted > lot.expired:
                raise FoldError(
                    "P3", f"entry {entry.number} takes more from lot {take.lot} than there is"
                )
            if entry.kind is EntryKind.EXPIRED and (
                entry.at != lot.expires_at or lot.left != take.points
            ):
                raise FoldError(
                    "P3", f"entry {entry.number} ends lot {take.lot} at another instant, or by part"
                )
            is_used = entry.kind is EntryKind.SPENT
            if is_used and lot.is_over(entry.at):
                raise FoldError(
                    "P3", f"entry {entry.number} takes from lot {take.lot} after its end"
                )
        if entry.kind is EntryKind.SPENT:
            expected = taken(self.wallet.open_lots(), -entry.points)
            if expected != entry.takes:
                raise FoldError("P3", f"entry {entry.number} takes lots out of their order")


def post_from(row: asyncpg.Record) -> Post:
    """An entry as the rules wrote it."""
    source = Source(SourceKind(row["source_kind"]), row["source_id"])
    takes = tuple(Take(*each) for each in orjson.loads(row["takes"] or "[]"))
    opens = None
    if row["kind"] == EntryKind.EARNED and row["points"]:
        opens = Lot(
            number=row["number"],
            source=source,
            earned_at=row["at"],
            expires_at=row["expires_at"],
            amount=row["points"],
            left=row["points"],
        )
    return Post(
        number=row["number"],
        kind=EntryKind(row["kind"]),
        source=source,
        at=row["at"],
        balance=row["balance"],
        points=row["points"],
        owed=row["owed"],
        points_earned=row["points_earned"],
        score=row["score"],
        spent=row["spent"],
        orders=row["orders"],
        referrals=row["referrals"],
        takes=takes,
        opens=opens,
    )
