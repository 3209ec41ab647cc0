"""What a world remembers of one customer, in little space: there may be a million lots.

A lot is packed without its source, which only messages name. One that has nothing left is dropped, unless a reversal of
its own order may come, for which what of it expired counts as taken, or points that were redeemed may come back.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from services.domain.campaigns import CampaignProgress, Progress
from services.domain.coupons.coupon import Coupon
from services.domain.coupons.stock import moves
from services.domain.origins import Source, SourceKind
from services.domain.points.wallet import NO_POINTS, Lot, Take, Wallet
from services.domain.profiles import UNKNOWN, Profile
from services.domain.tiers import NO_STANDING, Standing
from services.insight.what_if.holdings import instant_of, microseconds

_LOT = struct.Struct("<qqqqqq")
_PROGRESS = struct.Struct("<qiii")
_NEVER = 2**63 - 1
_SOURCE = Source(SourceKind.ORDER, "")


@lru_cache(maxsize=20_000)  # customers are alike: few things can have been achieved
def _campaigns(progress: bytes) -> CampaignProgress:
    by_id = {
        id_: Progress(achieved=achieved, round=round_, steps=steps)
        for id_, achieved, round_, steps in _PROGRESS.iter_unpack(progress)
    }
    return CampaignProgress(by_id=by_id)


NO_LOTS: Mapping[int, Lot] = {}


@dataclass(slots=True)
class Kept:
    """`progress` is that of `campaigns`, packed. `next_end`: when the first of the lots ends, in microseconds.

    `watched`: lots that reversals may ask for, and undone redemptions. `coupons` are those that something was really
    done with, `paid` the points of those that were bought; `granted` counts all. `of_groups` counts those of each group
    that this world has not cancelled.
    """

    profile: Profile = UNKNOWN
    wallet: Wallet = NO_POINTS
    standing: Standing = NO_STANDING
    progress: bytes = b""
    lots: bytearray = field(default_factory=bytearray)
    next_end: int = _NEVER
    watched: set[int] | None = None
    coupons: dict[str, Coupon] | None = None
    used_by: dict[str, tuple[str, ...]] | None = None
    paid: dict[str, tuple[Take, ...]] | None = None
    granted: int = 0
    of_groups: Mapping[str, int] | None = None

    def count_groups(self, effects: Iterable[object]) -> None:
        """Their coupons of groups, after these."""
        for handle, by in moves(effects):
            of_groups = self.of_groups or {}
            self.of_groups = {**of_groups, handle: of_groups.get(handle, 0) + by}

    @property
    def campaigns(self) -> CampaignProgress:
        """How far each has come."""
        return _campaigns(self.progress)

    @campaigns.setter
    def campaigns(self, campaigns: CampaignProgress) -> None:
        self.progress = b"".join(
            [
                _PROGRESS.pack(id_, each.achieved, each.round, each.steps)
                for id_, each in sorted(campaigns.by_id.items())
            ]
        )

    def watch(self, lots: Iterable[int]) -> None:
        """They may be asked for when they have nothing left."""
        self.watched = (self.watched or set()) | set(lots)

    def is_due(self, at: datetime) -> bool:
        """Whether a lot is over by then."""
        return self.next_end <= microseconds(at)

    def unpacked(self) -> dict[int, Lot]:
        """All lots, by number."""
        lots = {}
        for number, earned_at, expires_at, amount, left, expired in _LOT.iter_unpack(self.lots):
            lots[number] = Lot(
                number=number,
                source=_SOURCE,
                earned_at=instant_of(earned_at),
                expires_at=None if expires_at == _NEVER else instant_of(expires_at),
                amount=amount,
                left=left,
                expired=expired,
            )
        return lots

    def keep(self, lots: Iterable[Lot], *, all_of_them: bool) -> None:
        """These lots: all that there are, or beside those that are kept."""
        packed = bytearray() if all_of_them else self.lots
        next_end = _NEVER if all_of_them else self.next_end
        for lot in lots:
            if not lot.left and (self.watched is None or lot.number not in self.watched):
                continue
            ends = _NEVER if lot.expires_at is None else microseconds(lot.expires_at)
            packed += _LOT.pack(
                lot.number, microseconds(lot.earned_at), ends, lot.amount, lot.left, lot.expired
            )
            if lot.left:
                next_end = min(next_end, ends)
        self.lots, self.next_end = packed, next_end
