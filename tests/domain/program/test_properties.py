"""What holds of every wallet, whatever happens to it and in whichever order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.domain.campaigns import Campaign
from services.domain.points.wallet import EntryKind, Post
from services.domain.purchases import taken_back
from services.domain.rewards import Reward
from services.domain.tiers import Tier
from services.domain.triggers import PLACE_ORDER, Trigger
from tests.stand.small_shop import BASE, SmallShop, rule

AMOUNTS = st.decimals(min_value=0, max_value=500, places=2)
RATES = st.sampled_from(["0.7", "1", "1.5", "3"])
PROGRAM = replace(
    BASE,
    points_days=30,
    tiers=(
        Tier(id=1, name="one", order=1, min_progress=Decimal(0)),
        Tier(id=2, name="two", order=2, min_progress=Decimal(200), entry=Reward(points=50)),
    ),
    campaigns=(
        Campaign(
            id=1, type="EventBased", name="Every third", max_achievement=2,
            trigger=Trigger(event_name=PLACE_ORDER, count=3), reward=Reward(points=40, score=4),
        ),
    ),
)  # fmt: skip

THINGS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.integers(0, 6), AMOUNTS),
        st.tuples(st.just("refund"), st.integers(0, 6), AMOUNTS),
        st.tuples(st.just("cancel"), st.integers(0, 6), st.just(Decimal(0))),
        st.tuples(st.just("spend"), st.integers(1, 300), st.just(Decimal(0))),
        st.tuples(st.just("days"), st.integers(1, 20), st.just(Decimal(0))),
    ),
    max_size=25,
)


def lived(things: list[tuple[str, int, Decimal]], points: str) -> SmallShop:
    shop = SmallShop(program=replace(PROGRAM, default_cashback=rule("1", points)))
    for what, number, amount in things:
        match what:
            case "order":
                shop.order(str(amount), order_id=f"o-{number}")
            case "refund":
                shop.refund(str(amount), f"o-{number}")
            case "cancel":
                shop.refund(None, f"o-{number}")
            case "spend" if number <= shop.wallet().balance:
                shop.did("looked")  # what is over ends first, as in every decision
                if number <= shop.wallet().balance:
                    shop.spend(number)
            case "days":
                shop.days += number
    return shop


@given(THINGS, RATES)
def test_wallet_is_the_sum_of_its_lots_and_never_below_nothing(
    things: list[tuple[str, int, Decimal]], points: str
) -> None:
    """Balance = what is left of the lots; nothing is ever below 0; nobody owes who has points."""
    wallet = lived(things, points).wallet()
    assert wallet.balance == sum(lot.left for lot in wallet.lots.values())
    assert all(0 <= lot.left <= lot.amount for lot in wallet.lots.values())
    assert all(0 <= lot.expired <= lot.amount - lot.left for lot in wallet.lots.values())
    meters = (wallet.points_earned, wallet.score, wallet.spent, wallet.orders)
    assert min(wallet.balance, wallet.owed, *(int(each) for each in meters)) >= 0
    assert not (wallet.balance and wallet.owed)


@given(THINGS, RATES)
def test_every_entry_says_the_balance_after_it(
    things: list[tuple[str, int, Decimal]], points: str
) -> None:
    """Entries are numbered without a gap, their sums are the balances, and what goes is never more than there is."""
    shop = SmallShop(program=replace(PROGRAM, default_cashback=rule("1", points)))
    entries: list[Post] = []
    for thing in things:
        if thing[0] != "spend":
            shop.days, before = shop.days, len(shop.decisions)
            _again(shop, thing)
            for decision in shop.decisions[before:]:
                entries += [each for each in decision.effects if isinstance(each, Post)]
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    balance = 0
    for entry in entries:
        balance += entry.points
        assert entry.balance == balance >= 0
        taken = sum(take.points for take in entry.takes)
        opened = entry.opens.amount if entry.opens is not None else 0
        assert entry.points == opened - taken
        if entry.kind is EntryKind.EARNED:
            assert min(entry.points, entry.score, entry.orders) >= 0 <= entry.spent


def _again(shop: SmallShop, thing: tuple[str, int, Decimal]) -> None:
    what, number, amount = thing
    match what:
        case "order":
            shop.order(str(amount), order_id=f"o-{number}")
        case "refund":
            shop.refund(str(amount), f"o-{number}")
        case "cancel":
            shop.refund(None, f"o-{number}")
        case "days":
            shop.days += number


@given(st.permutations(["3.33", "20", "6.66", "10", "49.99"]), AMOUNTS, RATES)
def test_refunds_come_to_the_same_in_any_order(
    refunds: list[str], total: Decimal, points: str
) -> None:
    """What counts is the largest of them."""
    shops = []
    for told in (refunds, sorted(refunds, key=Decimal), [max(refunds, key=Decimal)]):
        shop = SmallShop(program=replace(PROGRAM, default_cashback=rule("1", points)))
        shop.order(str(total), order_id="o")
        for refund in told:
            shop.refund(refund, "o")
        shops.append(shop.wallet())
    totals = {
        (each.balance, each.owed, each.points_earned, each.score, each.spent) for each in shops
    }
    assert len(totals) == 1


@given(st.integers(0, 10**6), AMOUNTS, AMOUNTS)
def test_part_of_a_refund_is_never_more_than_its_part(
    earned: int, amount: Decimal, refunded: Decimal
) -> None:
    """Rounded down, all of it at the whole, and growing with the refund."""
    part = taken_back(earned, min(refunded, amount), amount)
    assert 0 <= part <= earned
    if refunded >= amount:
        assert part == earned
    else:
        assert part * amount <= earned * refunded
