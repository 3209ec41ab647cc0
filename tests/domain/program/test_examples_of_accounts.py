"""The contract's examples of tiers, refunds, lots, redeeming and campaigns, by their numbers: the rules alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from services.domain.campaigns import Campaign
from services.domain.coupons.effects import GrantCoupon, RedeemReason
from services.domain.decision import OrderReason
from services.domain.partner_program import RedemptionRule
from services.domain.points.earning import CardRules, worth
from services.domain.points.wallet import EntryKind
from services.domain.referrals import ReferralRules
from services.domain.rewards import Reward
from services.domain.terms import Terms, TermsType
from services.domain.tiers import ChangeTier, TierMethod
from services.domain.triggers import PLACE_ORDER, Condition, Operator, Trigger
from tests.domain.program.rules import percentage, tier, with_card
from tests.stand.small_shop import BASE, SmallShop, line, rule

CLIMB = (tier(1, "0"), tier(2, "190", entry=Reward(points=3000)))


def test_21_entry_reward() -> None:
    """Tiers 0, 190 (Entry 3000): 189.99 → 189, then 0.01 → tier 2; balance 3189."""
    shop = SmallShop(program=replace(BASE, tiers=CLIMB))
    assert shop.order("189.99") == 189
    assert shop.tier_id() == 1
    shop.order("0.01")
    assert shop.tier_id() == 2
    assert shop.wallet().balance == 3189


def climbing() -> SmallShop:
    tiers = (tier(1, "0"), tier(2, "100", entry=Reward(points=150)), tier(3, "250"))
    program = replace(
        BASE,
        tier_method=TierMethod.POINTS_EARNED,
        tiers=tiers,
        cashback_of={3: rule("1", "3")},
    )
    shop = SmallShop(program=program)
    shop.order("100")
    return shop


def test_22_one_change_of_tier() -> None:
    """points_earned; 0, 100 (Entry 150), 250: order 100 → 250, one tier.changed, first to third."""
    shop = climbing()
    changes = [
        each for each in shop.decisions[-1].effects if isinstance(each, ChangeTier) and each.is_told
    ]
    (change,) = changes
    assert change.before is not None
    assert change.after is not None
    assert (change.before.order, change.after.order) == (1, 3)
    assert shop.wallet().balance == 250


def test_23_rule_of_a_tier() -> None:
    """Then tier rule 1/3: 10 → 30."""
    assert climbing().order("10") == 30


def test_24_entry_reward_once_for_ever() -> None:
    """After 21 cancel the 189.99: spent 0.01, tier 1, balance 3000; tier 2 again: no Entry Reward."""
    shop = SmallShop(program=replace(BASE, tiers=CLIMB))
    shop.order("189.99", order_id="big")
    shop.order("0.01")
    shop.refund(None, "big")
    standing = shop.state().standing.tier
    assert standing is not None
    assert (shop.wallet().spent, standing.id, shop.wallet().balance) == (Decimal("0.01"), 1, 3000)
    shop.order("189.99")
    standing = shop.state().standing.tier
    assert standing is not None
    assert (standing.id, shop.wallet().balance) == (2, 3189)


def test_25_refunds_in_any_order() -> None:
    """100, then refunded_total 20, 30, 100, 30: −20, −10, −70, 0."""
    shop = SmallShop()
    shop.order("100", order_id="o")
    assert [shop.refund(each, "o") for each in ("20", "30", "100", "30")] == [20, 10, 70, 0]


def test_26_refunds_round_down_and_end_even() -> None:
    """1/0.7: 10 → 7; refunded_total 3.33, 6.66, 10: −2, −2, −3."""
    shop = SmallShop(program=replace(BASE, default_cashback=rule("1", "0.7")))
    assert shop.order("10", order_id="o") == 7
    assert [shop.refund(each, "o") for each in ("3.33", "6.66", "10")] == [2, 2, 3]


def test_27_owed() -> None:
    """Earn 100, redeem 80, cancel: −20, owed 80, balance 0; next 100: balance 20, owed 0."""
    shop = SmallShop()
    shop.order("100", order_id="o")
    shop.spend(80)
    assert shop.refund(None, "o") == 20
    assert (shop.wallet().balance, shop.wallet().owed) == (0, 80)
    shop.order("100")
    assert (shop.wallet().balance, shop.wallet().owed) == (20, 0)


def test_28_what_expired_counts_as_taken() -> None:
    """100, 40 spent, 60 expired, + 50, the first cancelled: balance 10, owed 0."""
    shop = SmallShop(program=replace(BASE, points_days=30))
    shop.order("100", order_id="o")
    shop.spend(40)
    shop.days = 30
    shop.order("50")
    assert shop.wallet().balance == 50
    shop.days = 31
    shop.refund(None, "o")
    assert (shop.wallet().balance, shop.wallet().owed) == (10, 0)


def test_29_cancelled_before_placed() -> None:
    """Nothing is earned, and the reason is that it was reversed."""
    shop = SmallShop()
    shop.refund(None, "o")
    assert shop.order("100", order_id="o") == 0
    assert shop.decisions[-1].reason is OrderReason.ORDER_ALREADY_REVERSED
    assert shop.wallet().balance == 0


def spent_120() -> SmallShop:
    shop = SmallShop(program=replace(BASE, points_days=30))
    shop.order("100")
    shop.days = 10
    shop.order("50")
    shop.days = 20
    shop.spend(120)
    return shop


def test_30_lots_that_end_soonest_go_first() -> None:
    """100 and 50 ten days later, 120 spent: the first end with nothing left, the second with 30."""
    shop = spent_120()
    shop.days = 30
    shop.did("looked")
    assert shop.wallet().balance == 30
    shop.days = 40
    shop.did("looked")
    assert shop.wallet().balance == 0


def test_31_shortest_period() -> None:
    """Client 30 days, card 365: ends after 720 hours."""
    card = CardRules(id=1, expiration_days=365)
    shop = with_card(card, points_days=30)
    shop.order("10")
    (lot,) = shop.wallet().lots.values()
    assert lot.expires_at == shop.now + timedelta(hours=720)
    shop.days = 30
    shop.did("looked")
    assert shop.wallet().balance == 0


GENERAL = Terms(type=TermsType.FIXED)
DEFAULT_RULE = RedemptionRule(id=1, terms=GENERAL, is_general=True, is_default=True)


def test_31_points_are_gone_at_their_instant() -> None:
    """And at that very instant there are not enough."""
    shop = SmallShop(program=replace(BASE, points_days=30, redemption_rules={1: DEFAULT_RULE}))
    shop.order("10")
    shop.days = 30
    assert shop.redeem(1, 10) is RedeemReason.INSUFFICIENT_POINTS


def test_32_undone_after_the_end() -> None:
    """30's spend undone on day 35: 120 back, 100 expire at once, balance 50."""
    rule_of_120 = RedemptionRule(id=2, terms=percentage("10"), points=120)
    shop = SmallShop(program=replace(BASE, points_days=30, redemption_rules={2: rule_of_120}))
    shop.order("100")
    shop.days = 10
    shop.order("50")
    shop.days = 20
    coupon = shop.redeem(2)
    assert isinstance(coupon, GrantCoupon)
    shop.days = 35
    assert shop.undo(coupon.coupon_id) is None
    assert [(each.kind, each.points) for each in shop.entries()[-2:]] == [
        (EntryKind.RESTORED, 120), (EntryKind.EXPIRED, -100),
    ]  # fmt: skip
    assert shop.wallet().balance == 50


