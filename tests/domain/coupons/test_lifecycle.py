"""The state machine of a coupon: every status against every step, and what time alone does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.coupons.coupon import TRANSITIONS, Coupon, CouponStatus, Step
from services.domain.coupons.effects import ChangeCoupon
from services.domain.coupons.lifecycle import (
    StepRefusal,
    cancel,
    give_back,
    redeem,
    reinstate,
    release,
    reserve,
    settle,
)
from services.domain.coupons.notices import first_notice, next_notice
from services.domain.program import Game
from services.domain.terms import Terms, TermsType

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHOP, OTHER_SHOP = 11, 12

GAME = Game(
    id=7, partner_id=1, version=1, is_active=True, allow_multiple_active_coupons=False,
    coupon_validity_days=7, starts_at=None, ends_at=None, reward_description="A coffee",
)  # fmt: skip


def coupon(status: CouponStatus = CouponStatus.ACTIVE, **changes: object) -> Coupon:
    """A coupon in a status, with what that status asks for."""
    details: dict[str, object] = {}
    if status is CouponStatus.RESERVED:
        details = {"reserved_until": NOW + HOUR, "reserved_shop_id": SHOP}
    if status is CouponStatus.REDEEMED:
        details = {"redeemed_at": NOW - HOUR, "redeemed_order_id": "o-1"}
    values: dict[str, object] = {
        "id": "c-1", "code": "0000000000000000", "code_prefix": "", "game_id": 7, "status": status,
        "issued_at": NOW - 24 * HOUR, "expires_at": NOW + 24 * HOUR, "holds_single_place": True,
        "steps": 3,
    }  # fmt: skip
    return Coupon(**(values | details | changes))  # type: ignore[arg-type]


TERMS = Terms(type=TermsType.CUSTOM, usage_limit=3)
STEPS = {
    Step.RESERVED: lambda c: reserve(c, NOW, shop_id=SHOP, until=NOW + HOUR),
    Step.RELEASED: lambda c: release(c, NOW, shop_id=SHOP),
    Step.REDEEMED: lambda c: redeem(c, NOW, shop_id=SHOP, order_id="o-2"),
    Step.CANCELLED: lambda c: cancel(c, NOW),
    Step.REINSTATED: lambda c: reinstate(c, NOW, game=GAME, holder=None),
}


@pytest.mark.parametrize("status", CouponStatus)
@pytest.mark.parametrize("step", STEPS)
def test_step_is_taken_exactly_where_the_table_allows_it(status, step):
    """Every status against every step: the table of transitions and the functions agree."""
    result = STEPS[step](coupon(status))
    allowed = TRANSITIONS.get((status, step))
    if status is CouponStatus.RESERVED and step is Step.RESERVED:
        allowed = None
    if status is CouponStatus.ACTIVE and step is Step.REINSTATED:
        allowed = None  # a game's coupon is used once, see below

    if allowed is None:
        assert isinstance(result, StepRefusal)
    else:
        change = result[-1] if isinstance(result, tuple) else result
        assert isinstance(change, ChangeCoupon)
        assert (change.was, change.step, change.coupon.status) == (status, step, allowed)
        assert change.coupon.steps == 4


USES = {
    Step.USED: lambda c: redeem(c, NOW, shop_id=SHOP, order_id="o-2"),
    Step.REDEEMED: lambda c: redeem(replace(c, used_count=2), NOW, shop_id=SHOP, order_id="o-2"),
    Step.REINSTATED: lambda c: give_back(replace(c, used_count=2), NOW, order_id="o-2"),
}


@pytest.mark.parametrize("status", CouponStatus)
@pytest.mark.parametrize("step", USES)
def test_use_is_taken_exactly_where_the_table_allows_it(status, step):
    """The same of coupons that no game issued, and that may be used more than once."""
    result = USES[step](coupon(status, game_id=None, terms=TERMS))
    allowed = TRANSITIONS.get((status, step))
    if allowed is None:
        assert isinstance(result, StepRefusal)
        return
    change = result[-1] if isinstance(result, tuple) else result
    assert isinstance(change, ChangeCoupon)
    assert (change.was, change.step, change.coupon.status) == (status, step, allowed)
    assert change.coupon.used_count == {Step.USED: 1, Step.REDEEMED: 3, Step.REINSTATED: 1}[step]


GIVEN_BACK = [
    (coupon(used_count=1), [(Step.REINSTATED, None)]),
    (coupon(CouponStatus.REDEEMED, used_count=3), [(Step.REINSTATED, None)]),
    (coupon(CouponStatus.RESERVED, used_count=1), [(Step.RELEASED, "order_reversed"), (Step.REINSTATED, None)]),
    (coupon(CouponStatus.RESERVED), StepRefusal.NOT_REDEEMED),
    (coupon(CouponStatus.RESERVED, used_count=1, expires_at=NOW), StepRefusal.EXPIRED),
    (coupon(), StepRefusal.NOT_REDEEMED),
    (coupon(CouponStatus.REDEEMED, used_count=3, expires_at=NOW), StepRefusal.EXPIRED),
    (coupon(CouponStatus.EXPIRED, used_count=1), StepRefusal.EXPIRED),
    (coupon(CouponStatus.CANCELLED, used_count=1), StepRefusal.CANCELLED),
]  # fmt: skip


@pytest.mark.parametrize(("before", "answer"), GIVEN_BACK)
def test_use_comes_back_to_an_order_also_from_a_till(before, answer):
    """What a shop has reserved for the next use is released first; nothing else that is refused moves."""
    before = replace(before, game_id=None, terms=TERMS)
    steps = give_back(before, NOW, order_id="o-1", released_for="order_reversed")

    if isinstance(answer, StepRefusal):
        assert steps is answer
        return
    assert isinstance(steps, tuple)
    assert [(change.step, change.reason) for change in steps] == answer
    assert {change.order_id for change in steps} == {"o-1"}
    after = steps[-1].coupon
    assert (after.used_count, after.reserved_until) == (before.used_count - 1, None)


@given(
    status=st.sampled_from(CouponStatus),
    used=st.integers(0, 3),
    hours=st.integers(-2, 2),
    released_for=st.sampled_from([None, "order_reversed"]),
)
def test_use_that_comes_back_takes_legal_steps(status, used, hours, released_for):
    """Whatever the coupon: each step a transition from where the one before led, one use fewer, and active at last."""
    before = coupon(
        status, game_id=None, terms=TERMS, used_count=used, expires_at=NOW + hours * HOUR
    )
    steps = give_back(before, NOW, released_for=released_for)

    if isinstance(steps, StepRefusal):
        free = {CouponStatus.ACTIVE, CouponStatus.REDEEMED}
        free |= {CouponStatus.RESERVED} if released_for else set()
        assert not (used and hours > 0 and status in free)
        return
    stands = before
    for change in steps:
        assert change.was is stands.status
        assert change.coupon.status is TRANSITIONS[stands.status, change.step]
        assert change.coupon.steps == stands.steps + 1
        stands = change.coupon
    assert (stands.status, stands.used_count) == (CouponStatus.ACTIVE, used - 1)


REFUSALS = [
    (coupon(CouponStatus.REDEEMED), lambda c: redeem(c, NOW, shop_id=SHOP), StepRefusal.ALREADY_REDEEMED),
    (coupon(CouponStatus.EXPIRED), lambda c: redeem(c, NOW, shop_id=SHOP), StepRefusal.EXPIRED),
    (coupon(CouponStatus.CANCELLED), lambda c: redeem(c, NOW, shop_id=SHOP), StepRefusal.CANCELLED),
    (coupon(CouponStatus.RESERVED), lambda c: redeem(c, NOW, shop_id=OTHER_SHOP), StepRefusal.RESERVED_ELSEWHERE),
    (coupon(CouponStatus.RESERVED), lambda c: redeem(c, NOW, shop_id=None), StepRefusal.RESERVED_ELSEWHERE),
    (coupon(CouponStatus.RESERVED), lambda c: release(c, NOW, shop_id=OTHER_SHOP), StepRefusal.RESERVED_ELSEWHERE),
    (coupon(CouponStatus.RESERVED), lambda c: cancel(c, NOW, shop_id=OTHER_SHOP), StepRefusal.RESERVED_ELSEWHERE),
    (coupon(), lambda c: release(c, NOW, shop_id=SHOP), StepRefusal.NOT_RESERVED),
    (coupon(), lambda c: reinstate(c, NOW, game=GAME, holder=None), StepRefusal.NOT_REDEEMED),
    (coupon(CouponStatus.REDEEMED, expires_at=NOW), lambda c: reinstate(c, NOW, game=GAME, holder=None), StepRefusal.EXPIRED),
    (coupon(CouponStatus.REDEEMED), lambda c: reinstate(c, NOW, game=GAME, holder=coupon(id="c-2")), StepRefusal.ACTIVE_COUPON_EXISTS),
]  # fmt: skip


@pytest.mark.parametrize(("before", "step", "refusal"), REFUSALS)
def test_step_refused_says_why(before, step, refusal):
    """Each refusal has its own reason."""
    assert step(before) is refusal


def test_reinstate_closes_an_expired_holder_first():
    """The single place is freed before the reinstated coupon takes it."""
    holder = coupon(id="c-2", expires_at=NOW - HOUR)
    steps = reinstate(coupon(CouponStatus.REDEEMED), NOW, game=GAME, holder=holder)

    assert isinstance(steps, tuple)
    assert [(change.coupon.id, change.step) for change in steps] == [
        ("c-2", Step.EXPIRED),
        ("c-1", Step.REINSTATED),
    ]


@pytest.mark.parametrize("multiple", [True, False])
def test_reinstate_activates_under_the_rule_of_now(multiple):
    """Whether the coupon holds the single place follows the game's present rule, not the one of its issue."""
    game = replace(GAME, allow_multiple_active_coupons=multiple)
    steps = reinstate(coupon(CouponStatus.REDEEMED), NOW, game=game, holder=None)

    assert isinstance(steps, tuple)
    after = steps[-1].coupon
    assert after.holds_single_place is not multiple
    assert (after.redeemed_at, after.redeemed_order_id) == (None, None)


