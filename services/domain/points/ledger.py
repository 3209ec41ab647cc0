"""The entries of a wallet: what each way of coming in and going out writes down.

Every function answers with entries and changes nothing; none knows who asks. `at` is the customer's decision instant.
What is over by then must have been ended before anything else, see `ended`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from services.domain.exact import MOST, ZERO, minus
from services.domain.origins import Source
from services.domain.points.wallet import EntryKind, Lot, Post, Take, Wallet, after
from services.domain.values import quickly_made


@quickly_made(frozen=True, slots=True, kw_only=True)
class Earning:
    """What comes in at once, from one source, for one event."""

    source: Source
    points: int = 0
    score: int = 0
    spent: Decimal = ZERO
    orders: int = 0
    referrals: int = 0
    order_id: str | None = None
    base_points: Decimal | None = None
    factor: Decimal | None = None
    reason: str | None = None

    def __bool__(self) -> bool:
        return bool(self.points or self.score or self.spent or self.orders or self.referrals)


def ended(wallet: Wallet, at: datetime) -> list[Post]:
    """Lots whose time is over, each closed at its own instant, the earliest first."""
    entries: list[Post] = []
    balance = wallet.balance
    for lot in wallet.open_lots():
        if not lot.is_over(at):
            break
        assert lot.expires_at is not None
        balance -= lot.left
        entries.append(
            Post(
                number=wallet.entries + 1 + len(entries),
                kind=EntryKind.EXPIRED,
                source=lot.source,
                at=lot.expires_at,
                balance=balance,
                points=-lot.left,
                takes=(Take(lot.number, lot.left),),
            )
        )
    return entries


def expiry(at: datetime, *days: int | None) -> datetime | None:
    """When points that come in now end: after the shortest of these periods; 0 and None are none."""
    periods = [each for each in days if each]
    return at + timedelta(days=min(periods)) if periods else None


def earned(wallet: Wallet, earning: Earning, *, at: datetime, ends: datetime | None) -> list[Post]:
    """What comes in, and what of it pays a debt at once. Points and score stop at the most there can be."""
    points = min(earning.points, MOST - wallet.balance, MOST - wallet.points_earned)
    number = wallet.entries + 1
    entry = Post(
        number=number,
        kind=EntryKind.EARNED,
        source=earning.source,
        at=at,
        balance=wallet.balance + points,
        points=points,
        points_earned=points,
        score=min(earning.score, MOST - wallet.score),
        spent=earning.spent,
        orders=earning.orders,
        referrals=earning.referrals,
        opens=_opened(points, earning.source, number, at, ends),
        order_id=earning.order_id,
        base_points=earning.base_points,
        factor=earning.factor,
        reason=earning.reason,
    )
    return [entry, *_paid(wallet, entry, at)] if wallet.owed else [entry]


def _opened(
    points: int, source: Source, number: int, at: datetime, ends: datetime | None
) -> Lot | None:
    if not points:
        return None
    return Lot(
        number=number,
        source=source,
        earned_at=at,
        expires_at=ends,
        amount=points,
        left=points,
    )


def _paid(wallet: Wallet, entry: Post, at: datetime) -> list[Post]:
    """What points that came in pay of what is owed."""
    paid = min(wallet.owed, entry.points)
    if not paid:
        return []
    assert entry.opens is not None
    return [
        Post(
            number=entry.number + 1,
            kind=EntryKind.REVERSED,
            source=entry.source,
            at=at,
            balance=entry.balance - paid,
            points=-paid,
            owed=-paid,
            takes=(Take(entry.opens.number, paid),),
            order_id=entry.order_id,
        )
    ]


def taken(lots: Iterable[Lot], points: int) -> tuple[Take, ...]:
    """So many points from these lots, in their order; fewer where they hold no more."""
    takes = []
    for lot in lots:
        part = min(lot.left, points)
        if part:
            takes.append(Take(lot.number, part))
            points -= part
    return tuple(takes)


def spent(wallet: Wallet, points: int, *, source: Source, at: datetime) -> Post:
    """So many points go; the balance must hold them."""
    assert 0 < points <= wallet.balance
    return Post(
        number=wallet.entries + 1,
        kind=EntryKind.SPENT,
        source=source,
        at=at,
        balance=wallet.balance - points,
        points=-points,
        takes=taken(wallet.open_lots(), points),
    )


@quickly_made(frozen=True, slots=True, kw_only=True)
class Reversal:
    """What is taken back of one earning: the points and score that it gave, and what it raised."""

    source: Source
    points: int = 0
    score: int = 0
    spent: Decimal = ZERO
    orders: int = 0
    order_id: str | None = None
    lot: int | None = None

    def __bool__(self) -> bool:
        return bool(self.points or self.score or self.spent or self.orders)


def reversed_(wallet: Wallet, back: Reversal, *, at: datetime) -> Post:
    """Points from the earning's own lot; what of it expired counts as taken; then other lots; the rest is owed."""
    takes: tuple[Take, ...] = ()
    missing = back.points
    own = wallet.lots.get(back.lot) if back.lot is not None else None
    if own is not None and missing:
        part = min(own.left, missing)
        counted = min(own.expired, missing - part)
        takes = (Take(own.number, part, counted),) if part or counted else ()
        missing -= part + counted
    others = (lot for lot in wallet.open_lots() if own is None or lot.number != own.number)
    takes += taken(others, missing)
    points = sum(take.points for take in takes)
    owed = back.points - points - sum(take.counted for take in takes)
    return Post(
        number=wallet.entries + 1,
        kind=EntryKind.REVERSED,
        source=back.source,
        at=at,
        balance=wallet.balance - points,
        points=-points,
        owed=owed,
        points_earned=-back.points,
        score=-back.score,
        spent=minus(ZERO, back.spent),
        orders=-back.orders,
        takes=takes,
        order_id=back.order_id,
    )


def restored(wallet: Wallet, takes: Sequence[Take], *, source: Source, at: datetime) -> list[Post]:
    """Points that were spent go back to their lots; then what is owed is paid of them, and what has ended expires."""
    points = sum(take.points for take in takes)
    back = Post(
        number=wallet.entries + 1,
        kind=EntryKind.RESTORED,
        source=source,
        at=at,
        balance=wallet.balance + points,
        points=points,
        takes=tuple(Take(take.lot, -take.points) for take in takes),
    )
    entries = [back]
    wallet = after(wallet, back)
    paid = min(wallet.owed, points)
    if paid:
        returned = [wallet.lots[take.lot] for take in takes]
        in_order = sorted(returned, key=lambda lot: lot.place)
        payment = Post(
            number=wallet.entries + 1,
            kind=EntryKind.REVERSED,
            source=source,
            at=at,
            balance=wallet.balance - paid,
            points=-paid,
            owed=-paid,
            takes=taken(in_order, paid),
        )
        entries.append(payment)
        wallet = after(wallet, payment)
    return [*entries, *ended(wallet, at)]
