"""The rules as tables: one row per reason, per setting and per edge of time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.domain.coupons.coupon import Coupon, CouponStatus, Step
from services.domain.coupons.effects import (
    ChangeCoupon,
    DeclineIssuance,
    DeclineReason,
    IssueCoupon,
)
from services.domain.coupons.issuing import Draw
from services.domain.decide import MAX_PRODUCER_SKEW, decide, is_from_the_future
from services.domain.decision import Outcome
from services.domain.events import Cause, GameCompleted
from services.domain.program import CustomerLimits, Game, Program
from services.domain.state import NEW_CUSTOMER, CustomerState, evolve
from tests.stand.customers import a_customer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DRAW = Draw(coupon_id="00000000-0000-7000-8000-000000000001", code="0000000000000000")

GAME = Game(
    id=7,
    partner_id=1,
    version=3,
    is_active=True,
    allow_multiple_active_coupons=False,
    coupon_validity_days=7,
    starts_at=NOW - 10 * DAY,
    ends_at=NOW + 10 * DAY,
    reward_description="A coffee",
)
EVENT = GameCompleted(
    cause=Cause(source="/games", id="e-1", type="game.completed"),
    occurred_at=NOW,
    partner_id=1,
    game_id=7,
    customer_id="anna",
    won=True,
)
HELD = Coupon(
    id="00000000-0000-7000-8000-00000000aaaa",
    code="1111111111111111",
    code_prefix="",
    holds_single_place=True,
    game_id=7,
    status=CouponStatus.ACTIVE,
    issued_at=NOW - DAY,
    expires_at=NOW + DAY,
)


def holding(**changes: object) -> CustomerState:
    return a_customer(coupons={HELD.id: replace(HELD, **changes)})  # type: ignore[arg-type]


def verdict(event=EVENT, game=GAME, state=NEW_CUSTOMER, at=NOW, quota=None):
    program = Program(games={game.id: game})
    return decide(event, program, state, quota or {}, at=at, draws=[DRAW])


REASONS = [
    # what holds                              event changes               game changes                                reason
    ("unknown game",                          {"game_id": 8},             {},                                         DeclineReason.GAME_NOT_FOUND),
    ("another partner's game",                {"partner_id": 2},          {},                                         DeclineReason.GAME_NOT_FOUND),
    ("lost",                                  {"won": False},             {},                                         DeclineReason.RESULT_LOST),
    ("inactive",                              {},                         {"is_active": False},                       DeclineReason.GAME_INACTIVE),
    ("a microsecond before the start",        {},                         {"starts_at": NOW + timedelta(microseconds=1)}, DeclineReason.GAME_NOT_STARTED),
    ("at the exclusive end",                  {},                         {"ends_at": NOW},                           DeclineReason.GAME_ENDED),
    # Several hold at once: the first in the contract's order is named.
    ("unknown and lost",                      {"game_id": 8, "won": False}, {},                                       DeclineReason.GAME_NOT_FOUND),
    ("lost and inactive",                     {"won": False},             {"is_active": False},                       DeclineReason.RESULT_LOST),
    ("inactive and not started",              {},                         {"is_active": False, "starts_at": NOW + DAY}, DeclineReason.GAME_INACTIVE),
    ("inactive and ended",                    {},                         {"is_active": False, "ends_at": NOW - DAY}, DeclineReason.GAME_INACTIVE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("event_changes", "game_changes", "reason"),
    [r[1:] for r in REASONS],
    ids=[r[0] for r in REASONS],
)
def test_decide_names_the_first_reason_in_contract_order(event_changes, game_changes, reason):
    """Each decline reason appears for its cause, and the earliest one wins when several hold."""
    blocked = holding()
    decision = verdict(replace(EVENT, **event_changes), replace(GAME, **game_changes), blocked)

    assert (decision.outcome, decision.reason) == (Outcome.DECLINED, reason)
    assert decision.coupon_id is None
    assert decision.blocking_coupon_id is None
    (effect,) = decision.effects
    assert isinstance(effect, DeclineIssuance)
    known = reason is not DeclineReason.GAME_NOT_FOUND
    assert decision.rule_version == (3 if known else None)


@pytest.mark.parametrize(
    "game_changes",
    [
        {},
        {"starts_at": NOW},
        {"ends_at": NOW + timedelta(microseconds=1)},
        {"starts_at": None, "ends_at": None},
    ],
    ids=["inside", "at the inclusive start", "a microsecond before the end", "unbounded"],
)
def test_decide_issues_inside_the_window(game_changes):
    """A won completion of an active game inside its dates issues one coupon."""
    decision = verdict(game=replace(GAME, **game_changes))

    (issue,) = decision.effects
    assert isinstance(issue, IssueCoupon)
    assert decision.outcome is Outcome.ISSUED
    assert (issue.coupon_id, issue.code, issue.rule_version) == (DRAW.coupon_id, DRAW.code, 3)


def test_decide_compares_the_dates_with_the_events_own_time():
    """A completion inside the dates counts however late it arrives, and one outside does not."""
    late = verdict(at=NOW + 300 * DAY)
    early = verdict(replace(EVENT, occurred_at=NOW - 11 * DAY))

    assert late.outcome is Outcome.ISSUED
    assert early.reason is DeclineReason.GAME_NOT_STARTED


@pytest.mark.parametrize(
    ("state", "blocked"),
    [
        (NEW_CUSTOMER, False),
        (holding(), True),
        (holding(expires_at=None), True),
        (holding(expires_at=NOW + timedelta(microseconds=1)), True),
        (holding(expires_at=NOW), False),
        (holding(status=CouponStatus.RESERVED, reserved_until=NOW + DAY), True),
        (holding(status=CouponStatus.RESERVED, reserved_until=NOW - DAY), True),
        (holding(status=CouponStatus.RESERVED, reserved_until=NOW + DAY, expires_at=NOW), False),
        (holding(status=CouponStatus.REDEEMED), False),
        (holding(status=CouponStatus.CANCELLED), False),
        (a_customer(coupons={HELD.id: replace(HELD, game_id=8)}), False),
    ],
    ids=[
        "nothing held", "active", "never expires", "a microsecond left", "expired this instant",
        "reserved", "reservation lapsed", "reserved but expired", "redeemed", "cancelled", "of another game",
    ],
)  # fmt: skip
def test_decide_single_rule_blocks_exactly_while_a_coupon_is_active(state, blocked):
    """Under the single rule only an unexpired active or reserved coupon of this game stands in the way."""
    decision = verdict(state=state)

    if blocked:
        assert decision.reason is DeclineReason.ACTIVE_COUPON_EXISTS
        assert decision.blocking_coupon_id == HELD.id
    else:
        assert decision.outcome is Outcome.ISSUED


def test_decide_closes_the_expired_holder_before_issuing():
    """The place of an expired coupon is freed in the decision that takes it, at the instant it expired."""
    decision = verdict(state=holding(expires_at=NOW - DAY))

    expire, issue = decision.effects
    assert isinstance(expire, ChangeCoupon)
    assert (expire.step, expire.at, expire.coupon.status) == (
        Step.EXPIRED,
        NOW - DAY,
        CouponStatus.EXPIRED,
    )
    assert isinstance(issue, IssueCoupon)


def test_decide_multiple_rule_ignores_what_is_held():
    """With several coupons allowed an active one blocks nothing."""
    assert (
        verdict(game=replace(GAME, allow_multiple_active_coupons=True), state=holding()).outcome
        is Outcome.ISSUED
    )


@pytest.mark.parametrize(
    ("days", "expires_at"),
    [(None, None), (1, NOW + DAY), (7, NOW + 7 * DAY), (3650, NOW + 3650 * DAY)],
)
def test_decide_expiry_is_days_of_24_hours_from_the_decision(days, expires_at):
    """`coupon_validity_days` counts from the decision instant; null never expires."""
    decision = verdict(
        replace(EVENT, occurred_at=NOW - 2 * DAY), replace(GAME, coupon_validity_days=days)
    )

    (issue,) = decision.effects
    assert isinstance(issue, IssueCoupon)
    assert (issue.issued_at, issue.expires_at) == (NOW, expires_at)


@pytest.mark.parametrize(
    ("ahead", "refused"),
    [
        (timedelta(0), False),
        (MAX_PRODUCER_SKEW, False),
        (MAX_PRODUCER_SKEW + timedelta(microseconds=1), True),
    ],
)
def test_event_from_the_future_is_not_judged(ahead, refused):
    """Up to five minutes ahead counts as clock skew; more is no decision at all."""
    assert is_from_the_future(replace(EVENT, occurred_at=NOW + ahead), NOW) is refused


def test_evolve_lets_the_next_event_see_the_coupon():
    """A second completion right after the first is blocked by the coupon the first one issued."""
    first = verdict()
    second = verdict(
        replace(EVENT, cause=replace(EVENT.cause, id="e-2")),
        state=evolve(NEW_CUSTOMER, first.effects),
    )

    assert second.reason is DeclineReason.ACTIVE_COUPON_EXISTS
    assert second.blocking_coupon_id == DRAW.coupon_id


def test_evolve_of_no_effects_is_nothing_to_do():
    """No effects, no change."""
    assert evolve(holding(), ()) == holding()


# Noon of Sunday 1 March 2026, UTC: the week began on Monday 23 February, the month and the day at midnight.
@pytest.mark.parametrize(
    ("limits", "past", "reached"),
    [
        (CustomerLimits(lifetime=2), [NOW - 900 * DAY], False),
        (CustomerLimits(lifetime=2), [NOW - DAY, NOW - 900 * DAY], True),
        (CustomerLimits(per_day=1), [NOW - DAY / 2], True),
        (CustomerLimits(per_day=1), [NOW - DAY / 2 - timedelta(microseconds=1)], False),
        (CustomerLimits(per_week=1), [NOW - 6.5 * DAY], True),
        (CustomerLimits(per_week=1), [NOW - 6.5 * DAY - timedelta(microseconds=1)], False),
        (CustomerLimits(per_month=1), [NOW - DAY / 2], True),
        (CustomerLimits(per_month=1), [NOW - DAY], False),
        (CustomerLimits(per_month=2, per_day=1), [NOW - DAY / 4], True),
        (CustomerLimits(), [NOW] * 99, False),
    ],
)
def test_decide_customer_limits_count_issues_of_the_period(limits, past, reached):
    """Issues since the period began in the partner's zone count, and only those."""
    state = a_customer(issues={7: tuple(past)})
    decision = verdict(game=replace(GAME, customer_limits=limits), state=state)

    reason = DeclineReason.CUSTOMER_LIMIT_REACHED if reached else None
    assert decision.reason is reason


