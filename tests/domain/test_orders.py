"""The rules of orders as tables: codes, stamps, reversals, in whatever order they come."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.domain.coupons.codes import codes_from, display
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.coupons.effects import DeclineIssuance, DeclineReason, IssueCoupon
from services.domain.coupons.issuing import Draw
from services.domain.decide import decide
from services.domain.decision import CodeOutcome, CodeReason, OrderReason, Outcome
from services.domain.events import Cause, OrderPlaced, OrderReversed
from services.domain.program import Game, GameType, Program
from services.domain.stamps import AddStamp, Stamp, StampCard, TakeStampBack
from services.domain.state import NEW_CUSTOMER, CustomerState, evolve
from tests.stand.customers import a_customer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHOP = 11
CODE, OTHER_CODE = codes_from(bytes(range(20)))

CARD = Game(
    id=7, partner_id=1, version=2, is_active=True, allow_multiple_active_coupons=False,
    coupon_validity_days=7, starts_at=None, ends_at=None, reward_description="A coffee",
    game_type=GameType.STAMPS, stamps_required=3,
)  # fmt: skip
COUPON = Coupon(
    id="c-1", code=CODE, code_prefix="SUMMER", game_id=7, status=CouponStatus.ACTIVE,
    issued_at=NOW - HOUR, expires_at=NOW + HOUR, holds_single_place=True,
)  # fmt: skip
PLACED = OrderPlaced(
    cause=Cause(source="/shop", id="p-1", type="order.placed"), occurred_at=NOW, partner_id=1,
    order_id="o-1", customer_id="anna", shop_id=SHOP, coupon_codes=(), product_ids=frozenset({5}),
)  # fmt: skip
REVERSED = OrderReversed(
    cause=Cause(source="/shop", id="r-1", type="order.cancelled"), occurred_at=NOW, partner_id=1,
    order_id="o-1", customer_id="anna",
)  # fmt: skip
BROUGHT = replace(COUPON, external_code="Shop 1")
USED = replace(COUPON, id="c-2", code=OTHER_CODE, status=CouponStatus.REDEEMED)
DRAWS = [Draw(coupon_id=f"new-{number}", code=OTHER_CODE) for number in range(3)]


def holding(*coupons: Coupon, **more: object) -> CustomerState:
    return a_customer(coupons={c.id: c for c in coupons}, **more)  # type: ignore[arg-type]


def answer(event, state=NEW_CUSTOMER, *games: Game):
    program = Program(games={game.id: game for game in games or (replace(CARD, is_active=False),)})
    return decide(event, program, state, {}, at=NOW, draws=DRAWS)


def with_code(code: str, **changes: object) -> OrderPlaced:
    return replace(PLACED, coupon_codes=(code,), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("typed", "state", "reason"),
    [
        (display(CODE, "SUMMER"), holding(COUPON), None),
        (display(CODE).lower(), holding(COUPON), None),
        (f"WINTER-{CODE}", holding(COUPON), CodeReason.UNKNOWN_CODE),
        ("nonsense", holding(COUPON), CodeReason.UNKNOWN_CODE),
        (CODE, NEW_CUSTOMER, CodeReason.UNKNOWN_CODE),
        (CODE, a_customer(foreign_codes=frozenset({CODE})), CodeReason.NOT_OWNER),
        ("Shop 1", holding(BROUGHT), None),
        (display(CODE, "SUMMER"), holding(BROUGHT), None),
        ("shop 1", holding(BROUGHT), CodeReason.UNKNOWN_CODE),
        (" Shop 1", holding(BROUGHT), CodeReason.UNKNOWN_CODE),
        ("Shop 1", a_customer(foreign_external_codes=frozenset({"Shop 1"})), CodeReason.NOT_OWNER),
        (CODE, holding(BROUGHT, replace(USED, external_code=CODE)), CodeReason.NOT_ACTIVE),
        (CODE, holding(COUPON, foreign_external_codes=frozenset({CODE})), CodeReason.NOT_OWNER),
        (CODE, holding(replace(COUPON, expires_at=NOW)), CodeReason.EXPIRED),
        (CODE, holding(replace(COUPON, status=CouponStatus.EXPIRED)), CodeReason.EXPIRED),
        (CODE, holding(replace(COUPON, status=CouponStatus.CANCELLED)), CodeReason.NOT_ACTIVE),
        (CODE, holding(replace(COUPON, status=CouponStatus.REDEEMED)), CodeReason.NOT_ACTIVE),
        (CODE, holding(replace(COUPON, status=CouponStatus.RESERVED, reserved_shop_id=SHOP, reserved_until=NOW + HOUR)), None),
        (CODE, holding(replace(COUPON, status=CouponStatus.RESERVED, reserved_shop_id=12, reserved_until=NOW + HOUR)), CodeReason.RESERVED_ELSEWHERE),
        (CODE, holding(replace(COUPON, status=CouponStatus.RESERVED, reserved_shop_id=12, reserved_until=NOW)), None),
    ],
)  # fmt: skip
def test_order_code_is_redeemed_or_refused_with_its_reason(typed, state, reason):
    """The customer's own active coupon is redeemed; every other code is refused for its own reason."""
    decision = answer(with_code(typed), state)

    (result,) = decision.codes
    assert decision.outcome is Outcome.RECORDED
    assert (result.code, result.reason) == (typed, reason)
    assert result.outcome is (CodeOutcome.REFUSED if reason else CodeOutcome.REDEEMED)
    if reason is None:
        coupon = evolve(state, decision.effects).coupons.by_id["c-1"]
        assert (coupon.status, coupon.redeemed_order_id) == (CouponStatus.REDEEMED, "o-1")


