"""The whole program: stored, shown, loaded and changed without a loss."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.campaigns import CampaignLines
from schemas.gameball_v4.changing import (
    delete_campaign,
    post_campaign,
    put_campaign,
    put_cashback,
    put_referrals,
    put_settings,
    put_tiers,
)
from schemas.gameball_v4.exact_json import read, write
from schemas.gameball_v4.files import loaded, partner_of
from schemas.gameball_v4.program import Sections, missing_ids, sections_from, stored_of, with_ids
from schemas.gameball_v4.reading import Part
from schemas.gameball_v4.shown import (
    applies_to_lines,
    shown_campaign,
    shown_cashback,
    shown_program,
    shown_referrals,
    shown_settings,
    shown_tiers,
)
from tests.schemas.gameball_v4.samples import ZONE, document, sections

FRESH = Sections(time_zone=ZONE)


def again(document: Any) -> Any:
    """What somebody reads who is sent this."""
    return read(write(document))


@pytest.mark.parametrize("now", [FRESH, sections()], ids=["fresh", "whole"])
def test_what_is_stored_is_read_again(now: Sections) -> None:
    """Everything comes back, and what is stored holds no float: decimals are texts."""
    stored = json.dumps(stored_of(now))
    json.loads(stored, parse_float=lambda text: pytest.fail(f"a float is stored: {text}"))
    assert sections_from(json.loads(stored), ZONE) == now


@pytest.mark.parametrize("now", [FRESH, sections()], ids=["fresh", "whole"])
def test_load_of_show_changes_nothing(now: Sections) -> None:
    """A fresh partner's neither, and nothing falls back."""
    shown = again({"partner_id": 1, **shown_program(now)})
    assert partner_of(shown) == 1
    found = loaded(now, shown)
    assert found.sections == now
    assert found.fell_back == ()


@pytest.mark.parametrize("now", [FRESH, sections()], ids=["fresh", "whole"])
def test_put_of_a_get_changes_nothing(now: Sections) -> None:
    """Computed fields, derived rules and second places among it."""
    assert put_settings(now, again(shown_settings(now, 7))) == now
    assert put_tiers(now, again(shown_tiers(now))) == now
    assert put_referrals(now, again(shown_referrals(now))) == now
    assert put_cashback(now, again(shown_cashback(now))) == now
    for campaign in now.campaigns:
        assert campaign.id is not None
        assert put_campaign(now, campaign.id, again(shown_campaign(campaign))) == now


def _given(part: Part, given: dict[str, bool]) -> None:
    """By part and field: whether there is one that gives it a value of its own."""
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        place = f"{type(part).__name__}.{name}"
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        given[place] = given.get(place, False) or value != default
        inner = list(value.values()) if isinstance(value, dict) else value
        for each in inner if isinstance(inner, list) else [inner]:
            if isinstance(each, Part):
                _given(each, given)


def test_sample_gives_every_field_a_value() -> None:
    """One that it leaves at its default would be stored, shown and compiled unseen."""
    now = sections()
    given: dict[str, bool] = {}
    for part in (now.settings, now.referrals, now.cashback, now.redemption):
        _given(part, given)
    for item in (*now.tiers, *now.campaigns, *now.coupon_groups):
        _given(item, given)
    assert len(given) > 100
    assert [place for place, is_given in given.items() if not is_given] == []


def test_carried_options_keep_every_digit() -> None:
    """What nobody judges is shown as it was sent."""
    (first, *_) = shown_program(sections())["campaigns"]
    options = first["rewards"][0]["couponReward"]["options"]
    assert options["weight"] == Decimal("0.30000000000000000001")
    assert '"weight": 0.30000000000000000001' in write(options)


texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20
).filter(str.strip)
amounts = st.decimals(min_value="0.000001", max_value="999999999999", places=6)


@given(
    name=texts, points=st.integers(0, 10**12), value=amounts, least=amounts | st.none(),
    days=st.integers(1, 3650) | st.none(), threshold=amounts, wallet=amounts,
)  # fmt: skip
def test_any_program_is_shown_and_loaded_as_it_is(
    name: str, points: int, value: Decimal, least: Decimal | None, days: int | None, threshold: Decimal, wallet: Decimal,
) -> None:  # fmt: skip
    """Whatever amounts and texts it has: load(show(x)) is x, stored or not."""
    coupon = {
        "couponType": "Fixed Amount", "discountValue": value, "minOrderValue": least,
        "options": {"expiryAfter": days, "couponName": name},
    }  # fmt: skip
    reward = {"walletReward": points, "couponReward": coupon}
    sent = {
        "campaigns": [{"id": 1, "name": name, "type": "SignUp", "rewards": [reward]}],
        "tiers": [
            {"id": 2, "name": name, "minProgress": 0, "order": 1},
            {"id": 3, "name": f"{name}2", "minProgress": threshold, "order": 2},
        ],
        "cashback": {
            "tierCashbackRules": [
                {"tierName": f"{name}2".strip(), "amountRewardThreshold": threshold, "rewardWalletFactor": wallet}
            ]
        },
    }  # fmt: skip
    now = with_ids(loaded(FRESH, again(sent)).sections, iter(()))
    assert sections_from(json.loads(json.dumps(stored_of(now))), ZONE) == now
    assert loaded(now, again(shown_program(now))).sections == now


