"""The codes of an order, in their order: whose coupon each is, whether it can be used, and what it takes off."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Final

from services.domain.coupons.codes import is_prefix, parse
from services.domain.coupons.coupon import Coupon
from services.domain.coupons.discounts import (
    Discount,
    TermsReason,
    discount,
    off_goods,
    serves,
)
from services.domain.coupons.lifecycle import StepRefusal, redeem, settle
from services.domain.course import Course
from services.domain.decision import CodeDiscount, CodeOutcome, CodeReason, CodeResult
from services.domain.events import OrderPlaced
from services.domain.exact import ZERO
from services.domain.values import quickly_made

_REASONS: Final = {
    StepRefusal.EXPIRED: CodeReason.EXPIRED,
    StepRefusal.RESERVED_ELSEWHERE: CodeReason.RESERVED_ELSEWHERE,
    StepRefusal.ACTIVE_COUPON_EXISTS: CodeReason.ACTIVE_COUPON_EXISTS,
}


def reason_of(refusal: StepRefusal) -> CodeReason:
    """A refused step, as an order tells it."""
    return _REASONS.get(refusal, CodeReason.NOT_ACTIVE)


@quickly_made(frozen=True, slots=True, kw_only=True)
class Redeemed:
    """What became of each code, and what the coupons of the program took off."""

    results: tuple[CodeResult, ...] = ()
    discounts: tuple[CodeDiscount, ...] = ()
    off_goods: Decimal = ZERO


NO_CODES: Final = Redeemed()


def redeem_codes(course: Course, event: OrderPlaced, *, games_are_closed: bool = False) -> Redeemed:
    """Redeem each code; a refused one does not stop the others. `games_are_closed`: those of games count no more."""
    if not event.coupon_codes:
        return NO_CODES
    results: list[CodeResult] = []
    discounts: list[CodeDiscount] = []
    given: list[Discount] = []
    used: set[str] = set()
    for text in event.coupon_codes:
        coupon = _found(course, text)
        if isinstance(coupon, CodeReason):
            results.append(_refused(text, coupon))
            continue
        reason = _redeem(course, event, coupon, given, used, games_are_closed)
        if reason is not None:
            results.append(_refused(text, reason, coupon.id))
            continue
        used.add(coupon.id)
        if coupon.terms is not None:
            discounts.append(
                CodeDiscount(
                    code=text,
                    coupon_id=coupon.id,
                    discount_class=coupon.terms.discount_class,
                    amount=given[-1].amount,
                )
            )
        results.append(CodeResult(code=text, outcome=CodeOutcome.REDEEMED, coupon_id=coupon.id))
    return Redeemed(
        results=tuple(results),
        discounts=tuple(discounts),
        off_goods=off_goods(given),
    )


def _refused(text: str, reason: CodeReason, coupon_id: str | None = None) -> CodeResult:
    return CodeResult(code=text, outcome=CodeOutcome.REFUSED, reason=reason, coupon_id=coupon_id)


def _found(course: Course, text: str) -> Coupon | CodeReason:
    """The customer's own coupon of this code: one that the partner brought, exactly as it is written, before ours."""
    coupons = course.state.coupons
    if (coupon := coupons.of_external_code(text)) is not None:
        return coupon
    if text in coupons.foreign_external_codes:
        return CodeReason.NOT_OWNER
    read = parse(text)
    if read is None:
        return CodeReason.UNKNOWN_CODE
    prefix, code = read
    coupon = coupons.of_code(code)
    if coupon is None:
        known = code in coupons.foreign_codes
        return CodeReason.NOT_OWNER if known else CodeReason.UNKNOWN_CODE
    return coupon if is_prefix(prefix, coupon.code_prefix) else CodeReason.UNKNOWN_CODE


def _redeem(
    course: Course,
    event: OrderPlaced,
    coupon: Coupon,
    given: list[Discount],
    used: Collection[str],
    games_are_closed: bool,
) -> CodeReason | None:
    """Take the step, unless something stands against it. What time has done by then is recorded either way."""
    if coupon.terms is None and games_are_closed:
        return CodeReason.ORDER_ALREADY_REVERSED
    settled = settle(coupon, course.at)
    course.add(*settled.effects)
    step = redeem(settled.coupon, course.at, shop_id=event.shop_id, order_id=event.order_id)
    if isinstance(step, StepRefusal):
        return reason_of(step)
    if coupon.id in used:
        return CodeReason.NOT_ACTIVE
    if coupon.terms is not None:
        has_tier = serves(coupon, course.tier, course.program)
        taken = discount(coupon.terms, event, given, has_tier=has_tier)
        if isinstance(taken, TermsReason):
            return CodeReason(taken.value)
        given.append(taken)
    course.add(step)
    return None
