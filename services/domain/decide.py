"""The rules. `decide` answers one event; `evolve` carries its effects into the customer's state.

Facts, state, rules, in that order. Everything random or timed comes in as an argument: the instant from
the database's clock, the coupon's id and code drawn beforehand (`Draw`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from services.domain.coupon import Coupon, CouponStatus
from services.domain.decision import (
    DeclineIssuance,
    DeclineReason,
    Decision,
    Effect,
    ExpireCoupon,
    IssueCoupon,
    Outcome,
)
from services.domain.events import Event, GameCompleted
from services.domain.program import Game, Program

MAX_PRODUCER_SKEW = timedelta(minutes=5)
"""An event further in the future than this cannot be judged against a game's dates yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Randomness drawn before deciding: the id and code of the coupon, should one be due."""

    coupon_id: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerState:
    """What the rules need to know of one customer: the open coupon per game under the single rule."""

    single_coupons: Mapping[int, Coupon] = field(default_factory=dict)


NEW_CUSTOMER = CustomerState()


def is_from_the_future(event: Event, at: datetime) -> bool:
    """True when the producer's clock is too far ahead: a dead letter, stage `time`, not a decision."""
    return event.occurred_at - at > MAX_PRODUCER_SKEW


def decide(
    event: Event, program: Program, state: CustomerState, *, at: datetime, draw: Draw
) -> Decision:
    """Decide an event that `is_from_the_future` has let through. Total: every event gets an answer."""
    return decide_game_completed(event, program, state, at, draw)


def decide_game_completed(
    event: GameCompleted, program: Program, state: CustomerState, at: datetime, draw: Draw
) -> Decision:
    game = program.game_of(event.partner_id, event.game_id)
    if game is None:
        return declined(event.game_id, DeclineReason.GAME_NOT_FOUND, at)
    if reason := ineligible(event, game):
        return declined(game.id, reason, at, game=game)
    return complete(game, state, at, draw)


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


def complete(game: Game, state: CustomerState, at: datetime, draw: Draw) -> Decision:
    """A completion that counts: one coupon, unless the single rule is on and its place is taken.

    A holder whose validity is over is closed here, in the decision that needs its place, so that expiry
    takes effect at its instant and no background job stands between.
    """
    closing: tuple[Effect, ...] = ()
    if not game.allow_multiple_active_coupons:
        holder = state.single_coupons.get(game.id)
        if holder is not None:
            if holder.is_active(at):
                return declined(
                    game.id, DeclineReason.ACTIVE_COUPON_EXISTS, at, game=game, blocking=holder.id
                )
            assert holder.expires_at is not None
            closing = (ExpireCoupon(coupon_id=holder.id, game_id=game.id, at=holder.expires_at),)
    issue = IssueCoupon(
        coupon_id=draw.coupon_id,
        code=draw.code,
        code_prefix=game.code_prefix,
        game_id=game.id,
        issued_at=at,
        expires_at=expiry(at, game.coupon_validity_days),
        allow_multiple_active_coupons=game.allow_multiple_active_coupons,
        coupon_validity_days=game.coupon_validity_days,
        rule_version=game.version,
    )
    return Decision(
        outcome=Outcome.ISSUED,
        decided_at=at,
        rule_version=game.version,
        coupon_id=draw.coupon_id,
        effects=(*closing, issue),
    )


def expiry(issued_at: datetime, validity_days: int | None) -> datetime | None:
    """N days are N × 24 hours, whatever the calendar does in between."""
    return None if validity_days is None else issued_at + timedelta(hours=24 * validity_days)


def declined(
    game_id: int,
    reason: DeclineReason,
    at: datetime,
    *,
    game: Game | None = None,
    blocking: str | None = None,
) -> Decision:
    return Decision(
        outcome=Outcome.DECLINED,
        decided_at=at,
        reason=reason,
        rule_version=game.version if game else None,
        blocking_coupon_id=blocking,
        effects=(DeclineIssuance(game_id=game_id, reason=reason, blocking_coupon_id=blocking),),
    )


def evolve(state: CustomerState, effects: tuple[Effect, ...]) -> CustomerState:
    """The customer after these effects, so that later events of the same batch see earlier ones."""
    coupons: dict[int, Coupon] | None = None
    for effect in effects:
        match effect:
            case IssueCoupon():
                if not effect.allow_multiple_active_coupons:
                    coupons = dict(state.single_coupons) if coupons is None else coupons
                    coupons[effect.game_id] = Coupon(
                        id=effect.coupon_id,
                        game_id=effect.game_id,
                        status=CouponStatus.ACTIVE,
                        issued_at=effect.issued_at,
                        expires_at=effect.expires_at,
                    )
            case ExpireCoupon():
                coupons = dict(state.single_coupons) if coupons is None else coupons
                coupons.pop(effect.game_id, None)
            case DeclineIssuance():
                pass
            case _:
                assert_never(effect)
    return state if coupons is None else CustomerState(single_coupons=coupons)
