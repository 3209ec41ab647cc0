"""What a program compiles to: the rules that somebody would write by hand for the same program."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from schemas.gameball_v4.campaigns import EVENT_OF_TYPE, TYPES
from schemas.gameball_v4.files import loaded
from schemas.gameball_v4.program import Sections, stored_of, with_ids
from schemas.gameball_v4.settings import TIER_METHODS
from schemas.gameball_v4.shown import reward_factor
from schemas.gameball_v4.triggers import OPERATORS
from services.adapters.postgres.programs import StoredProgram
from services.adapters.postgres.stored_cards import cards_from
from services.adapters.postgres.stored_program import program_from
from services.domain.campaigns import Campaign
from services.domain.partner_program import PartnerProgram, RedemptionRule
from services.domain.points.earning import CardRules, CashbackRule, percent_of_spend
from services.domain.profiles import Profile
from services.domain.referrals import ReferralRules
from services.domain.rewards import Reward
from services.domain.terms import CombinesWith, Group, Terms, TermsType
from services.domain.tiers import Tier, TierMethod
from services.domain.triggers import Condition, Operator, Trigger
from tests.schemas.gameball_v4.samples import ZONE, sections

EMPTY = PartnerProgram(partner_id=1, version=1, time_zone=ZONE)


def compiled(now: Sections, cards: str = "[]") -> PartnerProgram:
    """By way of the JSON that is stored."""
    stored = orjson.loads(orjson.dumps(stored_of(now)))
    return program_from(
        StoredProgram(
            partner_id=1, version=1, revision=1, sections=stored, cards=cards, time_zone=ZONE
        )
    )


def of_file(**sent: Any) -> PartnerProgram:
    """Of a file that a partner with nothing loads; new items are numbered from 1."""
    now = loaded(Sections(time_zone=ZONE), sent).sections
    return compiled(with_ids(now, iter(range(1, 100))))


def rule(threshold: str, points: str, score: str) -> CashbackRule:
    return CashbackRule(
        threshold=Decimal(threshold), wallet_factor=Decimal(points), rank_factor=Decimal(score)
    )


def condition(name: str, operator: Operator, value: str) -> Condition:
    return Condition(name=name, operator=operator, value=value)


PERCENT = Terms(
    type=TermsType.PERCENTAGE, value=Decimal("12.5"), currency="EUR", min_order_value=Decimal(50), capping=Decimal(100),
    usage_limit=2, combines_with=CombinesWith(order=True), collection_ids=("Summer Collection", "7", "Featured"),
    platforms=("Web", "pos"), group="summer", code_prefix="SUMMER", expires_at=datetime(2026, 12, 31, 22, tzinfo=UTC),
)  # fmt: skip
SHIPPING = Terms(
    type=TermsType.FREE_SHIPPING, currency="EUR", expires_after=timedelta(days=14),
    combines_with=CombinesWith(product=True, shipping=True),
)  # fmt: skip
ONCE = Reward(points=1)
BY_HAND = PartnerProgram(
    partner_id=1,
    version=1,
    currency="EUR",
    tier_method=TierMethod.POINTS_EARNED,
    tiers=(
        Tier(id=11, name="Basic", order=1, min_progress=Decimal(0)),
        Tier(
            id=12, name="Gold", order=3, min_progress=Decimal("190.25"), earning_factor=Decimal(3),
            entry=Reward(points=3000, score=5), lifetime=Reward(coupons=(replace(SHIPPING, lifetime_of=3),)),
        ),
    ),
    campaigns=(
        Campaign(
            id=21, type="SignUp", name="Join us", trigger=Trigger(event_name="sign_up"),
            reward=Reward(points=101, score=2, coupons=(PERCENT,)),
        ),
        Campaign(
            id=22, type="Reward Campaign", name="Double", trigger=Trigger(event_name="place_order"), factor=Decimal("2.5"),
            starts_at=datetime(2026, 9, 30, 21, tzinfo=UTC), ends_at=datetime(2026, 11, 1, tzinfo=UTC), min_tier=2,
            tags=frozenset({"vip"}), max_achievement=-1, collection_ids=frozenset({"7", "8"}),
            product_skus=frozenset({"c-1"}), needs_line=True,
        ),
        Campaign(
            id=23, type="EventBased", name="Reviews", max_achievement=3, is_active=False, reward=Reward(points=100),
            trigger=Trigger(event_name="review", count=2, conditions=(condition("stars", Operator.GREATER_THAN, "3"),)),
        ),
        Campaign(
            id=24, type="Spin The Wheel", name="Wheel", reward=ONCE,
            trigger=Trigger(event_name="game_completed", conditions=(
                condition("game_type", Operator.EQUALS, "wheel"), condition("result", Operator.EQUALS, "won"),
                condition("game_id", Operator.EQUALS, "5"),
            )),
        ),
        Campaign(
            id=25, type="HighScore", name="High", reward=ONCE,
            trigger=Trigger(event_name="game_completed", conditions=(
                condition("score", Operator.GREATER_THAN_OR_EQUALS, "900"),
            )),
        ),
        Campaign(
            id=26, type="Birthday", name="Born", trigger=Trigger(event_name="birthday"), reward=ONCE, max_achievement=-1
        ),
        Campaign(id=27, type="SocialMedia", name="Share", trigger=Trigger(event_name="share")),
        Campaign(
            id=28, type="ScheduledChallenge", name="Week", trigger=Trigger(event_name="place_order"), reward=ONCE,
            ends_at=datetime(2026, 11, 30, 22, tzinfo=UTC),
        ),
    ),
    referrals=ReferralRules(
        trigger=Trigger(
            event_name="place_order", conditions=(condition("number_of_products", Operator.EQUALS, "3"),)
        ),
        customer=Reward(points=200), friend=Reward(score=1, coupons=(PERCENT,)), extra=Reward(points=500, score=7, coupons=(SHIPPING,)), for_every=3,
    ),
    default_cashback=rule("50", "10", "1"),
    cashback_of={11: rule("0.1", "1", "0.5")},
    points_days=30,
    value_of_point=Decimal("0.2"),
    redemption_is_active=False,
    redemption_rules={
        30: RedemptionRule(
            id=30, terms=Terms(type=TermsType.FIXED, currency="EUR"), value_of_point=Decimal("0.2"), is_general=True,
            is_default=True, is_active=False,
        ),
        31: RedemptionRule(
            id=31, terms=Terms(type=TermsType.FIXED, currency="EUR", min_order_value=Decimal(5)),
            value_of_point=Decimal("0.013"), is_general=True,
        ),
        32: RedemptionRule(
            id=32, points=100, tier_id=12, tier_name="Gold", tags=frozenset({"VIP"}),
            terms=Terms(type=TermsType.FIXED, value=Decimal(10), currency="EUR", product_ids=("1", "b"), collection_ids=("7",)),
            starts_at=datetime(2025, 12, 31, 22, tzinfo=UTC), ends_at=datetime(2026, 12, 31, 22, tzinfo=UTC),
        ),
        33: RedemptionRule(
            id=33, points=100,
            terms=Terms(type=TermsType.FREE_PRODUCT, currency="EUR", product_ids=("6932183449758",), group="Free_Sundae"),
        ),
        34: RedemptionRule(
            id=34, points=5, is_active=False,
            terms=Terms(
                type=TermsType.CUSTOM, currency="EUR", group="summer", expires_at=datetime(2026, 12, 31, 8, tzinfo=UTC)
            ),
        ),
    },
    groups={
        "summer": Group(
            handle="summer", max_per_customer=2, max_total=1000, starts_at=datetime(2026, 5, 31, 21, tzinfo=UTC),
            ends_at=datetime(2026, 8, 31, 21, tzinfo=UTC), is_active=False,
        )
    },
    time_zone=ZONE,
    asks_for_codes=frozenset({TermsType.PERCENTAGE, TermsType.FIXED}),
    hears_of_cancellations=True,
)  # fmt: skip


def test_whole_program_compiles_to_what_one_would_write_by_hand() -> None:
    """Every section of the sample, field by field."""
    found = compiled(sections())
    for name in PartnerProgram.__dataclass_fields__:
        assert getattr(found, name) == getattr(BY_HAND, name), name


def test_nothing_compiles_to_nothing() -> None:
    """What was never set has the rules' own defaults."""
    nothing = StoredProgram(
        partner_id=1, version=1, revision=1, sections={}, cards="[]", time_zone=ZONE
    )
    assert program_from(nothing) == EMPTY
    assert compiled(Sections(time_zone=ZONE)) == EMPTY


