"""Points into coupons and back: why they are refused, in which order, and what stands in the wallet after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.coupons.coupon import CouponStatus, Step
from services.domain.coupons.effects import (
    ChangeCoupon,
    DeclineReward,
    GrantCoupon,
    GrantRefusal,
    RedeemReason,
)
from services.domain.coupons.lifecycle import redeem, reserve
from services.domain.decision import Outcome, Reason, UndoReason
from services.domain.origins import Source, SourceKind
from services.domain.partner_program import RedemptionRule
from services.domain.points.earning import CardRules
from services.domain.points.wallet import EntryKind
from services.domain.profiles import Profile
from services.domain.redeeming import REDEMPTION_UNDONE
from services.domain.rewards import Reward
from services.domain.terms import Group, Terms, TermsType
from services.domain.tiers import ChangeTier
from tests.domain.program.rules import percentage, tier, with_card
from tests.stand.small_shop import BASE, START, SmallShop

RULE, DEFAULT = 7, 1
LATER = START + timedelta(days=1)
DEFAULT_RULE = RedemptionRule(
    id=DEFAULT, terms=Terms(type=TermsType.FIXED), is_general=True, is_default=True
)
CAUSES: dict[Reason, dict[str, Any]] = {
    RedeemReason.REDEMPTION_INACTIVE: {"program": {"redemption_is_active": False}},
    RedeemReason.RULE_NOT_FOUND: {"asked": 99},
    RedeemReason.RULE_INACTIVE: {"rule": {"is_active": False}},
    RedeemReason.RULE_NOT_STARTED: {"rule": {"starts_at": LATER}},
    RedeemReason.RULE_ENDED: {"rule": {"ends_at": START}},
    RedeemReason.TIER_NOT_ELIGIBLE: {"rule": {"tier_id": 9}},
    RedeemReason.TAG_NOT_ELIGIBLE: {"rule": {"tags": frozenset({"vip"})}},
    GrantRefusal.GROUP_NOT_FOUND: {"terms": {"group": "nowhere"}},
    GrantRefusal.GROUP_INACTIVE: {"group": {"is_active": False}},
    GrantRefusal.GROUP_NOT_STARTED: {"group": {"starts_at": LATER}},
    GrantRefusal.GROUP_ENDED: {"group": {"ends_at": START}},
    GrantRefusal.COUPON_OFFER_ENDED: {"terms": {"expires_at": START}},
    RedeemReason.BELOW_MINIMUM: {"card": {"least_per_redemption": 101}},
    RedeemReason.ABOVE_MAXIMUM: {"card": {"most_per_redemption": 99}},
    RedeemReason.INSUFFICIENT_POINTS: {"balance": 99},
}
"""What makes each hold of a rule of 100 points, in the order in which they are named."""


def asked(*causes: dict[str, Any]) -> tuple[SmallShop, Reason | GrantCoupon]:
    """A shop in which these hold, after the points were asked for."""
    parts: dict[str, dict[str, Any]] = {"program": {}, "rule": {}, "terms": {}, "group": {}, "card": {}}  # fmt: skip
    numbers = {"asked": RULE, "balance": 100}
    for cause in causes:
        for name, value in cause.items():
            if isinstance(value, dict):
                parts[name] |= value
            else:
                numbers[name] = value
    terms = Terms(**{"type": TermsType.CUSTOM, "group": "gifts", **parts["terms"]})
    shop = with_card(
        CardRules(id=1, **parts["card"]),
        redemption_rules={RULE: RedemptionRule(id=RULE, terms=terms, points=100, **parts["rule"])},
        groups={"gifts": Group(handle="gifts", **parts["group"])},
        **parts["program"],
    )
    shop.order(str(numbers["balance"]))
    return shop, shop.redeem(numbers["asked"])


@pytest.mark.parametrize("reason", CAUSES)
def test_refusal_takes_nothing_and_is_told(reason: Reason) -> None:
    """Declined with that reason, and nothing has come of it but that subscribers hear of it."""
    shop, answer = asked(CAUSES[reason])
    decision = shop.decisions[-1]
    assert (answer, decision.outcome, decision.coupon_id) == (reason, Outcome.DECLINED, None)
    rule_id = CAUSES[reason].get("asked", RULE)
    source = Source(SourceKind.REDEMPTION, str(rule_id))
    assert decision.effects == (DeclineReward(source=source, reason=reason, rule_id=rule_id),)  # type: ignore[arg-type]
    assert shop.wallet().balance == CAUSES[reason].get("balance", 100)


@pytest.mark.parametrize(("first", "second"), list(combinations(CAUSES, 2)))
def test_first_reason_in_order_is_named(first: Reason, second: Reason) -> None:
    """Of any two that hold."""
    _, answer = asked(CAUSES[first], CAUSES[second])
    assert answer == first


def test_every_reason_has_a_cause_here() -> None:
    """But those of a group's caps, which are counted elsewhere."""
    counted = {GrantRefusal.GROUP_CUSTOMER_LIMIT_REACHED, GrantRefusal.GROUP_EXHAUSTED}
    assert set(CAUSES) == {*RedeemReason, *GrantRefusal} - counted