def test_change_is_merged_to_any_depth() -> None:
    """Objects are merged, lists replaced, null sets null; the place that was sent wins over what is stored."""
    now = sections()
    changed = put_campaign(
        now, 21, {"activation": {"endDate": "2026-12-24T00:00:00Z"}, "description": None}
    )
    assert changed is not None
    shown = shown_campaign(changed.campaigns[0])
    assert shown["activation"] == {"startDate": None, "endDate": "2026-12-24T00:00:00Z"}
    assert shown["description"] is None
    assert shown["rewards"] == shown_campaign(now.campaigns[0])["rewards"]
    referrals = put_referrals(now, {"customerReward": {"extraReward": {"point": 5}}}).referrals
    assert referrals.extra_reward is not None
    assert (referrals.extra_reward.for_every, referrals.extra_reward.point) == (3, 5)
    coupon = {"friendReward": {"coupon": {"options": {"minOrderValue": 7}}}}
    found = put_referrals(now, coupon).referrals.friend_reward.coupon
    assert found is not None
    assert (found.min_order_value, found.discount_value) == (Decimal(7), Decimal("12.5"))


def test_merged_whole_is_validated() -> None:
    """What fits by itself need not fit what is there."""
    with pytest.raises(InvalidDefinition) as refused:
        put_campaign(sections(), 21, {"type": "EventBased"})
    assert refused.value.errors == {"trigger.eventName": ["Is required for the type EventBased"]}
    with pytest.raises(InvalidDefinition) as refused:
        put_campaign(
            sections(), 21, {"name": None, "rewards": [{"couponReward": {"couponType": None}}]}
        )
    assert refused.value.errors == {
        "name": ["The name field is required."],
        "rewards.0.couponReward.couponType": ["The rewards.0.couponReward.couponType field is required."],
    }  # fmt: skip


def test_campaigns_come_and_go() -> None:
    """A new one stands last and has no id of its own choice; one that is not there is nobody's."""
    now = post_campaign(sections(), {"id": 21, "name": "New", "type": "SignUp", "rewards": [{}]})
    assert [campaign.id for campaign in now.campaigns][-2:] == [28, None]
    assert missing_ids(now) == 1
    assert with_ids(now, iter([3])).campaigns[-1].id == 35, "above all that this partner has had"
    assert put_campaign(now, 1, {}) is None
    assert delete_campaign(now, 1) is None
    left = delete_campaign(now, 21)
    assert left is not None
    assert left.campaign(21) is None


def test_tiers_keep_their_ids_by_id_then_by_name() -> None:
    """A cashback rule follows its tier's id; a removed tier takes its rule along."""
    now = sections()
    renamed = put_tiers(
        now,
        [
            {"id": 11, "name": "Gold", "minProgress": 0, "order": 1},
            {"name": "Basic", "minProgress": 5, "order": 2},
        ],
    )
    assert [(tier.id, tier.name) for tier in renamed.tiers] == [(11, "Gold"), (None, "Basic")]
    assert [rule.tier_name for rule in renamed.cashback.tier_cashback_rules] == ["Gold"]
    named = put_tiers(now, [{"name": "Gold", "minProgress": 0, "order": 1}])
    assert [tier.id for tier in named.tiers] == [12]
    assert named.cashback.tier_cashback_rules == []


def test_derived_cashback_is_shown_and_not_stored() -> None:
    """What a tier's earning benefit comes to is a rule only once it says something else."""
    now = sections()
    (basic, gold) = shown_cashback(now)["tierCashbackRules"]
    assert ("derived" not in basic, gold["derived"], gold["rewardWalletFactor"]) == (True, True, 3)
    other = put_cashback(now, {"tierCashbackRules": [basic, {**gold, "rewardWalletFactor": 4}]})
    assert [rule.tier_name for rule in other.cashback.tier_cashback_rules] == ["Basic", "Gold"]
    assert "derived" not in shown_cashback(other)["tierCashbackRules"][1]
    tiers = shown_tiers(other)
    tiers[1]["benefits"][3] |= {"walletRewardFactor": 4, "rewardWalletFactor": 4}
    same = put_tiers(other, again(tiers))
    assert [rule.tier_name for rule in same.cashback.tier_cashback_rules] == ["Basic"]
    assert put_cashback(same, again(shown_cashback(same))) == same


