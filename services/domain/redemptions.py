"""What is asked of points and coupons: points into a coupon, and undoing that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from services.domain.coupons.effects import DeclineReward, GrantCoupon
from services.domain.coupons.issuing import Draw
from services.domain.coupons.stock import Stock
from services.domain.course import Course
from services.domain.decision import Decision, Outcome, Reason
from services.domain.events import PointsRedeemRequested, Redemption, UndoRequested
from services.domain.origins import Source, SourceKind
from services.domain.program import Program
from services.domain.promotion import settled
from services.domain.redeeming import redeem_points, undo
from services.domain.state import CustomerState


def decide_redemption(
    event: Redemption,
    program: Program,
    state: CustomerState,
    *,
    at: datetime,
    draws: Sequence[Draw],
    stock: Stock,
) -> Decision:
    """A coupon for points is issued or declined, which is told; that one is given back is recorded, done or not."""
    course = Course(program.of_partner(event.partner_id), state, at=at, draws=draws, stock=stock)
    reason: Reason | None = None
    coupon_id = None
    match event:
        case PointsRedeemRequested():
            answer = redeem_points(course, event.rule_id, event.points)
            if isinstance(answer, GrantCoupon):
                outcome, coupon_id = Outcome.ISSUED, answer.coupon_id
            else:
                outcome, reason = Outcome.DECLINED, answer
                source = Source(SourceKind.REDEMPTION, str(event.rule_id))
                course.add(DeclineReward(source=source, reason=answer, rule_id=event.rule_id))
        case UndoRequested():
            outcome = Outcome.RECORDED
            reason = undo(course, course.state.coupons.by_id.get(event.coupon_id))
        case _:
            assert_never(event)
    program_answer = settled(course)
    return Decision(
        outcome=outcome,
        decided_at=at,
        reason=reason,
        coupon_id=coupon_id,
        effects=tuple(course.effects),
        program=program_answer,
        after=course.state.now(),
    )