def test_coupon_is_issued_for_points() -> None:
    """One decision: the points go, the coupon names the rule, and the points that it was bought with."""
    shop, coupon = asked()
    assert isinstance(coupon, GrantCoupon)
    decision = shop.decisions[-1]
    assert (decision.outcome, decision.reason) == (Outcome.ISSUED, None)
    assert decision.coupon_id == coupon.coupon_id
    (entry,) = shop.entries()
    assert (entry.kind, entry.points, entry.balance) == (EntryKind.SPENT, -100, 0)
    assert entry.source == coupon.source == Source(SourceKind.REDEMPTION, str(RULE))
    assert coupon.takes == entry.takes == shop.state().coupons.paid[coupon.coupon_id]
    assert shop.wallet().points_earned == 100, "what is spent was earned all the same"


def test_nothing_can_be_redeemed_at_version_0() -> None:
    """Also points that were booked by hand; the default rule is there and nobody has set it."""
    shop = SmallShop(program=replace(BASE, version=0, redemption_rules={DEFAULT: DEFAULT_RULE}))
    assert shop.redeem(DEFAULT, 1) is RedeemReason.RULE_INACTIVE
    decision = shop.decisions[-1]
    assert (decision.outcome, decision.program) == (Outcome.DECLINED, None)


@pytest.mark.parametrize("points", [None, 0])
def test_default_rule_asks_how_many(points: int | None) -> None:
    """None at all are too few."""
    shop = SmallShop(program=replace(BASE, redemption_rules={DEFAULT: DEFAULT_RULE}))
    shop.order("100")
    assert shop.redeem(DEFAULT, points) is RedeemReason.INSUFFICIENT_POINTS


def test_points_are_nothing_to_another_rule() -> None:
    """It costs what it says, whatever was asked for."""
    shop, _ = asked()
    shop.order("300")
    assert isinstance(shop.redeem(RULE, 5), GrantCoupon)
    assert shop.wallet().balance == 200


def test_point_worth_nothing_makes_a_rule_inactive() -> None:
    """The default rule's, and that of general settings that has none of its own; a cost worth nothing is too small."""
    general = RedemptionRule(id=2, terms=Terms(type=TermsType.FIXED), is_general=True)
    rules = {DEFAULT: DEFAULT_RULE, 2: general}
    shop = SmallShop(program=replace(BASE, value_of_point=Decimal(0), redemption_rules=rules))
    shop.order("9")
    assert shop.redeem(DEFAULT, 9) is RedeemReason.RULE_INACTIVE
    assert shop.redeem(2) is RedeemReason.RULE_INACTIVE
    shop.program = replace(shop.program, value_of_point=Decimal("0.001"))
    assert shop.redeem(DEFAULT, 9) is RedeemReason.BELOW_MINIMUM


