"""Points into coupons: whether a rule may be used now, what it costs, what the coupon is worth; and undoing it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.coupons.effects import GrantCoupon, RedeemReason
from services.domain.coupons.lifecycle import StepRefusal, cancel, settle
from services.domain.course import Course
from services.domain.decision import RedeemRefusal, UndoReason
from services.domain.exact import ONE, ZERO, minor_digits
from services.domain.origins import Source, SourceKind
from services.domain.partner_program import PartnerProgram, RedemptionRule
from services.domain.points.earning import CardRules, worth
from services.domain.points.ledger import restored, spent
from services.domain.terms import Terms, TermsType
from services.domain.values import replaced

REDEMPTION_UNDONE = "redemption_undone"


def redeem_points(course: Course, rule_id: int, points: int | None) -> RedeemRefusal | GrantCoupon:
    """Take the points and give the coupon, or say why not; then nothing has come of it but what time has done.

    `points` are asked for with the default rule alone.
    """
    program = course.program
    if program is None:
        return RedeemReason.RULE_INACTIVE
    card = program.cards.get(course.state.profile.card_id or 0)
    if not program.redemption_is_active or (card is not None and not card.redemption_enabled):
        return RedeemReason.REDEMPTION_INACTIVE
    rule = program.redemption_rules.get(rule_id)
    if rule is None:
        return RedeemReason.RULE_NOT_FOUND
    value = value_of_point(program, rule, card)
    if reason := unusable(course, rule, value):
        return reason
    cost = _cost(course, rule, points)
    terms = _terms(program, rule, cost, value)
    source = Source(SourceKind.REDEMPTION, str(rule.id))
    if against := course.refused(terms):
        return against
    if reason := _too_few_or_many(course, card, cost, terms):
        return reason
    coupon = course.granted(terms, source, course.draw())
    entry = spent(course.state.wallet, cost, source=source, at=course.at)
    coupon = replaced(coupon, takes=entry.takes)
    course.add(entry, coupon)
    return coupon


def value_of_point(
    program: PartnerProgram, rule: RedemptionRule, card: CardRules | None
) -> tuple[Decimal, Decimal] | None:
    """What points are worth by this rule: so much money per so many points; None where it is no matter.

    The default rule goes by the card's rate where it has one; one of general settings by its own, else the default's.
    """
    if not rule.is_general:
        return None
    if rule.is_default:
        return program.point_rate(card)
    return rule.value_of_point or program.value_of_point, ONE


def unusable(
    course: Course, rule: RedemptionRule, value: tuple[Decimal, Decimal] | None
) -> RedeemReason | None:
    """The first reason why this customer cannot use the rule now, whatever their balance."""
    if not rule.is_active or (value is not None and not value[0]):
        return RedeemReason.RULE_INACTIVE
    if rule.starts_at is not None and course.at < rule.starts_at:
        return RedeemReason.RULE_NOT_STARTED
    if rule.ends_at is not None and course.at >= rule.ends_at:
        return RedeemReason.RULE_ENDED
    if not rule.is_for_tier(course.tier):
        return RedeemReason.TIER_NOT_ELIGIBLE
    if rule.tags and rule.tags.isdisjoint(course.tags):
        return RedeemReason.TAG_NOT_ELIGIBLE
    return None


def _cost(course: Course, rule: RedemptionRule, points: int | None) -> int:
    if rule.is_default:
        return points or 0
    return course.state.wallet.balance if rule.points is None else rule.points


def _terms(
    program: PartnerProgram, rule: RedemptionRule, cost: int, value: tuple[Decimal, Decimal] | None
) -> Terms:
    """The rule's own, or a fixed discount of what the points are worth."""
    if value is None:
        return rule.terms
    money = worth(cost, value[0], minor_digits(program.currency), per=value[1])
    return replace(rule.terms, type=TermsType.FIXED, value=money, currency=program.currency)


def _too_few_or_many(
    course: Course, card: CardRules | None, cost: int, terms: Terms
) -> RedeemReason | None:
    if not cost:
        return RedeemReason.INSUFFICIENT_POINTS
    if card is not None and cost < card.least_per_redemption:
        return RedeemReason.BELOW_MINIMUM
    if terms.type is TermsType.FIXED and (terms.value or ZERO) <= 0:
        return RedeemReason.BELOW_MINIMUM
    most = card.most_per_redemption if card is not None else None
    if most is not None and cost > most:
        return RedeemReason.ABOVE_MAXIMUM
    return RedeemReason.INSUFFICIENT_POINTS if cost > course.state.wallet.balance else None


def undo(course: Course, coupon: Coupon | None) -> UndoReason | None:
    """Cancel a redemption's coupon, and give the points back to the lots they were taken from, or say why not.

    The coupon is the customer's, None if they have no such. What time has done to it is settled in any case.
    """
    takes = course.state.coupons.paid.get(coupon.id) if coupon is not None else None
    source = coupon.source if coupon is not None else None
    if coupon is None or source is None or takes is None:
        return UndoReason.NOT_A_REDEMPTION
    settled = settle(coupon, course.at)
    course.add(*settled.effects)
    coupon = settled.coupon
    if coupon.status is not CouponStatus.ACTIVE or coupon.used_count:
        return UndoReason.COUPON_NOT_ACTIVE
    program = course.program
    if coupon.is_delivered and not (program is not None and program.hears_of_cancellations):
        return UndoReason.COUPON_DELIVERED
    step = cancel(coupon, course.at, reason=REDEMPTION_UNDONE)
    assert not isinstance(step, StepRefusal)
    course.add(step)
    course.add(*restored(course.state.wallet, takes, source=source, at=course.at))
    return None
