"""What a transaction will write, per table, gathered before anything is written. Touches no database.

Here are steps on coupons and notices, which need no event; what a decided event adds is in `verdicts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from schemas.topics import COUPON_LIFECYCLE
from services.adapters import wire
from services.adapters.postgres.closed_orders import ReversedOrderRow
from services.adapters.postgres.coupons import CouponChange, CouponRow, HistoryRow, change_of
from services.adapters.postgres.groups import GivenCode
from services.adapters.postgres.inbox import DecisionRow
from services.adapters.postgres.outbox import OutboxRow, event_row
from services.adapters.postgres.stamps import CardRow, StampBack, StampRow
from services.decisions.accounts import Accounts
from services.decisions.manner import PLAIN, Writing
from services.domain.coupons.coupon import OPEN_STATUSES, Coupon
from services.domain.coupons.effects import ChangeCoupon
from services.domain.events import Cause
from services.domain.values import quickly_made

ISSUER_ACTOR = "issuer"
EXPIRING = "expiring"


@quickly_made(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose coupon a step is taken on, and by whom and why: what every step stores."""

    partner_id: int
    customer_no: int
    customer_id: str
    event_key: str | None
    actor: str
    cause: Cause | None
    traceparent: str | None = None

    @classmethod
    def of_row(
        cls, row: Mapping[str, Any] | asyncpg.Record, actor: str, traceparent: str | None = None
    ) -> Owner:
        """The owner in a row of the query `coupons`, of a step that no event takes."""
        return cls(
            partner_id=row["partner_id"],
            customer_no=row["customer_no"],
            customer_id=row["customer_id"],
            event_key=None,
            actor=actor,
            cause=None,
            traceparent=traceparent,
        )


@dataclass(slots=True, kw_only=True)
class Rows:
    """What a transaction writes, per table, each in the order in which it was decided."""

    writing: Writing = PLAIN
    decisions: list[DecisionRow] = field(default_factory=list)
    coupons: list[CouponRow] = field(default_factory=list)
    given_codes: list[GivenCode] = field(default_factory=list)
    history: list[HistoryRow] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    stamps: list[StampRow] = field(default_factory=list)
    stamps_back: list[StampBack] = field(default_factory=list)
    reversed_orders: list[ReversedOrderRow] = field(default_factory=list)
    cards: dict[tuple[int, int], CardRow] = field(default_factory=dict)
    accounts: Accounts = field(default_factory=Accounts)
    _changed: dict[str, tuple[int, Coupon]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.accounts.points_leads_hours = self.writing.points_leads_hours

    def changes(self, *, opens: bool) -> list[CouponChange]:
        """Coupons that were there before, as they stand now: those that are open, or those that are closed."""
        new = self._new()
        return [
            change_of(coupon, steps_seen)
            for id_, (steps_seen, coupon) in self._changed.items()
            if (coupon.status in OPEN_STATUSES) is opens and id_ not in new
        ]

    def changes_of_new(self) -> list[CouponChange]:
        """Coupons that this transaction issues and has changed since, as they stand now."""
        new = self._new()
        return [change_of(each, seen) for id_, (seen, each) in self._changed.items() if id_ in new]

    def _new(self) -> set[str]:
        return {row.id for row in self.coupons} if self._changed else set()

    def add_step(self, change: ChangeCoupon, owner: Owner) -> None:
        """One step on a coupon: its history, its event, and the coupon's state after it."""
        coupon = change.coupon
        self._note(coupon, coupon.steps - 1)
        self.accounts.add_use(change, owner.customer_no, owner.partner_id)
        self.history.append(
            HistoryRow(
                coupon.id, coupon.steps, owner.partner_id, change.at, owner.event_key,
                change.shop_id, change.order_id, change.step, change.was, coupon.status,
                owner.actor, change.reason,
            )
        )  # fmt: skip
        self._tell(
            coupon, change.step, coupon.steps, change.at, owner,
            order_id=change.order_id, shop_id=change.shop_id, reason=change.reason,
        )  # fmt: skip

    def add_notice(self, coupon: Coupon, at: datetime, owner: Owner) -> None:
        """`coupon.expiring`: no step, but the coupon remembers when the next notice is due.

        Its instant tells it from the notice before.
        """
        self._note(coupon, coupon.steps)
        self._tell(coupon, EXPIRING, int(at.timestamp()), at, owner)

    def _note(self, coupon: Coupon, steps_before: int) -> None:
        """The coupon's newest state, and how many steps it had when this transaction met it."""
        steps_seen, _ = self._changed.get(coupon.id, (steps_before, coupon))
        self._changed[coupon.id] = (steps_seen, coupon)

    def _tell(
        self, coupon: Coupon, word: str, number: int, at: datetime, owner: Owner, **details: Any
    ) -> None:
        value = wire.lifecycle_value(
            coupon,
            partner_id=owner.partner_id,
            customer_id=owner.customer_id,
            at=at,
            cause=owner.cause,
            mask_codes=self.writing.mask_codes,
            **details,
        )
        row = event_row(
            COUPON_LIFECYCLE,
            f"coupon.{word}",
            f"{coupon.id}.{number}.{word}",
            at=at,
            subject=coupon.id,
            customer_id=owner.customer_id,
            value=value,
            traceparent=owner.traceparent,
        )
        self.outbox.append(row)
