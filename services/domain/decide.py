"""The rules. `decide` answers one event of one customer, and is total: every event gets an answer.

Everything random or timed comes in as an argument: the instant from the database's clock, the coupon ids and codes
drawn beforehand (`Draw`), how many coupons a capped game has left (`Quota`), and a group of coupons (`Stock`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_never

from services.domain.coupons.effects import (
    CouponEffect,
    DeclineIssuance,
    DeclineReason,
    IssueCoupon,
)
from services.domain.coupons.issuing import Draw, Quota, complete
from services.domain.coupons.stock import NO_STOCK, Stock
from services.domain.course import Course
from services.domain.customers import decide_customer_event
from services.domain.decision import Decision, Outcome
from services.domain.effects import Effect
from services.domain.events import (
    Birthday,
    CardHandedOver,
    CustomerDescribed,
    CustomerDid,
    Event,
    GameCompleted,
    OrderPlaced,
    OrderReversed,
    PointsBooked,
    PointsRedeemRequested,
    ReferralCompleted,
    UndoRequested,
)
from services.domain.orders import decide_order_placed
from services.domain.program import Game, Program
from services.domain.promotion import settled
from services.domain.redemptions import decide_redemption
from services.domain.reversals import decide_order_reversed
from services.domain.state import CustomerState
from services.domain.triggering import NOTHING_SET_OFF, Happening, refer, set_off
from services.domain.triggers import GAME_COMPLETED
from services.domain.values import replaced

MAX_PRODUCER_SKEW = timedelta(minutes=5)
"""An event further in the future than this cannot be judged against a game's dates yet."""


def is_from_the_future(event: Event, at: datetime) -> bool:
    """True when the producer's clock is too far ahead: a dead letter, stage `time`, not a decision."""
    return event.occurred_at - at > MAX_PRODUCER_SKEW


def decide(
    event: Event,
    program: Program,
    state: CustomerState,
    quota: Quota,
    *,
    at: datetime,
    draws: Sequence[Draw],
    stock: Stock = NO_STOCK,
) -> Decision:
    """Decide an event that `is_from_the_future` has let through. `draws`: as many as it `needs`.

    `stock` of the groups that it may earn coupons of.
    """
    match event:
        case GameCompleted():
            return decide_game_completed(
                event, program, state, quota, at=at, draws=draws, stock=stock
            )
        case OrderPlaced():
            return decide_order_placed(
                event, program, state, quota, at=at, draws=draws, stock=stock
            )
        case OrderReversed():
            return decide_order_reversed(event, program, state, at=at, draws=draws, stock=stock)
        case CustomerDescribed() | CustomerDid() | ReferralCompleted() | Birthday():
            return decide_customer_event(event, program, state, at=at, draws=draws, stock=stock)
        case PointsBooked() | CardHandedOver():
            return decide_customer_event(event, program, state, at=at, draws=draws, stock=stock)
        case PointsRedeemRequested() | UndoRequested():
            return decide_redemption(event, program, state, at=at, draws=draws, stock=stock)
        case _:
            assert_never(event)


def decide_game_completed(
    event: GameCompleted,
    program: Program,
    state: CustomerState,
    quota: Quota,
    *,
    at: datetime,
    draws: Sequence[Draw],
    stock: Stock,
) -> Decision:
    """A won game inside its dates completes; every other completion is declined with its reason.

    Under a program campaigns hear of it, won or lost, if the game is known and open; the tier is settled in any case.
    """
    game = program.game_of(event.partner_id, event.game_id)
    effects: tuple[CouponEffect, ...]
    if game is None:
        reason = DeclineReason.GAME_NOT_FOUND
        effects = (DeclineIssuance(game_id=event.game_id, reason=reason),)
    elif reason_against := ineligible(event, game):
        effects = (DeclineIssuance(game_id=game.id, reason=reason_against),)
    else:
        effects = complete(game, state.coupons, quota, at=at, draw=draws[0])
    decision = _answer(game, effects, at)
    partner = program.of_partner(event.partner_id)
    if partner is None:
        return decision
    course = Course(partner, state, at=at, draws=draws[1:], stock=stock)
    course.state.take(effects)
    return _set_off(decision, event, game, course)


def _set_off(
    decision: Decision, event: GameCompleted, game: Game | None, course: Course
) -> Decision:
    """The same decision, with what the program makes of the completion."""
    done, referral = NOTHING_SET_OFF, None
    if game is not None and game.is_open(event.occurred_at):
        happening = Happening(
            name=GAME_COMPLETED,
            metadata={
                "game_id": game.id,
                "game_type": game.game_type,
                "result": "won" if event.won else "lost",
                "score": None if event.score is None else Decimal(repr(event.score)),
            },
            occurred_at=event.occurred_at,
        )
        done = set_off(course, happening)
        referral = refer(course, happening, event.customer_id)
    answer = settled(course, done.results, referral=referral)
    return replaced(
        decision,
        effects=(*decision.effects, *course.effects),
        program=answer,
        after=course.state.now(),
    )


def ineligible(event: GameCompleted, game: Game) -> DeclineReason | None:
    """The first reason, in contract order, why this completion does not count; dates by the event's time."""
    if not event.won:
        return DeclineReason.RESULT_LOST
    if not game.is_active:
        return DeclineReason.GAME_INACTIVE
    if game.starts_at is not None and event.occurred_at < game.starts_at:
        return DeclineReason.GAME_NOT_STARTED
    if game.ends_at is not None and event.occurred_at >= game.ends_at:
        return DeclineReason.GAME_ENDED
    return None


def _answer(game: Game | None, effects: tuple[Effect, ...], at: datetime) -> Decision:
    """The decision of a game event, read off its last effect."""
    last = effects[-1]
    version = game.version if game else None
    if isinstance(last, IssueCoupon):
        return Decision(
            outcome=Outcome.ISSUED,
            decided_at=at,
            rule_version=version,
            coupon_id=last.coupon_id,
            effects=effects,
        )
    assert isinstance(last, DeclineIssuance)
    return Decision(
        outcome=Outcome.DECLINED,
        decided_at=at,
        reason=last.reason,
        rule_version=version,
        blocking_coupon_id=last.blocking_coupon_id,
        effects=effects,
    )