def test_tier_is_settled_after_a_redemption() -> None:
    """Tiers that have changed are recorded by whatever is decided next, a refusal too, with what they grant."""
    for balance in (100, 10):
        shop = SmallShop(program=replace(BASE, redemption_rules={RULE: RedemptionRule(
            id=RULE, terms=percentage("10"), points=100)}))  # fmt: skip
        shop.order(str(balance))
        climb = (tier(1, "0"), tier(2, "5", entry=Reward(points=40, coupons=(percentage("3"),))))
        shop.program = replace(shop.program, tiers=climb)
        shop.redeem(RULE)
        assert [each.is_told for each in shop.decisions[-1].effects if isinstance(each, ChangeTier)] == [True]  # fmt: skip
        assert shop.wallet().balance == balance % 100 + 40


def bought(shop: SmallShop | None = None) -> tuple[SmallShop, str]:
    """A shop whose customer has a coupon for 100 points, of two lots."""
    shop = shop or SmallShop(program=replace(BASE, points_days=30, redemption_rules={RULE: RedemptionRule(
        id=RULE, terms=percentage("10", usage_limit=2, expires_after=timedelta(days=20)), points=100)}))  # fmt: skip
    shop.order("60")
    shop.order("60")
    coupon = shop.redeem(RULE)
    assert isinstance(coupon, GrantCoupon)
    return shop, coupon.coupon_id


def test_undone_redemption_gives_back_what_it_took() -> None:
    """The coupon is cancelled, the points are in the lots that they were in; a second time there is nothing to undo."""
    shop, coupon_id = bought()
    assert shop.undo(coupon_id) is None
    assert shop.decisions[-1].outcome is Outcome.RECORDED
    (step,) = [each for each in shop.decisions[-1].effects if isinstance(each, ChangeCoupon)]
    assert (step.step, step.reason) == (Step.CANCELLED, REDEMPTION_UNDONE)
    assert [lot.left for lot in shop.wallet().lots.values()] == [60, 60]
    assert shop.undo(coupon_id) is UndoReason.COUPON_NOT_ACTIVE
    assert shop.decisions[-1].effects == ()
    assert shop.wallet().balance == 120


def used(shop: SmallShop, coupon_id: str, times: int) -> None:
    coupon = shop.state().coupons.by_id[coupon_id]
    for _ in range(times):
        step = redeem(coupon, shop.now, shop_id=4)
        assert isinstance(step, ChangeCoupon)
        coupon = step.coupon
    put(shop, coupon)


def put(shop: SmallShop, coupon: Any) -> None:
    state = shop.state()
    by_id = {**state.coupons.by_id, coupon.id: coupon}
    shop.states["anna"] = replace(state, coupons=replace(state.coupons, by_id=by_id))


@pytest.mark.parametrize("times", [1, 2])
def test_used_coupon_is_not_undone(times: int) -> None:
    """Not even where a use is left."""
    shop, coupon_id = bought()
    used(shop, coupon_id, times)
    assert shop.undo(coupon_id) is UndoReason.COUPON_NOT_ACTIVE


def test_reserved_coupon_is_not_undone_until_that_has_lapsed() -> None:
    """A shop may be about to redeem it; what time has done is settled first."""
    shop, coupon_id = bought()
    until = shop.now + timedelta(days=1)
    step = reserve(shop.state().coupons.by_id[coupon_id], shop.now, shop_id=4, until=until)
    assert isinstance(step, ChangeCoupon)
    put(shop, step.coupon)
    assert shop.undo(coupon_id) is UndoReason.COUPON_NOT_ACTIVE
    shop.days = 1
    assert shop.undo(coupon_id) is None
    steps = [each.step for each in shop.decisions[-1].effects if isinstance(each, ChangeCoupon)]
    assert steps == [Step.RELEASED, Step.CANCELLED]


@pytest.mark.parametrize("hears", [False, True])
def test_delivered_coupon_is_undone_where_its_partner_hears_of_it(*, hears: bool) -> None:
    """Somebody else's system has it: only one that is told of cancellations lets go of it."""
    shop, coupon_id = bought()
    put(shop, replace(shop.state().coupons.by_id[coupon_id], is_delivered=True))
    shop.program = replace(shop.program, hears_of_cancellations=hears)
    assert shop.undo(coupon_id) is (None if hears else UndoReason.COUPON_DELIVERED)