def test_decide_customer_limit_follows_the_partners_zone():
    """In Auckland it is already the 2nd of March: yesterday's coupon does not count against today."""
    game = replace(GAME, customer_limits=CustomerLimits(per_day=1), time_zone="Pacific/Auckland")
    state = a_customer(issues={7: (NOW - timedelta(hours=2),)})

    assert verdict(game=game, state=state).outcome is Outcome.ISSUED


@pytest.mark.parametrize(("left", "reached"), [(1, False), (0, True)])
def test_decide_total_limit_is_what_the_game_has_left(left, reached):
    """A game with a total limit issues while there is quota."""
    decision = verdict(game=replace(GAME, total_limit=5), quota={7: left})

    assert decision.reason is (DeclineReason.GAME_LIMIT_REACHED if reached else None)


def test_decide_names_limits_before_the_active_coupon():
    """When a limit and an active coupon both stand in the way, the limit is named, the customer's own first."""
    game = replace(GAME, customer_limits=CustomerLimits(lifetime=1), total_limit=5)
    state = a_customer(coupons=holding().coupons.by_id, issues={7: (NOW - DAY,)})

    assert verdict(game=game, state=state).reason is DeclineReason.CUSTOMER_LIMIT_REACHED
    assert verdict(game=replace(GAME, total_limit=5), state=holding()).reason is (
        DeclineReason.GAME_LIMIT_REACHED
    )


