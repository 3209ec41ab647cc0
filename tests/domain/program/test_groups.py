"""Groups of coupons in the rules: windows, caps and pools, in the order in which they are named, and what is given of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.domain.campaigns import Campaign
from services.domain.coupons.codes import codes_from, display
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.coupons.effects import DeclineReward, GrantCoupon, GrantRefusal
from services.domain.coupons.lifecycle import StepRefusal, cancel
from services.domain.coupons.stock import Given, GroupStock, PoolCode, Stock, left_after
from services.domain.origins import Source, SourceKind
from services.domain.partner_program import RedemptionRule
from services.domain.points.wallet import Post
from services.domain.rewards import Reward
from services.domain.state import evolve
from services.domain.terms import Group, Terms, TermsType
from services.domain.triggers import Trigger
from tests.stand.small_shop import BASE, START, SmallShop

CLUB = (1, "club")
TERMS = Terms(type=TermsType.CUSTOM, group="club", code_prefix="CLUB")
OWN = PoolCode(text="ours", own=("POOL", codes_from(bytes(10))[0]))


def a_shop(group: Group | None = None, terms: Terms = TERMS, **stock: Any) -> SmallShop:
    """Each `visit` earns a coupon of the club; so does rule 1, for 10 points."""
    visit = Campaign(
        id=1,
        type="EventBased",
        name="Visits",
        trigger=Trigger(event_name="visit"),
        reward=Reward(coupons=(terms,)),
        max_achievement=-1,
    )
    program = replace(
        BASE,
        campaigns=(visit,),
        groups={} if group is None else {"club": group},
        redemption_rules={1: RedemptionRule(id=1, terms=terms, points=10)},
    )
    return SmallShop(program=program, stock={CLUB: GroupStock(**stock)} if stock else {})


def visited(shop: SmallShop, customer: str = "anna") -> GrantCoupon | GrantRefusal:
    """The coupon of one visit, or why there was none."""
    (came,) = (
        effect
        for effect in shop.did("visit", customer=customer).effects
        if isinstance(effect, (GrantCoupon, DeclineReward))
    )
    if isinstance(came, GrantCoupon):
        return came
    assert isinstance(came.reason, GrantRefusal)
    return came.reason


def cancelled(shop: SmallShop, coupon: GrantCoupon, customer: str = "anna") -> None:
    """By staff."""
    step = cancel(shop.state(customer).coupons.by_id[coupon.coupon_id], shop.now)
    assert not isinstance(step, StepRefusal)
    shop.states[customer] = evolve(shop.state(customer), [step])
    shop.stock = left_after(shop.stock, 1, [step])


_R = GrantRefusal
WORST = Group(
    handle="club", is_active=False, starts_at=START + timedelta(days=1), ends_at=START - timedelta(days=1),
    max_per_customer=0, max_total=0,
)  # fmt: skip
OVER = replace(TERMS, expires_at=START)
CURED: list[tuple[GrantRefusal, dict[str, Any]]] = [
    (_R.GROUP_INACTIVE, {"is_active": True}),
    (_R.GROUP_NOT_STARTED, {"starts_at": START}),
    (_R.GROUP_ENDED, {"ends_at": START + timedelta(days=9)}),
    (_R.GROUP_CUSTOMER_LIMIT_REACHED, {"max_per_customer": 1}),
    (_R.GROUP_EXHAUSTED, {"max_total": 1}),
]
"""What stands against a coupon, each with what takes it away."""


def test_refusals_are_named_in_their_order() -> None:
    """Everything stands against it; one after the other is taken away, and the next one is named."""
    assert visited(a_shop(None, OVER)) is _R.GROUP_NOT_FOUND
    group = WORST
    for reason, cure in CURED:
        assert visited(a_shop(group, OVER)) is reason
        group = replace(group, **cure)
    assert visited(a_shop(group, OVER)) is _R.COUPON_OFFER_ENDED
    assert isinstance(visited(a_shop(group)), GrantCoupon)


def test_group_binds_coupons_of_any_type_that_name_it() -> None:
    """A percentage of a full group is refused; of a group that is not there it has none, and is given."""
    terms = Terms(type=TermsType.PERCENTAGE, value=Decimal(10), group="club")
    assert visited(a_shop(Group(handle="club", max_total=0), terms)) is _R.GROUP_EXHAUSTED
    assert isinstance(visited(a_shop(None, terms)), GrantCoupon)


def test_cap_for_all_counts_everybodys_and_a_cancelled_one_gives_its_place_back() -> None:
    """Two in all: anna and bert have one each, carl none until anna's is cancelled."""
    shop = a_shop(Group(handle="club", max_total=2))
    annas = visited(shop)
    assert isinstance(annas, GrantCoupon)
    assert isinstance(visited(shop, "bert"), GrantCoupon)
    assert visited(shop, "carl") is _R.GROUP_EXHAUSTED
    cancelled(shop, annas)
    assert isinstance(visited(shop, "carl"), GrantCoupon)
    assert visited(shop) is _R.GROUP_EXHAUSTED


