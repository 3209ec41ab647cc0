"""What leaves the house about the program: every value is JSON that its published model reads, and says all of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from schemas.events import follow_ups, program_events, types
from schemas.events.coupon_issued import CouponIssued
from schemas.events.coupon_lifecycle import CouponLifecycle
from schemas.generate import MODELS
from schemas.topics import ALL, PROGRAM_EVENTS
from services.adapters import program_wire, wire
from services.adapters.program_wire import About
from services.domain.campaigns import Achieve, Revoke
from services.domain.coupons import held
from services.domain.coupons.effects import DeclineReward, GrantCoupon, GrantRefusal
from services.domain.events import Cause
from services.domain.origins import Source, SourceKind
from services.domain.points.wallet import EntryKind, Lot, Post
from services.domain.referrals import RewardReferral, Role
from services.domain.terms import CombinesWith, Terms, TermsType
from services.domain.tiers import ChangeTier, TierMethod, TierRef

AT = datetime(2026, 5, 1, 9, 30, 0, 412345, tzinfo=UTC)
COUPON = "0198c0de-7a3b-7c11-8e57-3f0a5b9d2c41"
CAUSE = Cause(source="/shops/4", id='A "1001"', type="order.placed")
ABOUT = About(partner_id=1, customer_id="ąž \\", at=AT, program_version=7, cause=CAUSE)
BY_TIME = About(partner_id=1, customer_id="anna", at=AT, program_version=None, cause=None)
ORDER = Source(SourceKind.ORDER, "A-1001")
LOT = Lot(
    number=4, source=ORDER, earned_at=AT, expires_at=AT + timedelta(days=9), amount=10, left=10
)
EARNED = Post(
    number=4,
    kind=EntryKind.EARNED,
    source=ORDER,
    at=AT,
    balance=35,
    points=10,
    opens=LOT,
    order_id="A-1001",
    base_points=Decimal("10.990000"),
    factor=Decimal("1.5"),
)
GOLD = TierRef(id=2, order=2, name="Gold")
ACHIEVED = Achieve(
    campaign_id=6, campaign_type="EventBased", achievement=2, points=5, coupon_ids=(COUPON,)
)
REWARDED = RewardReferral(
    role=Role.FRIEND, friend_id="bert", referrals=None, extra=False, points=5, score=0
)
TERMS = Terms(
    type=TermsType.PERCENTAGE,
    value=Decimal("12.50"),
    capping=Decimal(20),
    usage_limit=2,
    combines_with=CombinesWith(shipping=True),
    product_ids=("7", "LATTE"),
    group="summer",
)
GRANT = GrantCoupon(
    coupon_id=COUPON,
    code="7H2K9QWXM4TB0Z5N",
    code_prefix="",
    source=Source(SourceKind.CAMPAIGN, "6"),
    terms=TERMS,
    issued_at=AT,
    expires_at=None,
    program_version=7,
)

POOLED = replace(GRANT, external_code="Gratis 1", pool_code="Gratis 1")

VALUES: list[tuple[type[BaseModel], str]] = [
    (program_events.PointsEntry, program_wire.points_value(EARNED, "k.1", ABOUT)),
    (
        program_events.PointsExpiring,
        program_wire.points_expiring_value(10, AT, ORDER, BY_TIME),
    ),
    (
        program_events.TierChanged,
        program_wire.tier_changed_value(
            ChangeTier(
                before=None, after=GOLD, method=TierMethod.AMOUNT_SPENT, progress=Decimal("9.50")
            ),
            ABOUT,
        ),
    ),
    (program_events.CampaignAchieved, program_wire.campaign_achieved_value(ACHIEVED, ABOUT)),
    (
        program_events.CampaignRevoked,
        program_wire.campaign_revoked_value(Revoke(campaign_id=6, achievement=2), ABOUT),
    ),
    (program_events.ReferralRewarded, program_wire.referral_rewarded_value(REWARDED, ABOUT)),
    (
        program_events.RewardDeclined,
        program_wire.reward_declined_value(
            DeclineReward(source=GRANT.source, reason=GrantRefusal.GROUP_ENDED), ABOUT
        ),
    ),
    (program_events.WebhookDisabled, program_wire.webhook_disabled_value(1, AT, "gone")),
    (CouponIssued, program_wire.granted_value(GRANT, 1, "anna", CAUSE)),
    (CouponIssued, program_wire.granted_value(POOLED, 1, "anna", CAUSE)),
    (
        CouponLifecycle,
        wire.lifecycle_value(
            held.granted(GRANT), partner_id=1, customer_id="anna", at=AT, cause=None
        ),
    ),
    (follow_ups.ReferralCompleted, program_wire.referral_completed_value(1, "anna", "bert")),
    (follow_ups.CustomerBirthday, program_wire.birthday_value(1, "anna", 2026)),
]


@pytest.mark.parametrize(("model", "value"), VALUES, ids=lambda each: getattr(each, "__name__", ""))
def test_value_is_what_its_model_says(model: type[BaseModel], value: str) -> None:
    """It is read strictly, and written again it says the same, field by field."""
    said = model.model_validate_json(value)
    again: dict[str, Any] = said.model_dump(mode="json", by_alias=True)
    found = json.loads(value)
    assert found == {name: again[name] for name in found}
    assert {name for name in again if again[name] is not None} <= set(found)


def test_every_program_event_has_a_value_here() -> None:
    """Each schema of the topic is held against one."""
    (topic,) = (topic for topic in ALL if topic.name == PROGRAM_EVENTS)
    schemas = {MODELS[message.schema] for message in topic.messages}
    assert schemas <= {model for model, _ in VALUES}
    assert set(types.POINTS) == {f"points.{kind}" for kind in EntryKind}


def test_amounts_are_texts_and_points_whole() -> None:
    """The shortest way to write an amount; what a points event tells is above 0 whichever way points went."""
    spent = Post(number=5, kind=EntryKind.SPENT, source=ORDER, at=AT, balance=0, points=-10)
    value = json.loads(program_wire.points_value(spent, "k.2", ABOUT))
    assert (value["points"], value["balance"]) == (10, 0)
    earned = json.loads(program_wire.points_value(EARNED, "k.1", ABOUT))
    assert (earned["base_points"], earned["factor"]) == ("10.99", "1.5")
    terms = json.loads(program_wire.granted_value(GRANT, 1, "anna", CAUSE))["terms"]
    assert (terms["value"], terms["capping"]) == ("12.5", "20")


def test_masked_code_of_a_granted_coupon_is_masked() -> None:
    """The setting holds for coupons of the program as for those of games."""
    value = json.loads(program_wire.granted_value(GRANT, 1, "anna", CAUSE, mask_codes=True))
    assert value["code"] == "****-****-****-0Z5N"
    assert value["product_ids"] == [7]


@pytest.mark.parametrize(
    ("grant", "masked", "codes"),
    [
        (POOLED, False, ("Gratis 1", "7H2K-9QWX-M4TB-0Z5N")),
        (POOLED, True, ("****is 1", "****-****-****-0Z5N")),
        (replace(GRANT, code_prefix="POOL", pool_code="POOL-7H2K"), False, ("POOL-7H2K-9QWX-M4TB-0Z5N", None)),
        (replace(GRANT, code_prefix="POOL", pool_code="POOL-7H2K"), True, ("POOL-****-****-****-0Z5N", None)),
    ],
)  # fmt: skip
def test_code_of_a_pool_is_told_at_issue(
    grant: GrantCoupon, masked: bool, codes: tuple[str, str | None]
) -> None:
    """One that the partner brought in place of ours, which stands beside it; one that we made as the coupon's own."""
    value = json.loads(program_wire.granted_value(grant, 1, "anna", CAUSE, mask_codes=masked))
    assert (value["code"], value.get("internal_code")) == codes
