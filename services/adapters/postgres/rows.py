"""Turn decisions into rows: what each verdict and each step on a coupon adds to which table.

Nothing here touches the database; `recording` writes what is gathered here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

import orjson

from schemas.topics import COUPON_ISSUED, COUPON_LIFECYCLE, DEAD_LETTERS, ISSUANCE_DECLINED
from services.adapters import wire
from services.domain.arrival import Verdict
from services.domain.coupons.coupon import Coupon
from services.domain.coupons.notices import first_notice
from services.domain.decision import (
    AddStamp,
    ChangeCoupon,
    CloseOrder,
    Decision,
    DeclineIssuance,
    IssueCoupon,
    TakeStampBack,
)
from services.domain.events import Cause, GameCompleted
from services.domain.program import Program
from services.runtime.settings import Settings

ISSUER_ACTOR = "issuer"
EXPIRING = "expiring"

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose coupon a step is taken on, and by whom and why: what every step stores."""

    partner_id: int
    customer_no: int
    customer_id: str
    event_key: str | None
    actor: str
    cause: Cause | None


@dataclass(slots=True, kw_only=True)
class Rows:
    """What a batch writes, per table, each in the order in which it was decided."""

    decisions: list[Row] = field(default_factory=list)
    coupons: list[Row] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    outbox: list[Row] = field(default_factory=list)
    stamps: list[Row] = field(default_factory=list)
    stamps_back: list[Row] = field(default_factory=list)
    changed: dict[str, tuple[int, Coupon]] = field(default_factory=dict)
    reversed_orders: list[Row] = field(default_factory=list)
    cards: dict[tuple[int, int], Row] = field(default_factory=dict)

    def add_step(self, change: ChangeCoupon, owner: Owner, mask_codes: bool) -> None:
        """One step on a coupon: its history, its event, and the coupon's state after it."""
        coupon = change.coupon
        steps_seen = self.changed[coupon.id][0] if coupon.id in self.changed else coupon.steps - 1
        self.changed[coupon.id] = (steps_seen, coupon)
        self.history.append(
            (
                coupon.id, coupon.steps, owner.partner_id, change.at, owner.event_key,
                change.shop_id, change.order_id, change.step, change.was, coupon.status,
                owner.actor, change.reason,
            )
        )  # fmt: skip
        self._tell(
            coupon, change.step, change.at, owner, mask_codes, change.order_id, change.shop_id
        )

    def add_notice(self, coupon: Coupon, at: datetime, owner: Owner, mask_codes: bool) -> None:
        """`coupon.expiring`: no step, but the coupon remembers when the next notice is due."""
        steps_seen = self.changed[coupon.id][0] if coupon.id in self.changed else coupon.steps
        self.changed[coupon.id] = (steps_seen, coupon)
        self._tell(coupon, EXPIRING, at, owner, mask_codes)

    def _tell(
        self,
        coupon: Coupon,
        word: str,
        at: datetime,
        owner: Owner,
        mask_codes: bool,
        order_id: str | None = None,
        shop_id: int | None = None,
    ) -> None:
        value = wire.lifecycle_value(
            coupon_id=coupon.id,
            code=coupon.code,
            code_prefix=coupon.code_prefix,
            partner_id=owner.partner_id,
            game_id=coupon.game_id,
            customer_id=owner.customer_id,
            status=coupon.status,
            at=at,
            cause=owner.cause,
            order_id=order_id,
            shop_id=shop_id,
            reserved_until=coupon.reserved_until,
            expires_at=coupon.expires_at,
            mask_codes=mask_codes,
        )
        # A notice is no step, so its instant tells it from the one before.
        number = int(at.timestamp()) if word == EXPIRING else coupon.steps
        self.outbox.append(
            (
                at, None, COUPON_LIFECYCLE, f"coupon.{word}", f"{coupon.id}.{number}.{word}",
                coupon.id, owner.customer_id, value,
            )
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How what is written depends on the settings."""

    mask_codes: bool = False
    expiring_leads_hours: tuple[int, ...] = ()

    @classmethod
    def by(cls, settings: Settings) -> Writing:
        return cls(
            mask_codes=settings.mask_codes, expiring_leads_hours=settings.expiring_lead_hours
        )


PLAIN = Writing()
"""Codes in full, no notices."""


def add_verdict(rows: Rows, verdict: Verdict, program: Program, writing: Writing) -> None:
    """The rows of one decided event: its decision, and one or more for each effect."""
    incoming, decision = verdict.incoming, verdict.decision
    event, place, cause = incoming.event, incoming.position, incoming.event.cause
    game_id = won = order_id = codes = None
    if isinstance(event, GameCompleted):
        game_id, won = event.game_id, event.won
    else:
        order_id, codes = event.order_id, _codes(decision)
    rows.decisions.append(
        (
            incoming.event_key, decision.decided_at, event.occurred_at, event.partner_id,
            verdict.customer_no, game_id, place.offset, decision.coupon_id,
            decision.blocking_coupon_id, place.partition, decision.rule_version, won, cause.id,
            cause.source, cause.type, place.topic, decision.outcome, decision.reason, order_id,
            codes,
        )
    )  # fmt: skip
    for effect in decision.effects:
        match effect:
            case IssueCoupon():
                _add_coupon(rows, verdict, effect, program, writing)
            case DeclineIssuance():
                _add_decline(rows, verdict, effect, program)
            case ChangeCoupon():
                owner = Owner(
                    partner_id=event.partner_id,
                    customer_no=verdict.customer_no,
                    customer_id=event.customer_id,
                    event_key=incoming.event_key,
                    actor=ISSUER_ACTOR,
                    cause=cause,
                )
                rows.add_step(effect, owner, writing.mask_codes)
            case AddStamp() | TakeStampBack() | CloseOrder():
                _add_order_effect(rows, verdict, effect)
            case _:
                assert_never(effect)


def _codes(decision: Decision) -> str:
    return orjson.dumps(
        [
            {
                "code": result.code,
                "outcome": result.outcome,
                "reason": result.reason,
                "coupon_id": result.coupon_id,
            }
            for result in decision.codes
        ]
    ).decode()


def _add_coupon(
    rows: Rows, verdict: Verdict, issue: IssueCoupon, program: Program, writing: Writing
) -> None:
    event = verdict.incoming.event
    rows.coupons.append(
        (
            issue.coupon_id, verdict.incoming.event_key, event.partner_id, issue.game_id,
            verdict.customer_no, issue.issued_at, issue.expires_at,
            first_notice(issue.issued_at, issue.coupon_validity_days, writing.expiring_leads_hours),
            issue.rule_version, issue.coupon_validity_days, issue.allow_multiple_active_coupons,
            not issue.allow_multiple_active_coupons, issue.code, issue.code_prefix,
        )
    )  # fmt: skip
    value = wire.issued_value(
        issue,
        program.games[issue.game_id],
        event.customer_id,
        event.cause,
        mask_codes=writing.mask_codes,
    )
    rows.outbox.append(
        (
            issue.issued_at, None, COUPON_ISSUED, "coupon.issued", f"{issue.coupon_id}.issued",
            issue.coupon_id, event.customer_id, value,
        )
    )  # fmt: skip


def _add_decline(rows: Rows, verdict: Verdict, decline: DeclineIssuance, program: Program) -> None:
    event, decided_at = verdict.incoming.event, verdict.decision.decided_at
    game = program.game_of(event.partner_id, decline.game_id)
    value = wire.declined_value(
        decline, game, event.partner_id, event.customer_id, event.cause, decided_at
    )
    rows.outbox.append(
        (
            decided_at, None, ISSUANCE_DECLINED, "issuance.declined",
            f"{verdict.incoming.event_key}.declined.{decline.game_id}", None, event.customer_id,
            value,
        )
    )  # fmt: skip


def _add_order_effect(
    rows: Rows, verdict: Verdict, effect: AddStamp | TakeStampBack | CloseOrder
) -> None:
    partner_id, key = verdict.incoming.event.partner_id, verdict.incoming.event_key
    number = verdict.customer_no
    match effect:
        case AddStamp():
            rows.stamps.append(
                (partner_id, effect.order_id, effect.game_id, number, effect.card_no, key)
            )
            card_no, stamps = effect.card_no, effect.stamps
            if effect.fills_card:
                card_no, stamps = card_no + 1, 0
            rows.cards[number, effect.game_id] = (
                number, effect.game_id, partner_id, card_no, stamps,
            )  # fmt: skip
        case TakeStampBack():
            rows.stamps_back.append((partner_id, effect.order_id, effect.game_id))
            rows.cards[number, effect.game_id] = (
                number, effect.game_id, partner_id, effect.card_no, effect.stamps,
            )  # fmt: skip
        case CloseOrder():
            rows.reversed_orders.append((partner_id, effect.order_id, number, key))
        case _:
            assert_never(effect)


def dead_letter_row(letter_id: int) -> Row:
    """The outbox row of a dead letter: its bytes stay where they are."""
    return (None, letter_id, DEAD_LETTERS, None, None, None, None, None)