def test_cap_for_one_customer_counts_theirs_alone() -> None:
    """One each: anna's second is refused, bert's first is not; hers cancelled, she may have another."""
    shop = a_shop(Group(handle="club", max_per_customer=1))
    annas = visited(shop)
    assert isinstance(annas, GrantCoupon)
    assert visited(shop) is _R.GROUP_CUSTOMER_LIMIT_REACHED
    assert isinstance(visited(shop, "bert"), GrantCoupon)
    cancelled(shop, annas)
    assert isinstance(visited(shop), GrantCoupon)


def test_example_37() -> None:
    """maxPerCustomer 2: the third is refused and nothing is spent; after an undo it works."""
    shop = a_shop(Group(handle="club", max_per_customer=2))
    shop.order("100")
    coupons = [shop.redeem(1), shop.redeem(1)]
    assert shop.redeem(1) is _R.GROUP_CUSTOMER_LIMIT_REACHED
    assert shop.wallet().balance == 80
    first = coupons[0]
    assert isinstance(first, GrantCoupon)
    cancelled(shop, first)
    assert isinstance(shop.redeem(1), GrantCoupon)
    assert shop.wallet().balance == 70


def test_refusal_of_a_group_stands_before_the_balance() -> None:
    """Nothing left, and no points: the group is named."""
    assert a_shop(Group(handle="club"), codes=()).redeem(1) is _R.GROUP_EXHAUSTED


def test_code_that_the_partner_brought_is_shown_in_place_of_ours() -> None:
    """The coupon keeps the code that was drawn, with the prefix of its terms."""
    shop = a_shop(Group(handle="club"), codes=(PoolCode(text="Gratis 1"),))
    grant = visited(shop)
    assert isinstance(grant, GrantCoupon)
    assert (grant.external_code, grant.pool_code) == ("Gratis 1", "Gratis 1")
    coupon = held(shop, grant)
    assert (coupon.shown_code, coupon.external_code) == ("Gratis 1", "Gratis 1")
    assert coupon.code_prefix == "CLUB"
    assert coupon.code == grant.code != ""


def test_code_that_we_made_for_a_pool_is_the_coupons_own() -> None:
    """It is read like ours, with the prefix that it was made with; there is no other."""
    shop = a_shop(Group(handle="club"), codes=(OWN,))
    grant = visited(shop)
    assert isinstance(grant, GrantCoupon)
    assert (grant.external_code, grant.pool_code) == (None, "ours")
    coupon = held(shop, grant)
    assert coupon.external_code is None
    assert coupon.shown_code == display(codes_from(bytes(10))[0], "POOL")


def held(shop: SmallShop, grant: GrantCoupon) -> Coupon:
    return shop.state().coupons.by_id[grant.coupon_id]


def test_code_of_a_cancelled_coupon_is_never_used_again() -> None:
    """Two codes: the first one's coupon is cancelled, which frees a place of the cap, and no code."""
    codes = (PoolCode(text="a"), PoolCode(text="b"))
    shop = a_shop(Group(handle="club", max_total=1), issued=0, codes=codes)
    first = visited(shop)
    assert isinstance(first, GrantCoupon)
    assert visited(shop) is _R.GROUP_EXHAUSTED
    cancelled(shop, first)
    second = visited(shop)
    assert isinstance(second, GrantCoupon)
    assert (first.pool_code, second.pool_code) == ("a", "b")
    cancelled(shop, second)
    assert visited(shop) is _R.GROUP_EXHAUSTED


