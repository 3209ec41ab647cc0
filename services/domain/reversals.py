"""An order that is cancelled or refunded, by part or whole: what of it is still in effect is undone.

Games' coupons and stamps come back at the first reversal; points in proportion to what was refunded, by part in any
order; what the program's coupons and campaigns gave once all of it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.domain.campaigns import Revoke, TakeStepBack
from services.domain.closed_orders import CloseOrder
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.coupons.issuing import Draw
from services.domain.coupons.lifecycle import (
    StepRefusal,
    Steps,
    cancel,
    give_back,
    reinstate,
    settle,
)
from services.domain.coupons.stock import Stock
from services.domain.course import Course
from services.domain.decision import CodeOutcome, CodeResult, Decision, OrderReason, Outcome
from services.domain.events import OrderReversed
from services.domain.exact import ZERO, minus
from services.domain.order_codes import reason_of
from services.domain.origins import Source, SourceKind
from services.domain.points.ledger import Reversal, reversed_
from services.domain.program import Program
from services.domain.promotion import settled
from services.domain.purchases import NoteRefund, Purchase, taken_back
from services.domain.stamps import stamps_taken_back
from services.domain.state import CustomerState
from services.domain.values import replaced

ORDER_REVERSED: Final = "order_reversed"


def decide_order_reversed(
    event: OrderReversed,
    program: Program,
    state: CustomerState,
    *,
    at: datetime,
    draws: Sequence[Draw],
    stock: Stock,
) -> Decision:
    """Undo whatever of the customer's order is still in effect; before its order, close it.

    Where tiers have changed since the customer's last event, this one may reach one: `draws` serve its coupons.
    """
    course = Course(program.of_partner(event.partner_id), state, at=at, draws=draws, stock=stock)
    found = state.purchases.by_id.get(event.order_id)
    purchase = found if found is not None and found.is_mine else None
    is_first = event.order_id not in state.orders.reversed
    results: list[CodeResult] = []
    if is_first:
        course.add(CloseOrder(order_id=event.order_id))
        results += _games_back(course, event, program)
        course.add(*stamps_taken_back(event.order_id, state.stamps))
    if purchase is None:
        reason = _not_earned(course, event, results, is_first=is_first)
    elif purchase.is_closed:
        reason = OrderReason.ORDER_ALREADY_REVERSED
    else:
        reason = None
        refunded = max(_refunded(event, purchase.amount), purchase.refunded)
        if closes := refunded >= purchase.amount:
            results += _uses_back(course, event)
        take_back(course, purchase, refunded, closes=closes)
    answer = settled(course)
    return Decision(
        outcome=Outcome.RECORDED,
        decided_at=at,
        reason=reason,
        codes=tuple(results),
        effects=tuple(course.effects),
        program=answer,
        after=course.state.now(),
    )


def _refunded(event: OrderReversed, amount: Decimal) -> Decimal:
    """Of this amount; its size counts, not its sign."""
    return amount if event.refunded_total is None else min(event.refunded_total.copy_abs(), amount)


def _not_earned(
    course: Course, event: OrderReversed, results: list[CodeResult], *, is_first: bool
) -> OrderReason | None:
    """A reversal of an order that has earned nothing, most often since it has not come yet.

    Under a program a part of it is remembered until then; the whole closes it, which is known of an order that has used
    coupons. Without a program every reversal does.
    """
    if course.program is None:
        return None if is_first else OrderReason.ORDER_ALREADY_REVERSED
    noted = course.state.purchases.refunded_before.get(event.order_id)
    if not is_first and noted is None:
        return OrderReason.ORDER_ALREADY_REVERSED
    refunded = event.refunded_total
    if refunded is not None:
        refunded = max(refunded.copy_abs(), noted or ZERO)
    worth = course.state.purchases.used_for.get(event.order_id)
    if refunded is not None and (worth is None or refunded < worth):
        course.add(NoteRefund(order_id=event.order_id, refunded=refunded))
        return None
    results += _uses_back(course, event)
    if noted is not None:
        course.add(NoteRefund(order_id=event.order_id, refunded=noted, closes=True))
    return None


def _games_back(course: Course, event: OrderReversed, program: Program) -> list[CodeResult]:
    """Coupons of games that the order has redeemed."""
    redeemed = [
        coupon
        for coupon in course.state.coupons.by_id.values()
        if coupon.redeemed_order_id == event.order_id
        and coupon.status is CouponStatus.REDEEMED
        and coupon.game_id is not None
    ]
    results = []
    for coupon in sorted(redeemed, key=lambda coupon: coupon.id):
        assert coupon.game_id is not None
        steps = reinstate(
            coupon,
            course.at,
            game=program.games[coupon.game_id],
            holder=course.state.coupons.holder(coupon.game_id),
            order_id=event.order_id,
        )
        results.append(_given_back(course, coupon, steps))
    return results


def _uses_back(course: Course, event: OrderReversed) -> list[CodeResult]:
    """Uses that the order had of coupons that no game issued, also of one that a till holds for its next use."""
    results = []
    for coupon_id in sorted(course.state.coupons.used_by.get(event.order_id, ())):
        coupon = _settled(course, course.state.coupons.by_id[coupon_id])
        steps = give_back(coupon, course.at, order_id=event.order_id, released_for=ORDER_REVERSED)
        results.append(_given_back(course, coupon, steps))
    return results


def _settled(course: Course, coupon: Coupon) -> Coupon:
    """As time has left it, which is recorded."""
    settling = settle(coupon, course.at)
    course.add(*settling.effects)
    return settling.coupon


def _given_back(course: Course, coupon: Coupon, steps: Steps | StepRefusal) -> CodeResult:
    code = coupon.shown_code
    if isinstance(steps, StepRefusal):
        return CodeResult(
            code=code, outcome=CodeOutcome.KEPT, reason=reason_of(steps), coupon_id=coupon.id
        )
    course.add(*steps)
    return CodeResult(code=code, outcome=CodeOutcome.REINSTATED, coupon_id=coupon.id)


def take_back(course: Course, purchase: Purchase, refunded: Decimal, *, closes: bool) -> None:
    """What the order earned by rate, in proportion; at the whole also what campaigns granted for it."""
    was, amount = purchase.refunded, purchase.amount
    back = Reversal(
        source=Source(SourceKind.ORDER, purchase.order_id),
        points=taken_back(purchase.points, refunded, amount)
        - (taken_back(purchase.points, was, amount) if was else 0),
        score=taken_back(purchase.score, refunded, amount)
        - (taken_back(purchase.score, was, amount) if was else 0),
        spent=minus(refunded, was),
        orders=1 if closes else 0,
        order_id=purchase.order_id,
        lot=purchase.entry,
    )
    _post(course, back)
    if closes:
        _revoke(course, purchase)
    course.add(NoteRefund(order_id=purchase.order_id, refunded=refunded, closes=closes))


def _post(course: Course, back: Reversal) -> None:
    if back:
        course.add(reversed_(course.state.wallet, back, at=course.at))


def _revoke(course: Course, purchase: Purchase) -> None:
    """Achievements of the order count no more; what they granted is taken back, and steps of rounds under way."""
    for done in purchase.achievements:
        back = Reversal(
            source=Source(SourceKind.CAMPAIGN, str(done.campaign_id)),
            points=done.points,
            score=done.score,
            order_id=purchase.order_id,
            lot=done.entry,
        )
        _post(course, back)
        course.add(Revoke(campaign_id=done.campaign_id, achievement=done.achievement))
        for coupon_id in done.coupon_ids:
            _cancel_unused(course, coupon_id, purchase.order_id)
    for step in purchase.steps:
        progress = course.state.campaigns.of(step.campaign_id)
        if progress.round == step.round and progress.steps:
            course.add(TakeStepBack(campaign_id=step.campaign_id))


def _cancel_unused(course: Course, coupon_id: str, order_id: str) -> None:
    found = course.state.coupons.by_id.get(coupon_id)
    if found is None:
        return
    coupon = _settled(course, found)
    if coupon.used_count:
        return
    step = cancel(coupon, course.at, reason=ORDER_REVERSED)
    if not isinstance(step, StepRefusal):
        course.add(replaced(step, order_id=order_id))