def test_33_default_rule() -> None:
    """Default rule, 333 points: worth 33.30."""
    shop = SmallShop(program=replace(BASE, redemption_rules={1: DEFAULT_RULE}))
    shop.order("333")
    coupon = shop.redeem(1, 333)
    assert isinstance(coupon, GrantCoupon)
    assert (coupon.terms.value, shop.wallet().balance) == (Decimal("33.30"), 0)


def test_34_card_rate_and_limits() -> None:
    """Card 10 points = 1, min 100, max 5000: 99 and 5001 refused, 105 worth 10.50."""
    card = CardRules(
        id=1, points_per_currency_redemption=Decimal(10), currency_amount_redemption=Decimal(1),
        least_per_redemption=100, most_per_redemption=5000,
    )  # fmt: skip
    shop = with_card(card, redemption_rules={1: DEFAULT_RULE})
    shop.order("6000")
    assert shop.redeem(1, 99) is RedeemReason.BELOW_MINIMUM
    assert shop.redeem(1, 5001) is RedeemReason.ABOVE_MAXIMUM
    coupon = shop.redeem(1, 105)
    assert isinstance(coupon, GrantCoupon)
    assert coupon.terms.value == Decimal("10.50")


def test_35_whole_balance() -> None:
    """General, null, balance 250: costs 250, worth 25.00, balance 0."""
    rule_of_all = RedemptionRule(id=3, terms=GENERAL, is_general=True)
    shop = SmallShop(program=replace(BASE, redemption_rules={3: rule_of_all}))
    shop.order("250")
    coupon = shop.redeem(3)
    assert isinstance(coupon, GrantCoupon)
    assert (coupon.terms.value, shop.wallet().balance) == (Decimal("25.00"), 0)