_OFF: dict[str, Any] = dict.fromkeys(
    ("enableFixedRate", "enablePercentage", "enableFreeProduct", "enableFreeShipping"), False
)
_ALL = {TermsType.FIXED, TermsType.PERCENTAGE, TermsType.FREE_PRODUCT, TermsType.FREE_SHIPPING}


@pytest.mark.parametrize(
    ("section", "has_had_webhook", "asked"),
    [
        (None, False, set()),  # there never was one
        (None, True, _ALL),  # it was removed: all wait for the next
        (_OFF, True, set()),
        (_OFF | {"enableFixedRate": True}, True, {TermsType.FIXED}),
        (_OFF | {"enablePercentage": True}, True, {TermsType.PERCENTAGE}),
        (_OFF | {"enableFreeProduct": True}, True, {TermsType.FREE_PRODUCT}),
        (_OFF | {"enableFreeShipping": True}, True, {TermsType.FREE_SHIPPING}),
        (_OFF | {"enableFixedRate": True, "isActive": False}, True, {TermsType.FIXED}),
    ],
)
def test_codes_are_to_come_by_the_flags_switched_off_or_not(
    section: dict[str, Any] | None, has_had_webhook: bool, asked: set[TermsType]
) -> None:
    """Whose sending is only put off is asked all the same."""
    stored = StoredProgram(
        partner_id=1, version=1, revision=1, sections={} if section is None else {"coupon": section},
        cards="[]", time_zone=ZONE, has_had_webhook=has_had_webhook,
    )  # fmt: skip
    assert program_from(stored).asks_for_codes == asked