def test_order_refused_code_does_not_stop_the_others():
    """A bad code, a good one, and the good one again: refused, redeemed, refused."""
    event = replace(PLACED, coupon_codes=("?", CODE, CODE))

    outcomes = [result.outcome for result in answer(event, holding(COUPON)).codes]
    assert outcomes == [CodeOutcome.REFUSED, CodeOutcome.REDEEMED, CodeOutcome.REFUSED]


@pytest.mark.parametrize(
    ("game", "state", "stamped"),
    [
        (CARD, NEW_CUSTOMER, True),
        (replace(CARD, product_ids=(4, 5)), NEW_CUSTOMER, True),
        (replace(CARD, product_ids=(4,)), NEW_CUSTOMER, False),
        (replace(CARD, is_active=False), NEW_CUSTOMER, False),
        (replace(CARD, starts_at=NOW + HOUR), NEW_CUSTOMER, False),
        (replace(CARD, ends_at=NOW), NEW_CUSTOMER, False),
        (replace(CARD, partner_id=2), NEW_CUSTOMER, False),
        (replace(CARD, game_type=GameType.WHEEL), NEW_CUSTOMER, False),
        (CARD, a_customer(stamps={("o-1", 7): Stamp(card_no=1)}), False),
        (CARD, a_customer(stamps={("o-1", 7): Stamp(card_no=1, is_mine=False)}), False),
        (CARD, a_customer(stamps={("o-1", 7): Stamp(card_no=1, is_in_effect=False)}), False),
        (CARD, a_customer(stamps={("o-2", 7): Stamp(card_no=1)}), True),
    ],
)
def test_order_stamps_each_game_it_qualifies_for_once(game, state, stamped):
    """An open stamp game of the partner, matching products, and no stamp of this order in it yet."""
    effects = answer(PLACED, state, game).effects

    assert any(isinstance(effect, AddStamp) for effect in effects) is stamped


def test_order_filling_the_card_earns_a_coupon_and_starts_a_new_card():
    """The stamp that reaches `stamps_required` completes the game; the count starts again."""
    state = a_customer(cards={7: StampCard(card_no=4, stamps=2)})
    decision = answer(PLACED, state, CARD)

    assert decision.coupon_id == "new-0"
    assert isinstance(decision.effects[-1], IssueCoupon)
    assert evolve(state, decision.effects).stamps.cards[7] == StampCard(card_no=5, stamps=0)
    assert decision.after == evolve(state, decision.effects)


def test_order_filling_the_card_while_a_coupon_is_active_declines_and_starts_again():
    """The single rule holds for cards too, and the count starts again although nothing was issued."""
    state = holding(COUPON, cards={7: StampCard(card_no=1, stamps=2)})
    decision = answer(PLACED, state, CARD)

    last = decision.effects[-1]
    assert isinstance(last, DeclineIssuance)
    assert (last.reason, last.blocking_coupon_id) == (DeclineReason.ACTIVE_COUPON_EXISTS, "c-1")
    assert evolve(state, decision.effects).stamps.cards[7] == StampCard(card_no=2, stamps=0)


def test_order_codes_are_worked_before_stamps():
    """An order that redeems the blocking coupon and fills the card earns the next one."""
    state = holding(COUPON, cards={7: StampCard(card_no=1, stamps=2)})

    assert answer(with_code(CODE), state, CARD).coupon_id == "new-0"