def test_33_worth_is_never_rounded_up() -> None:
    """0.1: 33.30; 0.013: 4.32."""
    assert worth(333, Decimal("0.1"), 2) == Decimal("33.30")
    assert worth(333, Decimal("0.013"), 2) == Decimal("4.32")


def test_38_repeatable() -> None:
    """Count 2, 100 points, at most 3: 5 events → 200, half way; 8 → 300."""
    campaign = Campaign(
        id=1, type="EventBased", name="Reviews", trigger=Trigger(event_name="review", count=2),
        reward=Reward(points=100), max_achievement=3,
    )  # fmt: skip
    shop = SmallShop(program=replace(BASE, campaigns=(campaign,)))
    for _ in range(5):
        shop.did("review")
    assert shop.wallet().balance == 200
    assert shop.state().campaigns.of(1).steps == 1
    for _ in range(3):
        shop.did("review")
    assert shop.wallet().balance == 300


def test_39_whole_of_the_last_second() -> None:
    """The last millisecond before the end counts, the end not."""
    end = datetime(2026, 12, 1, tzinfo=UTC)
    campaign = Campaign(
        id=1, type="EventBased", name="Reviews", trigger=Trigger(event_name="review"),
        reward=Reward(points=1), max_achievement=-1, ends_at=end,
    )  # fmt: skip
    for before, points in ((timedelta(milliseconds=1), 1), (timedelta(), 0)):
        shop = SmallShop(program=replace(BASE, campaigns=(campaign,)))
        shop.days = (end - before - shop.now) / timedelta(days=1)
        shop.did("review")
        assert shop.wallet().balance == points


def test_40_referrals() -> None:
    """number_of_products equals "3": 1 + 2 match; 200, extra 500 every 3: three friends → 1100."""
    three = Condition(name="number_of_products", operator=Operator.EQUALS, value="3")
    rules = ReferralRules(
        trigger=Trigger(event_name=PLACE_ORDER, conditions=(three,)),
        customer=Reward(points=200),
        extra=Reward(points=500),
        for_every=3,
    )
    program = replace(BASE, referrals=rules, default_cashback=None)
    shop = SmallShop(program=program)
    shop.register("anna")
    for friend in ("bert", "carl", "dora"):
        shop.register(friend, referred_by="anna")
        shop.order("3", customer=friend, lines=(line("1", quantity=1),))
        assert not shop.state(friend).profile.referral_done
        shop.order("3", customer=friend, lines=(line("1"), line("1", quantity=2)))
        assert shop.state(friend).profile.referral_done
        shop.friend_came(friend)
    assert shop.wallet().balance == 1100