@pytest.mark.parametrize(
    ("before", "steps"),
    [
        (coupon(), []),
        (coupon(expires_at=None), []),
        (coupon(expires_at=NOW), [(Step.EXPIRED, NOW)]),
        (coupon(CouponStatus.RESERVED), []),
        (coupon(CouponStatus.RESERVED, reserved_until=NOW), [(Step.RELEASED, NOW)]),
        (coupon(CouponStatus.RESERVED, expires_at=NOW - HOUR), [(Step.EXPIRED, NOW - HOUR)]),
        (
            coupon(CouponStatus.RESERVED, reserved_until=NOW - 2 * HOUR, expires_at=NOW - HOUR),
            [(Step.RELEASED, NOW - 2 * HOUR), (Step.EXPIRED, NOW - HOUR)],
        ),
        (coupon(CouponStatus.REDEEMED, expires_at=NOW - HOUR), []),
        (coupon(CouponStatus.CANCELLED, expires_at=NOW - HOUR), []),
        (coupon(CouponStatus.EXPIRED, expires_at=NOW - HOUR), []),
    ],
)
def test_settle_does_what_time_has_done_at_the_instant_it_did(before, steps):
    """Lapses and expiries take effect at their own instants; closed coupons stay as they are."""
    settled = settle(before, NOW)

    assert [(change.step, change.at) for change in settled.effects] == steps
    assert settled.coupon.steps == before.steps + len(steps)


@pytest.mark.parametrize(
    ("validity_days", "leads", "first", "then"),
    [
        (30, (168, 24), 168, 24),
        (7, (168, 24), 24, None),  # a lead as long as the validity is never sent
        (1, (168, 24), None, None),
        (None, (168, 24), None, None),
        (30, (), None, None),
    ],
)
def test_notices_are_due_at_each_lead_shorter_than_the_validity(validity_days, leads, first, then):
    """The earliest notice first, then the next one after it."""
    expires_at = None if validity_days is None else NOW + validity_days * 24 * HOUR
    due = first_notice(NOW, validity_days, leads)

    assert due == (None if first is None or expires_at is None else expires_at - first * HOUR)
    if due is not None and expires_at is not None:
        later = next_notice(NOW, expires_at, leads, at=due)
        assert later == (None if then is None else expires_at - then * HOUR)
