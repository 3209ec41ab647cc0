"""What a customer has, and the entries that change it: one wallet of points, and meters.

An entry is for ever. It says by how much one source moves the wallet and the meters in one decision; a customer's
entries are numbered from 1, without a gap. Points that come in open a lot, which has the entry's number; whatever costs
points names the lots that it takes from, so that what is left of each is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from services.domain.exact import ZERO, plus
from services.domain.origins import Source
from services.domain.values import quickly_made, replaced

NEVER = datetime.max.replace(tzinfo=UTC)


class EntryKind(StrEnum):
    """Why a wallet moves; meters are raised by what is earned and lowered by what is reversed, only."""

    EARNED = "earned"
    SPENT = "spent"
    EXPIRED = "expired"
    REVERSED = "reversed"
    RESTORED = "restored"


@quickly_made(frozen=True, slots=True, kw_only=True)
class Lot:
    """Points that came in together and end together, at `expires_at` (exclusive; None: never).

    `number` is that of the entry that opened it. `left` of `amount` can be taken. `expired` have ended and were not
    counted for a reversal yet.
    """

    number: int
    source: Source
    earned_at: datetime
    expires_at: datetime | None
    amount: int
    left: int
    expired: int = 0

    @property
    def place(self) -> tuple[datetime, int]:
        """What ends soonest is taken first, then what is oldest."""
        return (self.expires_at or NEVER, self.number)

    def is_over(self, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at


@quickly_made(frozen=True, slots=True)
class Take:
    """So many points of a lot; below 0 they go back to it. `counted` had expired before: they are taken as they are."""

    lot: int
    points: int
    counted: int = 0


@quickly_made(frozen=True, slots=True, kw_only=True)
class Post:
    """Write an entry. Amounts are signed: what comes in is above 0. `at` is when it takes effect.

    `points` move the wallet, whose balance afterwards is `balance`; `owed` what later points must pay.
    """

    number: int
    kind: EntryKind
    source: Source
    at: datetime
    balance: int
    points: int = 0
    owed: int = 0
    points_earned: int = 0
    score: int = 0
    spent: Decimal = ZERO
    orders: int = 0
    referrals: int = 0
    takes: tuple[Take, ...] = ()
    opens: Lot | None = None
    order_id: str | None = None
    base_points: Decimal | None = None
    factor: Decimal | None = None
    reason: str | None = None


@quickly_made(frozen=True, slots=True, kw_only=True)
class Wallet:
    """Balances of one customer, how many entries led to them, and the lots that the events at hand may touch."""

    entries: int = 0
    balance: int = 0
    owed: int = 0
    points_earned: int = 0
    score: int = 0
    spent: Decimal = ZERO
    orders: int = 0
    referrals: int = 0
    lots: Mapping[int, Lot] = field(default_factory=dict)

    def open_lots(self) -> list[Lot]:
        """Those with something left, in the order in which they are taken from."""
        return sorted((lot for lot in self.lots.values() if lot.left), key=lambda lot: lot.place)


NO_POINTS = Wallet()


def after(wallet: Wallet, entry: Post) -> Wallet:
    """The wallet after one entry."""
    lots = wallet.lots
    if entry.takes or entry.opens is not None:
        changed = dict(lots)
        if entry.opens is not None:
            changed[entry.opens.number] = entry.opens
        for take in entry.takes:
            lot = changed[take.lot]
            expired = take.points if entry.kind is EntryKind.EXPIRED else -take.counted
            changed[lot.number] = replaced(
                lot, left=lot.left - take.points, expired=lot.expired + expired
            )
        lots = changed
    return Wallet(
        entries=entry.number,
        balance=wallet.balance + entry.points,
        owed=wallet.owed + entry.owed,
        points_earned=wallet.points_earned + entry.points_earned,
        score=wallet.score + entry.score,
        spent=plus(wallet.spent, entry.spent) if entry.spent else wallet.spent,
        orders=wallet.orders + entry.orders,
        referrals=wallet.referrals + entry.referrals,
        lots=lots,
    )


def laid_over(stored: Wallet, changes: Wallet) -> Wallet:
    """What is stored, or what it has been changed to; lots that the changes do not know stay."""
    return replaced(changes, lots={**stored.lots, **changes.lots}) if changes.entries else stored
