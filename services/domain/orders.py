"""The rules of orders: redeem the codes, then stamp the cards; a reversal undoes what is still in effect.

Each step sees what the one before it did: a code redeemed by an order frees the single place that the card filled by
the same order then takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.domain.closed_orders import CloseOrder
from services.domain.coupons.codes import display, is_prefix, parse
from services.domain.coupons.coupon import CouponStatus
from services.domain.coupons.effects import IssueCoupon
from services.domain.coupons.issuing import Draw, Quota
from services.domain.coupons.lifecycle import StepRefusal, redeem, reinstate, settle
from services.domain.decision import (
    CodeOutcome,
    CodeReason,
    CodeResult,
    Decision,
    Effect,
    OrderReason,
    Outcome,
)
from services.domain.events import OrderPlaced, OrderReversed
from services.domain.program import Program
from services.domain.stamps import add_stamp, stamped_games, stamps_taken_back
from services.domain.state import CustomerState, evolve

_CODE_REASONS = {
    StepRefusal.EXPIRED: CodeReason.EXPIRED,
    StepRefusal.RESERVED_ELSEWHERE: CodeReason.RESERVED_ELSEWHERE,
    StepRefusal.ACTIVE_COUPON_EXISTS: CodeReason.ACTIVE_COUPON_EXISTS,
}


def decide_order_placed(
    event: OrderPlaced,
    program: Program,
    state: CustomerState,
    quota: Quota,
    *,
    at: datetime,
    draws: Sequence[Draw],
) -> Decision:
    """Redeem each code (a refused one does not stop the others), then stamp every game the order qualifies for."""
    if event.order_id in state.orders.reversed:
        reason = CodeReason.ORDER_ALREADY_REVERSED
        return Decision(
            outcome=Outcome.RECORDED,
            decided_at=at,
            reason=OrderReason.ORDER_ALREADY_REVERSED,
            codes=tuple(
                CodeResult(code=code, outcome=CodeOutcome.REFUSED, reason=reason)
                for code in event.coupon_codes
            ),
        )
    effects: list[Effect] = []
    results = []
    for code in event.coupon_codes:
        result, steps = redeem_code(code, event, state, at)
        results.append(result)
        if steps:
            effects += steps
            state = evolve(state, steps)
    left = dict(quota)
    for game, draw in zip(stamped_games(event, program, state.stamps), draws, strict=False):
        # Cards of different games have nothing in common, so the state need not follow.
        stamping = add_stamp(game, event, state.stamps, state.coupons, left, at=at, draw=draw)
        effects += stamping
        if isinstance(stamping[-1], IssueCoupon) and game.id in left:
            left[game.id] -= 1
    issue = next((effect for effect in effects if isinstance(effect, IssueCoupon)), None)
    return Decision(
        outcome=Outcome.RECORDED,
        decided_at=at,
        rule_version=issue.rule_version if issue else None,
        coupon_id=issue.coupon_id if issue else None,
        codes=tuple(results),
        effects=tuple(effects),
    )


def redeem_code(
    text: str, event: OrderPlaced, state: CustomerState, at: datetime
) -> tuple[CodeResult, tuple[Effect, ...]]:
    """What becomes of one code, and the steps on its coupon."""

    def refused(reason: CodeReason, coupon_id: str | None = None) -> CodeResult:
        return CodeResult(
            code=text, outcome=CodeOutcome.REFUSED, reason=reason, coupon_id=coupon_id
        )

    read = parse(text)
    if read is None:
        return refused(CodeReason.UNKNOWN_CODE), ()
    prefix, code = read
    coupon = state.coupons.of_code(code)
    if coupon is None:
        known = code in state.coupons.foreign_codes
        return refused(CodeReason.NOT_OWNER if known else CodeReason.UNKNOWN_CODE), ()
    if not is_prefix(prefix, coupon.code_prefix):
        return refused(CodeReason.UNKNOWN_CODE), ()
    settled = settle(coupon, at)
    step = redeem(settled.coupon, at, shop_id=event.shop_id, order_id=event.order_id)
    if isinstance(step, StepRefusal):
        reason = _CODE_REASONS.get(step, CodeReason.NOT_ACTIVE)
        return refused(reason, coupon.id), settled.effects
    result = CodeResult(code=text, outcome=CodeOutcome.REDEEMED, coupon_id=coupon.id)
    return result, (*settled.effects, step)


def decide_order_reversed(
    event: OrderReversed, program: Program, state: CustomerState, *, at: datetime
) -> Decision:
    """Undo whatever of the customer's order is still in effect; before its order, close it."""
    if event.order_id in state.orders.reversed:
        return Decision(
            outcome=Outcome.RECORDED,
            decided_at=at,
            reason=OrderReason.ORDER_ALREADY_REVERSED,
        )
    effects: list[Effect] = [CloseOrder(order_id=event.order_id)]
    results = []
    redeemed = [
        coupon
        for coupon in state.coupons.by_id.values()
        if coupon.redeemed_order_id == event.order_id and coupon.status is CouponStatus.REDEEMED
    ]
    for coupon in sorted(redeemed, key=lambda coupon: coupon.id):
        game = program.games[coupon.game_id]
        steps = reinstate(
            coupon, at, game=game, holder=state.coupons.holder(game.id), order_id=event.order_id
        )
        if isinstance(steps, StepRefusal):
            outcome, reason = CodeOutcome.KEPT, _CODE_REASONS.get(steps, CodeReason.NOT_ACTIVE)
        else:
            outcome, reason = CodeOutcome.REINSTATED, None
            effects += steps
            state = evolve(state, steps)
        results.append(
            CodeResult(
                code=display(coupon.code, coupon.code_prefix),
                outcome=outcome,
                reason=reason,
                coupon_id=coupon.id,
            )
        )
    effects += stamps_taken_back(event.order_id, state.stamps)
    return Decision(
        outcome=Outcome.RECORDED, decided_at=at, codes=tuple(results), effects=tuple(effects)
    )