EXAMPLES = [
    ({"cashback": {"defaultCashbackRule": {"amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 1}},
      "settings": {"currency": "EUR"}},
     replace(EMPTY, currency="EUR", default_cashback=rule("1", "1", "1"))),
    ({"campaigns": [{"name": "More", "type": "Reward Campaign", "isRepeatable": True, "rewards": [{"walletRewardFactor": 5}],
                     "applicableTo": {"productSkus": ["cheese"]}}]},
     replace(EMPTY, campaigns=(Campaign(
         id=1, type="Reward Campaign", name="More", trigger=Trigger(event_name="place_order"), factor=Decimal(5),
         max_achievement=-1, product_skus=frozenset({"cheese"}), needs_line=True),))),
    ({"tiers": [{"name": "tier 1", "minProgress": 0, "order": 1},
                {"name": "tier 2", "minProgress": 100, "order": 2, "benefits": [{"type": "Entry Reward", "walletReward": 150}]},
                {"name": "tier 3", "minProgress": 250, "order": 3}],
      "settings": {"tierMethod": "points_earned"},
      "cashback": {"tierCashbackRules": [{"tierName": "tier 3", "amountRewardThreshold": 1, "rewardWalletFactor": 3, "rewardRankFactor": 1}]}},
     replace(EMPTY, tier_method=TierMethod.POINTS_EARNED, cashback_of={3: rule("1", "3", "1")}, tiers=(
         Tier(id=1, name="tier 1", order=1, min_progress=Decimal(0)),
         Tier(id=2, name="tier 2", order=2, min_progress=Decimal(100), entry=Reward(points=150)),
         Tier(id=3, name="tier 3", order=3, min_progress=Decimal(250)),
     ))),
    ({"referrals": {"referralMethod": "CustomerOnly", "eventName": "sign_up", "friendReward": {"point": 9}}},
     replace(EMPTY, referrals=ReferralRules(trigger=Trigger(event_name="sign_up")))),
    ({"redemption": {"isRedemptionActive": False}},
     replace(EMPTY, redemption_is_active=False, redemption_rules={1: RedemptionRule(
         id=1, terms=Terms(type=TermsType.FIXED), is_general=True, is_default=True)})),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "by_hand"), EXAMPLES)
def test_program_of_an_example_compiles(sent: dict[str, Any], by_hand: PartnerProgram) -> None:
    """The programs of the rules' own examples, as a partner would send them."""
    assert of_file(**sent) == by_hand


def test_words_of_the_wire_are_those_of_the_rules() -> None:
    """A method, an operator or a type that one of them lacks would be stored and never compile."""
    assert {str(method) for method in TierMethod} == set(TIER_METHODS)
    assert {str(operator) for operator in Operator} == set(OPERATORS)
    for type_ in TYPES:
        trigger: dict[str, Any] = {"minScore": 1} if type_ == "HighScore" else {}
        if type_ not in EVENT_OF_TYPE:
            trigger = {"eventName": "did"}
        when = {"endDate": "2026-12-31"}
        campaign = {
            "name": "n",
            "type": type_,
            "rewards": [{}],
            "trigger": trigger,
            "activation": when,
        }
        (found,) = of_file(campaigns=[campaign]).campaigns
        assert found.trigger.event_name == EVENT_OF_TYPE.get(type_, "did")


def test_derived_rule_and_reward_factor_are_those_of_the_rules() -> None:
    """What is shown of cashback is what orders earn by."""
    now = sections()
    program = compiled(now)
    gold = now.tiers[1]
    derived = now.derived(gold)
    assert derived is not None
    rates = program.rates_of(program.tiers[1], Profile())
    assert rates.of_tier == rule("1", "3", "1")
    assert derived.reward_wallet_factor == rates.of_tier.wallet_factor
    for sent in now.cashback.tier_cashback_rules:
        own = program.cashback_of[11]
        assert reward_factor(sent, program.value_of_point) == percent_of_spend(
            own, program.value_of_point
        )


def test_card_has_what_it_says_and_the_rest_by_default() -> None:
    """Null and absent are alike; a period of 0 days is none; numbers keep their digits."""
    bare = {"id": 1, "is_active": True, "shop_ids": [], "settings": {}}
    assert cards_from(orjson.dumps([bare]).decode()) == {1: CardRules(id=1)}
    full = """[{"id": 2, "is_active": false, "shop_ids": [3], "settings": {
        "auto_assign": false, "points_enabled": false, "initial_bonus_points": 5, "points_expiration_days": 0,
        "points_per_currency": 123456789012.123456, "currency_amount": 10, "round_points_up": true,
        "min_points_per_purchase": 1, "max_points_per_purchase": 9, "points_per_visit": 2,
        "points_redemption_enabled": false, "points_per_currency_redemption": 10, "currency_amount_redemption": 1.0,
        "min_points_for_redemption": 100, "max_points_per_redemption": null}}]"""
    assert cards_from(full) == {
        2: CardRules(
            id=2, is_active=False, auto_assign=False, points_enabled=False, shop_ids=frozenset({3}), initial_bonus=5,
            points_per_currency=Decimal("123456789012.123456"), currency_amount=Decimal(10), rounds_up=True,
            least_per_purchase=1, most_per_purchase=9, points_per_visit=2, redemption_enabled=False,
            points_per_currency_redemption=Decimal(10), currency_amount_redemption=Decimal(1), least_per_redemption=100,
        )
    }  # fmt: skip


def test_work_to_compile_grows_no_faster_than_campaigns() -> None:
    """A batch waits for it after each change: ten times as many take ten times as long, the best of ten and twice at most."""
    few, many = (_compiling(number) for number in (100, 1_000))
    print(f"1,000 campaigns compile in {many * 1000:.1f} ms")
    assert many < 20 * few


def _compiling(campaigns: int) -> float:
    """Seconds of this process that so many take."""
    now = sections()
    several = tuple(
        now.campaigns[0].model_copy(update={"id": 100 + number}) for number in range(campaigns)
    )
    stored = StoredProgram(
        partner_id=1, version=1, revision=1, cards="[]", time_zone=ZONE,
        sections=orjson.loads(orjson.dumps(stored_of(replace(now, campaigns=several)))),
    )  # fmt: skip
    took = []
    for _ in range(10):
        began = time.process_time()
        assert len(program_from(stored).campaigns) == campaigns
        took.append(time.process_time() - began)
    return min(took)
