"""From a decided event to rows: its decision, and what each of its effects adds to which table.

An effect is one `case` of `add_verdict`; what a family writes stands in a function of its own. Rows are filled in the
order of their fields: naming each field takes four times as long, and orders and games come by the thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, assert_never, get_args

import orjson

from schemas.topics import COUPON_ISSUED, ISSUANCE_DECLINED
from services.adapters import wire
from services.adapters.postgres.closed_orders import ReversedOrderRow
from services.adapters.postgres.coupon_terms import stored_terms
from services.adapters.postgres.coupons import FROM_POOL, CouponRow
from services.adapters.postgres.groups import GivenCode
from services.adapters.postgres.inbox import DecisionRow
from services.adapters.postgres.outbox import OutboxRow, event_row
from services.adapters.postgres.stamps import CardRow, StampBack, StampRow
from services.decisions.accounts import Account
from services.decisions.manner import Writing
from services.decisions.rows import ISSUER_ACTOR, Owner, Rows
from services.decisions.telling import granted_row, program_rows, program_text
from services.domain.arrival import Verdict
from services.domain.closed_orders import CloseOrder
from services.domain.coupons.effects import (
    ChangeCoupon,
    DeclineIssuance,
    GrantCoupon,
    IssueCoupon,
    RedeemReason,
)
from services.domain.coupons.notices import first_notice, next_notice
from services.domain.decision import CodeResult
from services.domain.effects import ProgramEffect
from services.domain.events import (
    Birthday,
    CardHandedOver,
    Cause,
    CustomerDescribed,
    CustomerDid,
    GameCompleted,
    OrderPlaced,
    OrderReversed,
    PointsBooked,
    PointsRedeemRequested,
    ReferralCompleted,
    UndoRequested,
)
from services.domain.program import Game, Program
from services.domain.stamps import AddStamp, StampEffect, TakeStampBack
from services.domain.state import CustomerState


def rows_of(verdicts: Iterable[Verdict], program: Program, writing: Writing) -> Rows:
    """The rows of decided events, in their order."""
    rows = Rows(writing=writing)
    for verdict in verdicts:
        add_verdict(rows, verdict, program)
    return rows


def add_verdict(rows: Rows, verdict: Verdict, program: Program) -> None:
    """The rows of one decided event: its decision, and one or more for each effect."""
    rows.decisions.append(_decision(verdict))
    effects = verdict.decision.effects
    if verdict.after is not None:
        _add_account(rows, verdict, verdict.after, program)
    if (
        verdict.after is not None
        or verdict.decision.program is not None
        or isinstance(verdict.decision.reason, RedeemReason)  # told where no program is, too
    ):
        rows.outbox.extend(program_rows(verdict))
        if _OF_ACCOUNT.issuperset(map(type, effects)):
            return
    for effect in effects:
        match effect:
            case IssueCoupon():
                _add_coupon(rows, verdict, effect, program)
            case GrantCoupon():
                _add_granted(rows, verdict, effect)
            case DeclineIssuance():
                _add_decline(rows, verdict, effect, program)
            case ChangeCoupon():
                rows.add_step(effect, _owner(verdict))
            case AddStamp() | TakeStampBack():
                _add_stamp(rows, verdict, effect)
            case CloseOrder():
                rows.reversed_orders.append(
                    ReversedOrderRow(
                        partner_id=verdict.incoming.event.partner_id,
                        order_id=effect.order_id,
                        customer_no=verdict.customer_no,
                        event_key=verdict.incoming.event_key,
                    )
                )
            case _:
                _is_of_account(effect)


def _is_of_account(effect: ProgramEffect) -> None:
    """What is left is written with the account, and told by `program_rows`; the type says that nothing else is."""


_OF_ACCOUNT: Final = frozenset(get_args(ProgramEffect))
"""By type, since it is asked of every effect of every event: most orders under a program have no others."""


def issued_row(
    issue: IssueCoupon,
    game: Game,
    customer_id: str,
    cause: Cause,
    *,
    mask_codes: bool,
    republished: bool | None = None,
    traceparent: str | None = None,
) -> OutboxRow:
    """`coupon.issued` of a coupon, whenever it is told: the same id and data each time."""
    value = wire.issued_value(issue, game, customer_id, cause, mask_codes=mask_codes)
    coupon_id = issue.coupon_id
    return OutboxRow(
        issue.issued_at, None, COUPON_ISSUED, "coupon.issued", f"{coupon_id}.issued", coupon_id,
        customer_id, value, republished, traceparent,
    )  # fmt: skip


def _decision(verdict: Verdict) -> DecisionRow:
    incoming, decision = verdict.incoming, verdict.decision
    event, position, cause = incoming.event, incoming.position, incoming.event.cause
    game_id = won = order_id = codes = None
    match event:
        case GameCompleted():
            game_id, won = event.game_id, event.won
        case OrderPlaced() | OrderReversed():
            order_id, codes = event.order_id, _codes(decision.codes)
        case CustomerDescribed() | CustomerDid() | ReferralCompleted() | Birthday():
            pass
        case PointsBooked() | CardHandedOver() | PointsRedeemRequested() | UndoRequested():
            pass
        case _:
            assert_never(event)
    program = decision.program
    return DecisionRow(
        incoming.event_key, decision.decided_at, event.occurred_at, event.partner_id,
        verdict.customer_no, game_id, position.offset, decision.coupon_id,
        decision.blocking_coupon_id, position.partition, decision.rule_version, won, cause.id,
        cause.source, cause.type, position.topic, decision.outcome, decision.reason, order_id,
        codes, incoming.traceparent,
        None if program is None else program.version,
        program_text(decision),
    )  # fmt: skip


def _codes(results: Sequence[CodeResult]) -> str:
    if not results:
        return "[]"
    return orjson.dumps(
        [
            {
                "code": result.code,
                "outcome": result.outcome,
                "reason": result.reason,
                "coupon_id": result.coupon_id,
            }
            for result in results
        ]
    ).decode()


def _owner(verdict: Verdict) -> Owner:
    event = verdict.incoming.event
    return Owner(
        partner_id=event.partner_id,
        customer_no=verdict.customer_no,
        customer_id=event.customer_id,
        event_key=verdict.incoming.event_key,
        actor=ISSUER_ACTOR,
        cause=event.cause,
        traceparent=verdict.incoming.traceparent,
    )


def _add_coupon(rows: Rows, verdict: Verdict, issue: IssueCoupon, program: Program) -> None:
    event, writing = verdict.incoming.event, rows.writing
    rows.coupons.append(
        CouponRow(
            issue.coupon_id, verdict.incoming.event_key, event.partner_id, issue.game_id,
            verdict.customer_no, issue.issued_at, issue.expires_at,
            first_notice(issue.issued_at, issue.coupon_validity_days, writing.expiring_leads_hours),
            issue.rule_version, issue.coupon_validity_days, issue.allow_multiple_active_coupons,
            not issue.allow_multiple_active_coupons, issue.code, issue.code_prefix,
        )
    )  # fmt: skip
    game = program.games[issue.game_id]
    rows.outbox.append(
        issued_row(
            issue,
            game,
            event.customer_id,
            event.cause,
            mask_codes=writing.mask_codes,
            traceparent=verdict.incoming.traceparent,
        )
    )


def _add_account(rows: Rows, verdict: Verdict, after: CustomerState, program: Program) -> None:
    event, decision = verdict.incoming.event, verdict.decision
    partner = program.partners.get(event.partner_id)
    rows.accounts.add(
        Account(
            customer_no=verdict.customer_no,
            partner_id=event.partner_id,
            event_key=verdict.incoming.event_key,
        ),
        decision.effects,
        after,
        at=decision.decided_at,
        time_zone=partner.time_zone if partner is not None else None,
    )


def _add_granted(rows: Rows, verdict: Verdict, grant: GrantCoupon) -> None:
    event, writing = verdict.incoming.event, rows.writing
    notice = (
        None
        if grant.expires_at is None
        else next_notice(
            grant.issued_at, grant.expires_at, writing.expiring_leads_hours, at=grant.issued_at
        )
    )
    rows.coupons.append(
        CouponRow(
            grant.coupon_id, verdict.incoming.event_key, event.partner_id, None, verdict.customer_no,
            grant.issued_at, grant.expires_at, notice, None, None, None, False, grant.code,
            grant.code_prefix, grant.source.kind, grant.source.id,
            orjson.dumps(stored_terms(grant.terms)).decode(), grant.program_version,
            grant.external_code, None if grant.pool_code is None else FROM_POOL, grant.code_is_pending,
        )
    )  # fmt: skip
    if grant.pool_code is not None:
        rows.given_codes.append(GivenCode(event.partner_id, grant.pool_code, grant.coupon_id))
    rows.outbox.append(
        granted_row(
            grant,
            event.partner_id,
            event.customer_id,
            event.cause,
            mask_codes=writing.mask_codes,
            traceparent=verdict.incoming.traceparent,
        )
    )


def _add_decline(rows: Rows, verdict: Verdict, decline: DeclineIssuance, program: Program) -> None:
    event, decided_at = verdict.incoming.event, verdict.decision.decided_at
    game = program.game_of(event.partner_id, decline.game_id)
    value = wire.declined_value(
        decline, game, event.partner_id, event.customer_id, event.cause, decided_at
    )
    rows.outbox.append(
        event_row(
            ISSUANCE_DECLINED,
            "issuance.declined",
            f"{verdict.incoming.event_key}.declined.{decline.game_id}",
            at=decided_at,
            subject=None,
            customer_id=event.customer_id,
            value=value,
            traceparent=verdict.incoming.traceparent,
        )
    )


def _add_stamp(rows: Rows, verdict: Verdict, effect: StampEffect) -> None:
    partner_id, number = verdict.incoming.event.partner_id, verdict.customer_no
    match effect:
        case AddStamp():
            rows.stamps.append(
                StampRow(
                    partner_id, effect.order_id, effect.game_id, number, effect.card_no,
                    verdict.incoming.event_key,
                )
            )  # fmt: skip
        case TakeStampBack():
            rows.stamps_back.append(
                StampBack(partner_id=partner_id, order_id=effect.order_id, game_id=effect.game_id)
            )
        case _:
            assert_never(effect)
    card = effect.card
    rows.cards[number, effect.game_id] = CardRow(
        number, effect.game_id, partner_id, card.card_no, card.stamps
    )