ONE_CAUSE: dict[DeclineReason, tuple[dict[str, Any], dict[str, Any], CustomerState, Any]] = {
    # reason                                 event                    game                                          customer          quota
    DeclineReason.GAME_NOT_FOUND:           ({"game_id": 8},         {},                                           NEW_CUSTOMER,     {}),
    DeclineReason.RESULT_LOST:              ({"won": False},         {},                                           NEW_CUSTOMER,     {}),
    DeclineReason.GAME_INACTIVE:            ({},                     {"is_active": False},                         NEW_CUSTOMER,     {}),
    DeclineReason.GAME_NOT_STARTED:         ({},                     {"starts_at": NOW + DAY},                     NEW_CUSTOMER,     {}),
    DeclineReason.GAME_ENDED:               ({},                     {"ends_at": NOW},                             NEW_CUSTOMER,     {}),
    DeclineReason.CUSTOMER_LIMIT_REACHED:   ({},                     {"customer_limits": CustomerLimits(lifetime=1)}, a_customer(issues={7: (NOW,)}), {}),
    DeclineReason.GAME_LIMIT_REACHED:       ({},                     {"total_limit": 5},                           NEW_CUSTOMER,     {7: 0}),
    DeclineReason.ACTIVE_COUPON_EXISTS:     ({},                     {},                                           holding(),        {}),
}  # fmt: skip


def test_every_reason_has_its_cause():
    """Each reason, in the contract's order, is what a completion is declined for when nothing else is the matter."""
    assert list(ONE_CAUSE) == list(DeclineReason)
    for reason, (event_changes, game_changes, state, quota) in ONE_CAUSE.items():
        event, game = replace(EVENT, **event_changes), replace(GAME, **game_changes)
        decision = verdict(event, game, state, quota=quota)
        assert (decision.outcome, decision.reason) == (Outcome.DECLINED, reason)