def test_coupons_of_one_reward_see_each_other() -> None:
    """A reward of three of a group with two left: two are given, the third is refused, the points stand."""
    shop = a_shop(Group(handle="club", max_total=2))
    (visit,) = shop.program.campaigns
    more = replace(visit, reward=Reward(points=5, coupons=(TERMS, TERMS, TERMS)))
    shop.program = replace(shop.program, campaigns=(more,))
    effects = shop.did("visit").effects
    kinds = [type(effect) for effect in effects if not isinstance(effect, Post)]
    assert kinds[:3] == [GrantCoupon, GrantCoupon, DeclineReward]
    assert shop.wallet().balance == 5


MOVES = st.lists(
    st.tuples(st.sampled_from(["anna", "bert", "carl"]), st.booleans(), st.integers(0, 9)),
    max_size=30,
)


@given(moves=MOVES, most=st.integers(0, 5), each=st.integers(0, 3), codes=st.integers(0, 8))
def test_no_course_of_events_exceeds_a_cap_or_uses_a_code_twice(
    moves: list[tuple[str, bool, int]], most: int, each: int, codes: int
) -> None:
    """Whoever visits and whatever is cancelled in between: a refusal only where a cap or the pool is used up."""
    shop = a_shop(
        Group(handle="club", max_total=most, max_per_customer=each),
        codes=tuple(PoolCode(text=str(number)) for number in range(codes)),
    )
    live: dict[str, list[GrantCoupon]] = {"anna": [], "bert": [], "carl": []}
    used: list[str | None] = []
    for customer, cancels, which in moves:
        mine = live[customer]
        if cancels:
            if mine:
                cancelled(shop, mine.pop(which % len(mine)), customer)
            continue
        came = visited(shop, customer)
        total = sum(map(len, live.values()))
        if isinstance(came, GrantCoupon):
            used.append(came.pool_code)
            mine.append(came)
            assert len(mine) <= each
            assert total < most
        elif came is _R.GROUP_CUSTOMER_LIMIT_REACHED:
            assert len(mine) == each
        else:
            assert came is _R.GROUP_EXHAUSTED
            assert total == most or len(used) == codes
    assert len(set(used)) == len(used) <= codes


@given(moves=MOVES, divisions=st.integers(1, 4))
def test_what_nobody_records_comes_to_the_same(
    moves: list[tuple[str, bool, int]], divisions: int
) -> None:
    """What is stored, read anew for each batch without what was given so far, is what is left after all of it."""
    shop = a_shop(
        Group(handle="club"), codes=tuple(PoolCode(text=str(number)) for number in range(9))
    )
    stored, given_so_far = shop.stock, Given()
    effects: list[object] = []
    for number, (customer, cancels, _) in enumerate(moves):
        mine = [
            coupon
            for coupon in shop.state(customer).coupons.by_id.values()
            if coupon.status is CouponStatus.ACTIVE
        ]
        before = len(shop.decisions)
        if cancels and mine:
            step = cancel(mine[0], shop.now)
            assert not isinstance(step, StepRefusal)
            shop.states[customer] = evolve(shop.state(customer), [step])
            shop.stock = left_after(shop.stock, 1, [step])
            effects.append(step)
        elif not cancels:
            shop.did("visit", customer=customer)
            effects += shop.decisions[before].effects
        if number % divisions == 0:
            given_so_far.note(1, effects)
            effects = []
            left: Stock = given_so_far.taken_from(stored)
            assert left == shop.stock


def test_source_of_a_coupon_is_no_matter_to_its_group() -> None:
    """A redemption and a visit take from the same places."""
    shop = a_shop(Group(handle="club", max_total=2))
    shop.order("100")
    bought = shop.redeem(1)
    assert isinstance(bought, GrantCoupon)
    assert bought.source == Source(SourceKind.REDEMPTION, "1")
    assert isinstance(visited(shop), GrantCoupon)
    assert shop.redeem(1) is _R.GROUP_EXHAUSTED