def test_order_lowered_requirement_fills_the_card_with_the_next_stamp():
    """A card that has more stamps than are required now is filled by its next stamp, not stuck."""
    state = a_customer(cards={7: StampCard(card_no=1, stamps=8)})

    assert answer(PLACED, state, CARD).coupon_id == "new-0"


def test_reversal_gives_back_what_the_order_redeemed_and_stamped():
    """Placing and then reversing leaves the coupon active and the card as it was."""
    state = holding(COUPON, cards={7: StampCard(card_no=1, stamps=1)})
    placed = evolve(state, answer(with_code(CODE), state, CARD).effects)
    decision = answer(REVERSED, placed, CARD)
    after = evolve(placed, decision.effects)

    (result,) = decision.codes
    assert (result.outcome, result.reason) == (CodeOutcome.REINSTATED, None)
    assert after.coupons.by_id["c-1"].status is CouponStatus.ACTIVE
    assert after.stamps.cards[7] == StampCard(card_no=1, stamps=1)


@pytest.mark.parametrize(
    ("coupon", "others", "reason"),
    [
        ({"expires_at": NOW}, (), CodeReason.EXPIRED),
        ({}, (replace(COUPON, id="c-2", code=OTHER_CODE),), CodeReason.ACTIVE_COUPON_EXISTS),
    ],
)
def test_reversal_keeps_a_coupon_redeemed_where_it_may_not_be_active(coupon, others, reason):
    """Expired since, or another coupon holds the single place: the coupon stays redeemed, with the reason."""
    used = replace(
        COUPON, status=CouponStatus.REDEEMED, redeemed_at=NOW, redeemed_order_id="o-1", **coupon
    )
    decision = answer(REVERSED, holding(used, *others), CARD)

    (result,) = decision.codes
    assert (result.outcome, result.reason) == (CodeOutcome.KEPT, reason)
    assert not [effect for effect in decision.effects if hasattr(effect, "step")]


def test_reversal_leaves_a_full_card_alone():
    """A stamp on a card that is complete stays: the coupon it earned has gone out."""
    state = a_customer(
        cards={7: StampCard(card_no=2, stamps=0)}, stamps={("o-1", 7): Stamp(card_no=1)}
    )

    assert not [e for e in answer(REVERSED, state, CARD).effects if isinstance(e, TakeStampBack)]


def test_reversal_before_its_order_closes_it():
    """The later order redeems and stamps nothing."""
    state = evolve(holding(COUPON), answer(REVERSED, holding(COUPON), CARD).effects)
    decision = answer(with_code(CODE), state, CARD)

    assert decision.reason is OrderReason.ORDER_ALREADY_REVERSED
    assert decision.effects == ()
    assert [result.reason for result in decision.codes] == [CodeReason.ORDER_ALREADY_REVERSED]


def test_reversed_order_that_is_taken_up_again_stays_reversed():
    """Placed, reversed, placed again: nothing is redeemed or stamped; under an id of its own it is an order like any."""
    state = holding(COUPON)
    for event in (with_code(CODE), REVERSED):
        state = evolve(state, answer(event, state, CARD).effects)
    again = answer(with_code(CODE), state, CARD)

    assert (again.reason, again.effects) == (OrderReason.ORDER_ALREADY_REVERSED, ())
    assert [(result.outcome, result.reason) for result in again.codes] == [
        (CodeOutcome.REFUSED, CodeReason.ORDER_ALREADY_REVERSED)
    ]
    new = answer(with_code(CODE, order_id="o-2"), state, CARD)
    assert [result.outcome for result in new.codes] == [CodeOutcome.REDEEMED]
    assert [effect for effect in new.effects if isinstance(effect, AddStamp)]


def test_reversal_a_second_time_does_nothing():
    """A refund after a cancellation finds nothing left to undo."""
    state = evolve(NEW_CUSTOMER, answer(REVERSED).effects)

    assert answer(REVERSED, state).effects == ()
    assert answer(REVERSED, state).reason is OrderReason.ORDER_ALREADY_REVERSED


def test_reversal_leaves_another_orders_redemption_alone():
    """Only what this very order redeemed comes back."""
    used = replace(COUPON, status=CouponStatus.REDEEMED, redeemed_at=NOW, redeemed_order_id="o-9")

    assert answer(REVERSED, holding(used), CARD).codes == ()