def test_campaigns_are_found_by_what_they_apply_to() -> None:
    """Of those on orders each that names it, or nothing; where both are asked for, both must hold."""
    lines = sections().campaigns[1]
    everything = lines.model_copy(update={"applicable_to": CampaignLines()})
    for asked, named in (
        ({"collection_id": "7"}, True), ({"collection_id": "8"}, True), ({"collection_id": "9"}, False),
        ({"product_sku": "c-1"}, True), ({"product_sku": "7"}, False), ({}, True),
        ({"collection_id": "7", "product_sku": "c-1"}, True), ({"collection_id": "7", "product_sku": "x"}, False),
    ):  # fmt: skip
        assert applies_to_lines(lines, **asked) is named, asked
        assert applies_to_lines(everything, **asked)
        assert applies_to_lines(sections().campaigns[0], **asked) is (asked == {})


def test_texts_are_shown_in_the_language_asked_for() -> None:
    """Or in its plain form, or in the default one."""
    now = sections()
    campaign = now.campaigns[0]
    names = [shown_campaign(campaign, lang)["name"] for lang in (None, "lt", "LT-lt", "de")]
    assert names == ["Join us", "Prisijunk", "Prisijunk", "Join us"]
    assert shown_campaign(campaign, "lt")["description"] == "Welcome"
    assert shown_tiers(now, "lt")[1]["name"] == "Auksas"


FILES = [
    ("[]", "Must be a JSON object"),
    ('{"settings": {}}', "partner_id: Must be the id of a partner"),
    ('{"partner_id": 1, "setting": {}}', "setting: Is not known"),
    ('{"partner_id": 1, "tiers": null}', "tiers: Must not be null"),
    ('{"partner_id": 1, "coupon": null}', "coupon: Must not be null"),
    ('{"partner_id": 1, "coupon": {}}', "coupon.url: The coupon.url field is required."),
    ('{"partner_id": 1, "campaigns": {}}', "campaigns: Must be a list"),
    ('{"partner_id": 1, "campaigns": [{"id": 1, "name": "a", "type": "SignUp", "rewards": [{}]}, {"id": 1, "name": "a", "type": "SignUp", "rewards": []}]}',
     "campaigns.1.rewards: Must hold at least 1"),
    ('{"partner_id": 1, "campaigns": [{"id": 1, "name": "a", "type": "SignUp", "rewards": [{}]}, {"id": 1, "name": "a", "type": "SignUp", "rewards": [{}]}]}',
     "campaigns.1.id: Is that of another"),
    ('{"partner_id": 1, "campaigns": [{"name": "a", "type": "SignUp", "rewards": [{"points": 1}]}]}',
     "campaigns.0.rewards.0.points: Is not known"),
    ('{"partner_id": 1, "tiers": [{"name": "a", "minProgress": 0, "order": 1, "colour": 1}]}', "tiers.0.colour: Is not known"),
    ('{"partner_id": 1, "cashback": {"tierCashbackRules": [{"tierName": "X", "amountRewardThreshold": 1, "rewardWalletFactor": 1}]}}',
     "cashback.tierCashbackRules.0.tierName: Is not the name of a tier"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), FILES)
def test_file_is_read_strictly(text: str, says: str) -> None:
    """What is unknown, missing or wrong is named by its place."""

    def load() -> None:
        sent = read(text)
        partner_of(sent)
        loaded(FRESH, sent)

    with pytest.raises(InvalidDefinition) as refused:
        load()
    assert says in str(refused.value)


def test_section_that_says_less_falls_back() -> None:
    """A given section is replaced whole, what falls back is listed; others stay as they are."""
    now = sections()
    found = loaded(now, {
        "settings": {"pointsName": "Beans"},
        "campaigns": [{"id": 22, "name": "Double", "type": "Reward Campaign", "isRepeatable": True,
                       "rewards": [{"walletRewardFactor": 2}], "availability": {"minTier": 2}}],
        "tiers": [{"name": "Gold", "minProgress": 0, "order": 3}],
        "redemption": {"defaultRule": {"isActive": False}, "isRedemptionActive": True},
    })  # fmt: skip
    assert set(found.fell_back) == {
        "settings.currency", "settings.tierMethod", "settings.defaultLanguage", "campaigns.0.availability.tags",
        "campaigns.0.activation", "campaigns.0.applicableTo", "tiers.0.icon", "tiers.0.benefits", "tiers.0.translations",
        "redemption.pointsExpiryPeriod", "redemption.defaultRule.valueOfPoint", "redemption.rules",
    }  # fmt: skip
    assert found.sections.settings.tier_method == "amount_spent"
    assert found.sections.redemption.default_rule.id == 30, "it is the same rule"
    assert found.sections.coupon_groups == now.coupon_groups
    assert [tier.id for tier in found.sections.tiers] == [12]


def test_file_chooses_ids_that_nobody_has() -> None:
    """Unknown ids are taken, and later ones are above them."""
    sent = document()
    sent["campaigns"][0]["id"] = 5_000
    del sent["campaigns"][1]["id"]
    now = with_ids(loaded(FRESH, sent).sections, iter([7]))
    assert sorted(campaign.id or 0 for campaign in now.campaigns)[-2:] == [5_000, 5_001]
    assert now.highest_id == 5_001
    assert replace(now, campaigns=()).highest_id == 5_001
