"""A coupon as the rules see it, and the one definition of the states it may pass through.

The table `TRANSITIONS` is what the core steps by, what the database's constraint on history is filled from, and what
`couponry verify` checks all history against.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from services.domain.coupons.codes import shown
from services.domain.origins import Source
from services.domain.terms import Terms
from services.domain.values import quickly_made


class CouponStatus(StrEnum):
    """Where a coupon stands. `ACTIVE` and `RESERVED` are open, see `OPEN_STATUSES`."""

    ACTIVE = "active"
    RESERVED = "reserved"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class CodeStatus(StrEnum):
    """Whether the code that is shown stays, or may give way to one that the partner's own system is asked for."""

    FINAL = "final"
    PENDING = "pending"

    @classmethod
    def of(cls, *, is_pending: bool) -> CodeStatus:
        return cls.PENDING if is_pending else cls.FINAL


class Step(StrEnum):
    """What can happen to a coupon after its issue; each is a `coupon-lifecycle` event of that name."""

    RESERVED = "reserved"
    RELEASED = "released"
    USED = "used"
    """A use that leaves some."""
    REDEEMED = "redeemed"
    REINSTATED = "reinstated"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


_S = CouponStatus
TRANSITIONS: Mapping[tuple[CouponStatus, Step], CouponStatus] = {
    (_S.ACTIVE, Step.RESERVED): _S.RESERVED,
    (_S.ACTIVE, Step.USED): _S.ACTIVE,
    (_S.ACTIVE, Step.REDEEMED): _S.REDEEMED,
    (_S.ACTIVE, Step.EXPIRED): _S.EXPIRED,
    (_S.ACTIVE, Step.CANCELLED): _S.CANCELLED,
    (_S.RESERVED, Step.RELEASED): _S.ACTIVE,
    (_S.RESERVED, Step.USED): _S.ACTIVE,
    (_S.RESERVED, Step.REDEEMED): _S.REDEEMED,
    (_S.RESERVED, Step.EXPIRED): _S.EXPIRED,
    (_S.RESERVED, Step.CANCELLED): _S.CANCELLED,
    (_S.ACTIVE, Step.REINSTATED): _S.ACTIVE,
    (_S.REDEEMED, Step.REINSTATED): _S.ACTIVE,
}

OPEN_STATUSES = frozenset({_S.ACTIVE, _S.RESERVED})
"""A coupon in one of these holds the customer's place under the single rule until its time is over."""


@quickly_made(frozen=True, slots=True, kw_only=True)
class Coupon:
    """One coupon of a customer.

    `expires_at` and `reserved_until` are exclusive; `expires_at` None never expires. `holds_single_place`: its latest
    activation (issue or reinstatement) happened under the single rule. `steps` counts what happened since the issue.
    `notice_at` is when the next notice of its end is due (see `notices`). A coupon is a game's, or has a `source` and
    `terms`; `used_count` of its terms' usage limit are used. `external_code` is one that the partner brought: it is
    shown in place of ours. `is_delivered`: the partner's own system gave it, and knows of the coupon. `code_is_pending`
    until then, where it is asked for one.
    """

    id: str
    code: str
    code_prefix: str
    game_id: int | None
    status: CouponStatus
    issued_at: datetime
    expires_at: datetime | None
    holds_single_place: bool
    steps: int = 0
    notice_at: datetime | None = None
    reserved_until: datetime | None = None
    reserved_shop_id: int | None = None
    redeemed_at: datetime | None = None
    redeemed_order_id: str | None = None
    source: Source | None = None
    terms: Terms | None = None
    program_version: int | None = None
    used_count: int = 0
    external_code: str | None = None
    is_delivered: bool = False
    code_is_pending: bool = False

    @property
    def shown_code(self) -> str:
        """What the customer shows."""
        return shown(self.code, self.code_prefix, self.external_code)

    @property
    def code_status(self) -> CodeStatus:
        """Of what the customer shows."""
        return CodeStatus.of(is_pending=self.code_is_pending)

    def is_active(self, at: datetime) -> bool:
        """Active in the sense of the single rule: open, and not past its time."""
        return self.status in OPEN_STATUSES and not self.is_over(at)

    def is_over(self, at: datetime) -> bool:
        """Its validity has ended, whether or not anybody has recorded that yet."""
        return self.expires_at is not None and self.expires_at <= at

    def reservation_lapsed(self, at: datetime) -> bool:
        """It is still marked reserved, but its reservation has ended."""
        return self.reserved_until is not None and self.reserved_until <= at