def test_coupon_that_is_over_is_not_undone() -> None:
    """From its very instant on; its end is recorded by the way."""
    shop, coupon_id = bought()
    shop.days = 20
    assert shop.undo(coupon_id) is UndoReason.COUPON_NOT_ACTIVE
    assert shop.state().coupons.by_id[coupon_id].status is CouponStatus.EXPIRED


def test_only_a_redemption_of_ones_own_is_undone() -> None:
    """Neither another customer's, nor a coupon that was granted, nor one that nobody has."""
    shop, coupon_id = bought()
    granted = shop.given(percentage("5"))
    for wanted, customer in ((coupon_id, "bert"), (granted.id, "anna"), ("nobody's", "anna")):
        assert shop.undo(wanted, customer=customer) is UndoReason.NOT_A_REDEMPTION
    assert shop.undo(coupon_id) is None


def test_points_that_come_back_pay_what_is_owed() -> None:
    """Restored, then the debt; the rest is the customer's."""
    shop = SmallShop(program=replace(BASE, redemption_rules={RULE: RedemptionRule(
        id=RULE, terms=percentage("10"), points=100)}))  # fmt: skip
    shop.order("80", order_id="o-1")
    shop.order("20")
    coupon = shop.redeem(RULE)
    assert isinstance(coupon, GrantCoupon)
    shop.refund(None, "o-1")
    assert (shop.wallet().balance, shop.wallet().owed) == (0, 80)
    shop.undo(coupon.coupon_id)
    assert [(each.kind, each.points, each.owed) for each in shop.entries()] == [
        (EntryKind.RESTORED, 100, 0), (EntryKind.REVERSED, -80, -80),
    ]  # fmt: skip
    assert (shop.wallet().balance, shop.wallet().owed) == (20, 0)


THINGS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.integers(1, 300)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("redeem"), st.integers(1, 300)),
        st.tuples(st.just("undo"), st.integers(0, 9)),
        st.tuples(st.just("days"), st.integers(1, 25)),
    ),
    max_size=30,
)


@given(THINGS)
def test_redemptions_and_their_undoing_keep_every_lot_whole(things: list[tuple[str, int]]) -> None:
    """Balance = what is left of the lots; what comes back is what went, and what of it has ended expires at once."""
    shop = SmallShop(program=replace(BASE, points_days=30, redemption_rules={DEFAULT: DEFAULT_RULE}))  # fmt: skip
    shop.states["anna"] = replace(shop.state(), profile=Profile())
    orders, coupons = 0, list[GrantCoupon]()
    for what, number in things:
        match what:
            case "order":
                shop.order(str(number), order_id=f"o-{orders}")
                orders += 1
            case "cancel" if number < orders:
                shop.refund(None, f"o-{number}")
            case "redeem":
                answer = shop.redeem(DEFAULT, number)
                if isinstance(answer, GrantCoupon):
                    coupons.append(answer)
            case "undo" if number < len(coupons):
                _undo(shop, coupons[number])
            case "days":
                shop.days += number
        wallet = shop.wallet()
        assert wallet.balance == sum(lot.left for lot in wallet.lots.values())
        assert all(0 <= lot.left + lot.expired <= lot.amount for lot in wallet.lots.values())
        assert min(wallet.balance, wallet.owed) == 0


def _undo(shop: SmallShop, coupon: GrantCoupon) -> None:
    shop.did("looked")  # what is over ends first, as in every decision
    before = shop.wallet()
    is_open = shop.state().coupons.by_id[coupon.coupon_id].status is CouponStatus.ACTIVE
    reason = shop.undo(coupon.coupon_id)
    assert (reason is None) is is_open
    if reason is not None:
        assert shop.wallet() == before
        return
    after, now = shop.wallet(), shop.now
    back = sum(take.points for take in coupon.takes)
    over = sum(take.points for take in coupon.takes if after.lots[take.lot].is_over(now))
    paid = min(before.owed, back)
    assert after.owed == before.owed - paid
    assert after.points_earned == before.points_earned
    # A debt is paid of all that comes back, of what ends soonest first.
    assert after.balance == before.balance + back - max(over, paid)
