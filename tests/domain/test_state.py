"""No field of a customer's state, or of a coupon, is forgotten on the way: every field of every family is walked.

A new field has a default, so code that builds a state anew would reset it without a word. These tests fail for a field
they have no sample of, and for one that does not survive what does not concern it.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from services.domain.campaigns import (
    Achieve,
    CampaignProgress,
    CountStep,
    Progress,
    Revoke,
    TakeStepBack,
)
from services.domain.closed_orders import ClosedOrders, CloseOrder
from services.domain.coupons import lifecycle
from services.domain.coupons.coupon import Coupon, CouponStatus, Step
from services.domain.coupons.effects import (
    ChangeCoupon,
    DeclineIssuance,
    DeclineReason,
    DeclineReward,
    GrantCoupon,
    GrantRefusal,
    IssueCoupon,
)
from services.domain.coupons.held import Coupons
from services.domain.effects import Effect
from services.domain.origins import Source, SourceKind
from services.domain.points.wallet import EntryKind, Lot, Post, Take, Wallet
from services.domain.profiles import CompleteReferral, Describe, HoldCard, Profile
from services.domain.purchases import CountOrder, NoteRefund, NoteUse, Purchase, Purchases
from services.domain.referrals import Others, RewardReferral, Role
from services.domain.stamps import AddStamp, Stamp, StampCard, Stamps, TakeStampBack
from services.domain.state import NEW_CUSTOMER, CustomerState, evolve, laid_over, with_effects
from services.domain.terms import Terms, TermsType
from services.domain.tiers import ChangeTier, GrantTier, Standing, TierMethod, TierRef

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
COUPON = Coupon(
    id="c-1",
    code="0000000000000000",
    code_prefix="SUMMER",
    game_id=7,
    status=CouponStatus.ACTIVE,
    issued_at=NOW,
    expires_at=NOW.replace(day=9),
    holds_single_place=True,
    steps=3,
    notice_at=NOW.replace(day=8),
    source=Source(SourceKind.CAMPAIGN, "6"),
    terms=Terms(type=TermsType.CUSTOM, group="club"),
    program_version=7,
    used_count=1,
    external_code="SHOP-1",
    is_delivered=True,
    code_is_pending=True,
)

CAMPAIGN = Source(SourceKind.CAMPAIGN, "6")
LOT = Lot(number=4, source=CAMPAIGN, earned_at=NOW, expires_at=None, amount=10, left=10)

SAMPLES: dict[type, dict[str, Any]] = {
    Coupons: {
        "by_id": {"c-1": COUPON},
        "foreign_codes": frozenset({"1111111111111111"}),
        "issues": {7: (NOW,)},
        "used_by": {"o-1": ("c-1",)},
        "paid": {"c-1": (Take(4, 2),)},
        "foreign_external_codes": frozenset({"SHOP-2"}),
        "of_groups": {"club": 1},
    },
    Stamps: {
        "cards": {7: StampCard(card_no=2, stamps=1)},
        "of_orders": {("o-1", 7): Stamp(card_no=2)},
    },
    ClosedOrders: {"reversed": frozenset({"o-9"})},
    Profile: {
        "registered_at": NOW,
        "tags": frozenset({"loyal"}),
        "birthday": NOW.date(),
        "locale": "lt",
        "attributes": {"city": "Vilnius"},
        "referred_by": "bert",
        "referral_done": True,
        "card_id": 3,
        "card_since": NOW,
        "bonus_cards": frozenset({3}),
    },
    Wallet: {
        "entries": 4,
        "balance": 10,
        "owed": 1,
        "points_earned": 20,
        "score": 5,
        "spent": Decimal("9.50"),
        "orders": 2,
        "referrals": 1,
        "lots": {4: LOT},
    },
    Standing: {
        "tier": TierRef(id=2, order=2, name="Gold"),
        "is_recorded": True,
        "granted_ids": frozenset({2}),
        "granted_names": frozenset({"Gold"}),
    },
    Others: {"registered": frozenset({"bert"})},
    CampaignProgress: {"by_id": {6: Progress(achieved=1, round=2, steps=1)}},
    Purchases: {
        "by_id": {"o-1": Purchase(order_id="o-1", amount=Decimal(9))},
        "refunded_before": {"o-8": Decimal(1)},
        "used_for": {"o-8": Decimal(7)},
    },
}
"""Something in every field of every family."""

EFFECTS: dict[type, tuple[Effect, dict[str, set[str]]]] = {
    IssueCoupon: (
        IssueCoupon(
            coupon_id="c-2",
            code="2222222222222222",
            code_prefix="",
            game_id=8,
            issued_at=NOW,
            expires_at=None,
            allow_multiple_active_coupons=True,
            coupon_validity_days=None,
            rule_version=1,
        ),
        {"coupons": {"by_id", "issues"}},
    ),
    ChangeCoupon: (
        ChangeCoupon(
            coupon=replace(COUPON, status=CouponStatus.CANCELLED, steps=4),
            step=Step.CANCELLED,
            was=CouponStatus.ACTIVE,
            at=NOW,
        ),
        {"coupons": {"by_id", "of_groups"}},
    ),
    DeclineIssuance: (DeclineIssuance(game_id=7, reason=DeclineReason.RESULT_LOST), {}),
    AddStamp: (
        AddStamp(game_id=7, order_id="o-2", card_no=2, stamps=2, fills_card=False),
        {"stamps": {"cards", "of_orders"}},
    ),
    TakeStampBack: (
        TakeStampBack(game_id=7, order_id="o-1", card_no=2, stamps=0),
        {"stamps": {"cards", "of_orders"}},
    ),
    CloseOrder: (CloseOrder(order_id="o-3"), {"orders": {"reversed"}}),
    GrantCoupon: (
        GrantCoupon(
            coupon_id="c-3",
            code="3333333333333333",
            code_prefix="",
            source=CAMPAIGN,
            terms=Terms(type=TermsType.CUSTOM, group="spa"),
            issued_at=NOW,
            expires_at=None,
            program_version=1,
            takes=(Take(4, 1),),
        ),
        {"coupons": {"by_id", "of_groups", "paid"}},
    ),
    DeclineReward: (DeclineReward(source=CAMPAIGN, reason=GrantRefusal.GROUP_ENDED), {}),
    Post: (
        Post(
            number=5,
            kind=EntryKind.REVERSED,
            source=CAMPAIGN,
            at=NOW,
            balance=8,
            points=-2,
            owed=1,
            points_earned=-3,
            score=-1,
            spent=Decimal(-1),
            orders=-1,
            referrals=1,
            takes=(Take(4, 2),),
        ),
        {"wallet": {one.name for one in fields(Wallet)}},
    ),
    GrantTier: (
        GrantTier(tier=TierRef(id=3, order=3, name="Black")),
        {"standing": {"granted_ids", "granted_names"}},
    ),
    ChangeTier: (
        ChangeTier(
            before=TierRef(id=2, order=2, name="Gold"),
            after=None,
            method=TierMethod.SCORE,
            progress=Decimal(1),
        ),
        {"standing": {"tier"}},
    ),
    CountStep: (CountStep(campaign_id=6, round=2, steps=2), {"campaigns": {"by_id"}}),
    Achieve: (
        Achieve(campaign_id=7, campaign_type="SignUp", achievement=1),
        {"campaigns": {"by_id"}},
    ),
    TakeStepBack: (TakeStepBack(campaign_id=6), {"campaigns": {"by_id"}}),
    Revoke: (Revoke(campaign_id=6, achievement=1), {"campaigns": {"by_id"}}),
    Describe: (
        Describe(profile=Profile(registered_at=NOW, locale="en")),
        {"profile": {one.name for one in fields(Profile)} - {"registered_at"}},
    ),
    HoldCard: (
        HoldCard(card_id=4, at=NOW.replace(day=2), brings_bonus=True),
        {"profile": {"card_id", "card_since", "bonus_cards"}},
    ),
    CountOrder: (
        CountOrder(purchase=Purchase(order_id="o-4")),
        {"purchases": {"by_id"}},
    ),
    NoteRefund: (
        NoteRefund(order_id="o-1", refunded=Decimal(2)),
        {"purchases": {"by_id"}},
    ),
    NoteUse: (NoteUse(order_id="o-7", amount=Decimal(5)), {"purchases": {"used_for"}}),
    CompleteReferral: (CompleteReferral(referrer_id="bert"), {}),
    RewardReferral: (
        RewardReferral(
            role=Role.FRIEND, friend_id="anna", referrals=None, extra=False, points=1, score=0
        ),
        {},
    ),
}
"""One effect of each kind, and the fields of families that it concerns."""


def full() -> CustomerState:
    """A customer with something in every field of every family."""
    return CustomerState(
        **{one.name: type(getattr(NEW_CUSTOMER, one.name))(**SAMPLES[type(getattr(NEW_CUSTOMER, one.name))])
           for one in fields(CustomerState)}
    )  # fmt: skip


def walk(state: CustomerState) -> dict[tuple[str, str], Any]:
    """(family, field) → value, of every field there is."""
    families = {one.name: getattr(state, one.name) for one in fields(state)}
    return {
        (name, one.name): getattr(family, one.name)
        for name, family in families.items()
        for one in fields(family)
    }


def test_every_field_has_a_sample_that_is_not_its_default() -> None:
    """A new field of a family, or a new family, must be put into the table above."""
    families = {type(getattr(NEW_CUSTOMER, one.name)) for one in fields(CustomerState)}
    assert families == SAMPLES.keys()
    for family, sample in SAMPLES.items():
        assert {one.name for one in fields(family)} == sample.keys(), family
    before, empty = walk(full()), walk(NEW_CUSTOMER)
    assert all(before[place] != empty[place] for place in before)


def test_every_effect_has_a_sample() -> None:
    """A new kind of effect must be put into the table above."""
    assert set(get_args(Effect)) == EFFECTS.keys()


@pytest.mark.parametrize("kind", EFFECTS, ids=lambda kind: kind.__name__)
def test_effect_changes_what_it_concerns_and_keeps_every_other_field(kind: type) -> None:
    """After one effect the fields it concerns differ; every other field is the very one that was there."""
    effect, concerned = EFFECTS[kind]
    before, after = walk(full()), walk(evolve(full(), [effect]))
    for (family, name), value in before.items():
        if name in concerned.get(family, set()):
            assert after[family, name] != value, (family, name)
        else:
            assert after[family, name] is value, (family, name)


def test_effect_keeps_what_others_left_in_the_same_field() -> None:
    """What stood in a field that an effect concerns stays there beside the new."""
    state = evolve(full(), [effect for effect, _ in EFFECTS.values()])
    assert state.coupons.by_id.keys() == {"c-1", "c-2", "c-3"}
    assert state.coupons.issues == {7: (NOW,), 8: (NOW,)}
    assert state.stamps.of_orders.keys() == {("o-1", 7), ("o-2", 7)}
    assert state.orders.reversed == {"o-9", "o-3"}


def test_changes_laid_over_keep_every_field() -> None:
    """A state under no changes, or changes over nothing, come out whole, in every field."""
    assert laid_over(full(), NEW_CUSTOMER) == full()
    assert laid_over(NEW_CUSTOMER, full()) == full()


@pytest.mark.parametrize("kind", EFFECTS, ids=lambda kind: kind.__name__)
def test_changes_kept_apart_come_to_the_same(kind: type) -> None:
    """Effects kept apart and laid over what is stored give the state that applying them gives."""
    effect, _ = EFFECTS[kind]
    apart = with_effects(NEW_CUSTOMER, full(), [effect])
    assert walk(laid_over(full(), apart)) == walk(evolve(full(), [effect]))


STEPS = {
    Step.RESERVED: lambda: lifecycle.reserve(COUPON, NOW, shop_id=1, until=NOW),
    Step.REDEEMED: lambda: lifecycle.redeem(COUPON, NOW, shop_id=1, order_id="o-1"),
    Step.CANCELLED: lambda: lifecycle.cancel(COUPON, NOW),
}
MAY_CHANGE = {
    "status", "steps", "reserved_until", "reserved_shop_id", "redeemed_at", "redeemed_order_id",
    "used_count",
}  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_step_keeps_every_field_of_the_coupon_it_does_not_concern(step: Step) -> None:
    """A coupon after a step is the same one, but for its place in the state machine."""
    change = STEPS[step]()
    assert isinstance(change, ChangeCoupon) and is_dataclass(change.coupon)
    for one in fields(Coupon):
        if one.name not in MAY_CHANGE:
            assert getattr(change.coupon, one.name) == getattr(COUPON, one.name), one.name
    defaults = {one.name: one.default for one in fields(Coupon)}
    kept = {one.name for one in fields(Coupon)} - MAY_CHANGE
    assert all(getattr(COUPON, name) != defaults[name] for name in kept)
