"""What customers tell of themselves and do, and what we tell ourselves about them: all but games and orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.domain.coupons.issuing import Draw
from services.domain.coupons.stock import Stock
from services.domain.course import Course
from services.domain.decision import BookingReason, Decision, Outcome
from services.domain.events import (
    Birthday,
    CardHandedOver,
    CustomerDescribed,
    CustomerDid,
    CustomerEvent,
    PointsBooked,
    ReferralCompleted,
    Told,
)
from services.domain.origins import Source, SourceKind
from services.domain.points.ledger import Earning, spent
from services.domain.profiles import Describe, HoldCard, Profile
from services.domain.program import Program
from services.domain.promotion import settled
from services.domain.referrals import (
    Others,
    ReferralOutcome,
    ReferralReason,
    ReferralResult,
    RewardReferral,
    Role,
)
from services.domain.rewards import NO_REWARD
from services.domain.state import CustomerState
from services.domain.triggering import NOTHING_SET_OFF, Happening, SetOff, refer, set_off
from services.domain.triggers import BIRTHDAY, SIGN_UP, VISIT, number_of
from services.domain.values import replaced


def decide_customer_event(
    event: CustomerEvent,
    program: Program,
    state: CustomerState,
    *,
    at: datetime,
    draws: Sequence[Draw],
    stock: Stock,
) -> Decision:
    """It is recorded, whatever it sets off; only what is booked by hand may be declined."""
    course = Course(program.of_partner(event.partner_id), state, at=at, draws=draws, stock=stock)
    done, referral = NOTHING_SET_OFF, None
    match event:
        case CustomerDescribed():
            done, referral = _described(course, event, program)
        case CustomerDid():
            _visited(course, event)
            happening = Happening(
                name=event.name, metadata=event.metadata, occurred_at=event.occurred_at
            )
            done = set_off(course, happening)
            referral = refer(course, happening, event.customer_id)
        case ReferralCompleted():
            _reward_referrer(course, event)
        case PointsBooked():
            if -event.points > course.state.wallet.balance:
                reason = BookingReason.INSUFFICIENT_POINTS
                return Decision(outcome=Outcome.DECLINED, decided_at=at, reason=reason)
            _book(course, event)
        case CardHandedOver():
            hold_card(course, event.card_id)
        case Birthday():
            happening = Happening(
                name=BIRTHDAY, metadata={"year": event.year}, occurred_at=event.occurred_at
            )
            done = set_off(course, happening)
            referral = refer(course, happening, event.customer_id)
    answer = settled(course, done.results, referral=referral)
    return Decision(
        outcome=Outcome.RECORDED,
        decided_at=at,
        effects=tuple(course.effects),
        program=answer,
        after=course.state.now(),
    )


def _described(
    course: Course, event: CustomerDescribed, program: Program
) -> tuple[SetOff, ReferralResult | None]:
    """The profile; of who registers also the card, its bonus, campaigns and the referral."""
    was = course.state.profile
    profile = _told(was, event.told)
    if not event.registers or was.is_registered:
        course.add(Describe(profile=profile))
        return NOTHING_SET_OFF, None
    referral = _referral_of(event, course.state.others)
    if referral is not None and referral.outcome is ReferralOutcome.SET:
        profile = replaced(profile, referred_by=referral.referrer_id)
    profile = replaced(profile, registered_at=course.at)
    course.add(Describe(profile=profile, registers=True))
    course.tags = profile.tags
    card = program.card_to_assign(event.partner_id, profile.card_id)
    if card is not None:
        hold_card(course, card.id)
    happening = Happening(
        name=SIGN_UP,
        metadata={**profile.attributes, "locale": profile.locale},
        occurred_at=event.occurred_at,
    )
    done = set_off(course, happening)
    return done, refer(course, happening, event.customer_id) or referral


def _told(profile: Profile, told: Told) -> Profile:
    return replaced(profile, **{name: getattr(told, name) for name in told.given})


def _referral_of(event: CustomerDescribed, others: Others) -> ReferralResult | None:
    """Whether the registration names somebody who may have brought this customer."""
    referrer = event.referred_by
    if referrer is None:
        return None
    reason = None
    if referrer == event.customer_id:
        reason = ReferralReason.SELF_REFERRAL
    elif referrer not in others.registered:
        reason = ReferralReason.UNKNOWN_REFERRER
    outcome = ReferralOutcome.SET if reason is None else ReferralOutcome.REFUSED
    return ReferralResult(outcome=outcome, referrer_id=referrer, reason=reason)


def _book(course: Course, event: PointsBooked) -> None:
    """Points that come in end by the rules, or earlier if told so; those that go take lots as all that costs does."""
    source = Source(SourceKind.MANUAL, event.transaction_id)
    if event.points > 0:
        earning = Earning(source=source, points=event.points, reason=event.reason)
        course.earn(earning, event.ends_at)
    else:
        entry = spent(course.state.wallet, -event.points, source=source, at=course.at)
        course.add(replaced(entry, reason=event.reason))


def hold_card(course: Course, card_id: int | None) -> None:
    """Give the customer a card, from another one too; a first time with it brings its bonus, under a program."""
    profile = course.state.profile
    if card_id == profile.card_id:
        return
    if card_id is None:
        course.add(HoldCard(card_id=None, at=course.at))
        return
    card = course.program.cards.get(card_id) if course.program is not None else None
    bonus = card.initial_bonus if card is not None and card.points_enabled else 0
    brings_bonus = bool(bonus) and card_id not in profile.bonus_cards
    course.add(HoldCard(card_id=card_id, at=course.at, brings_bonus=brings_bonus))
    if brings_bonus:
        course.earn(Earning(source=Source(SourceKind.CARD, str(card_id)), points=bonus))


def _visited(course: Course, event: CustomerDid) -> None:
    """A visit earns what the card says, at the shops that it is of."""
    card_id = course.state.profile.card_id
    if event.name != VISIT or course.program is None or card_id is None:
        return
    card = course.program.cards.get(card_id)
    shop = event.metadata.get("shop_id")
    number = number_of(shop) if isinstance(shop, (str, int)) else None
    shop_id = int(number) if number is not None and number == int(number) else None
    if card is not None and card.is_of(shop_id):
        source = Source(SourceKind.CARD, str(card_id))
        course.earn(Earning(source=source, points=card.points_per_visit))


def _reward_referrer(course: Course, event: ReferralCompleted) -> None:
    """One more friend, and what that brings by the rules of now: told even if it is nothing."""
    if course.program is None:
        return
    rules, source = course.program.referrals, Source(SourceKind.REFERRAL, event.friend_id)
    referrals = course.state.wallet.referrals + 1
    reward, has_extra = rules.for_referrer(referrals) if rules is not None else (NO_REWARD, False)
    entry, coupon_ids = course.grant(reward, source, referrals=1)
    course.add(
        RewardReferral(
            role=Role.CUSTOMER,
            friend_id=event.friend_id,
            referrals=referrals,
            extra=has_extra,
            points=entry.points if entry is not None else 0,
            score=entry.score if entry is not None else 0,
            coupon_ids=coupon_ids,
        )
    )
