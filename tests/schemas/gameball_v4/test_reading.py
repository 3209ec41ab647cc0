"""What a program may hold: every refusal by its place and text, every name and spelling that is read."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.changing import (
    post_campaign,
    put_campaign,
    put_cashback,
    put_referrals,
    put_settings,
    put_tiers,
)
from schemas.gameball_v4.coupon_values import SPELLINGS
from schemas.gameball_v4.exact_json import read
from schemas.gameball_v4.files import loaded
from schemas.gameball_v4.program import Sections, sections_from, stored_of, with_ids
from schemas.gameball_v4.shown import shown_campaign, shown_referrals, shown_tiers
from tests.schemas.gameball_v4.samples import ZONE

NOW = Sections(time_zone=ZONE)
WHOLE = "Must be a whole number between {} and {}"
MONEY = "Must be a number not below 0, of at most 12 digits before and 6 after the point"
ABOVE_0 = MONEY.replace("not below", "above")
ID = "Must be an id: a whole number, or 1 to 255 characters"
MOMENT = "Must be an instant such as 2026-11-01T00:00:00Z, or a date from 1970 to 9998"
GIVEN = '"name": "n", "type": "SignUp", "rewards": [{}]'


def errors(change: Any, sent: str) -> dict[str, list[str]]:
    """What is said of a change over nothing."""
    with pytest.raises(InvalidDefinition) as refused:
        change(NOW, read(sent))
    return refused.value.errors


CAMPAIGNS = [
    ("{}", {"name": "The name field is required.", "type": "The type field is required.",
            "rewards": "The rewards field is required."}),
    ('{"name": null, "type": "SignUp", "rewards": [{}]}', {"name": "The name field is required."}),
    ('{"name": "n", "type": "SignUp", "rewards": []}', {"rewards": "Must hold at least 1"}),
    ('{"name": "n", "type": "SignUp", "rewards": [{},{},{},{},{},{},{},{},{}]}', {"rewards": "Must hold at most 8"}),
    ('{"name": "n", "type": "SignUp", "rewards": [1]}', {"rewards.0": "Must be an object"}),
    ('{"name": "n", "type": "SignUp", "rewards": {}}', {"rewards": "Must be a list"}),
    ('{"name": "n", "type": "Sign Up", "rewards": [{}]}',
     {"type": "Must be one of: SignUp, Birthday, Spin The Wheel, HighScore, Reward Campaign, SocialMedia, EventBased, ScheduledChallenge"}),
    (f'{{{GIVEN}, "isRepeatable": null}}', {"isRepeatable": "Must be true or false"}),
    (f'{{{GIVEN}, "maxAchievement": 2}}', {"maxAchievement": "Must be 1 unless isRepeatable is true"}),
    (f'{{{GIVEN}, "isRepeatable": true, "maxAchievement": 0}}', {"maxAchievement": "Must be -1 or at least 1"}),
    (f'{{{GIVEN}, "isRepeatable": true, "maxAchievement": -2}}', {"maxAchievement": WHOLE.format(-1, 2**31 - 1)}),
    (f'{{{GIVEN}, "availability": {{"minTier": 0}}}}', {"availability.minTier": WHOLE.format(1, 2**31 - 1)}),
    (f'{{{GIVEN}, "availability": {{"tags": [""]}}}}', {"availability.tags.0": "Must be between 1 and 64 characters"}),
    (f'{{{GIVEN}, "availability": null}}', {"availability": "Must be an object"}),
    (f'{{{GIVEN}, "redirectionButtonLink": "ftp://example.com"}}',
     {"redirectionButtonLink": "Must be an http or https address of up to 2048 characters"}),
    (f'{{{GIVEN}, "activation": {{"startDate": "2026-02-30"}}}}', {"activation.startDate": MOMENT}),
    (f'{{{GIVEN}, "activation": {{"endDate": 20260230}}}}', {"activation.endDate": MOMENT}),
    (f'{{{GIVEN}, "activation": {{"startDate": "2026-03-02", "endDate": "2026-03-01"}}}}',
     {"activation.endDate": "Must not be before startDate"}),
    (f'{{{GIVEN}, "trigger": {{"count": 1001}}}}', {"trigger.count": WHOLE.format(1, 1000)}),
    (f'{{{GIVEN}, "trigger": {{"eventName": "place_order"}}}}',
     {"trigger.eventName": "Must be sign_up for the type SignUp, or left out"}),
    (f'{{{GIVEN}, "trigger": {{"gameId": 1}}}}', {"trigger.gameId": "Is for campaigns on completed games only"}),
    (f'{{{GIVEN}, "trigger": {{"eventMetaData": [{{"name": "a", "operator": "is", "value": 1}}]}}}}',
     {"trigger.eventMetaData.0.operator": "Must be one of: equals, not_equals, greater_than, less_than, greater_than_or_equals, less_than_or_equals",
      "trigger.eventMetaData.0.value": "Must be up to 10000 characters"}),
    (f'{{{GIVEN}, "applicableTo": {{"productSkus": ["a"]}}}}', {"applicableTo": "Is for campaigns on orders only"}),
    ('{"name": "n", "type": "EventBased", "rewards": [{}]}', {"trigger.eventName": "Is required for the type EventBased"}),
    ('{"name": "n", "type": "SocialMedia", "rewards": [{}]}', {"trigger.eventName": "Is required for the type SocialMedia"}),
    ('{"name": "n", "type": "HighScore", "rewards": [{}]}', {"trigger.minScore": "Is required for the type HighScore"}),
    ('{"name": "n", "type": "ScheduledChallenge", "rewards": [{}]}',
     {"trigger.eventName": "Is required for the type ScheduledChallenge",
      "activation.endDate": "Is required for the type ScheduledChallenge"}),
    ('{"name": "n", "type": "SignUp", "rewards": [{"walletRewardFactor": 2}]}',
     {"rewards.0.walletRewardFactor": "Is for the type Reward Campaign only"}),
    ('{"name": "n", "type": "Reward Campaign", "trigger": {"count": 2}, "rewards": [{"walletRewardFactor": 2}]}',
     {"trigger.count": "Must be 1 for a campaign with a walletRewardFactor"}),
    ('{"name": "n", "type": "Reward Campaign", "rewards": [{"walletRewardFactor": 100.5}]}',
     {"rewards.0.walletRewardFactor": "Must be a number between 1 and 100, or null"}),
    ('{"name": "n", "type": "SignUp", "rewards": [{"walletReward": 1.5, "rankReward": "1"}]}',
     {"rewards.0.walletReward": WHOLE.format(0, 10**12), "rewards.0.rankReward": WHOLE.format(0, 10**12)}),
    ('{"name": "n", "Name": "m", "type": "SignUp", "rewards": [{}]}', {"name": "Is given twice, differently: see name"}),
    ('{"name": "a\\u0000", "type": "SignUp", "rewards": [{}]}', {"name": "Must be between 1 and 255 characters"}),
    (f'{{{GIVEN}, "translations": {{"x": {{}}}}}}', {"translations.x": "Must be a language such as en"}),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "says"), CAMPAIGNS)
def test_campaign_refuses(sent: str, says: dict[str, str]) -> None:
    """Each place that is wrong is named, with what it must be."""
    assert errors(post_campaign, sent) == {path: [text] for path, text in says.items()}


COUPONS = [
    ("{}", {"couponType": "The {}.couponType field is required."}),
    ('{"couponType": "Discount"}', {"couponType": "Must be one of: Fixed Percentage, Fixed Amount, Free Shipping, Free Product, Custom"}),
    ('{"couponType": "Percentage"}', {"discountValue": "Is required for this coupon type"}),
    ('{"couponType": "fixed_rate_discount"}', {"discountValue": "Is required for this coupon type"}),
    ('{"couponType": "Fixed Amount", "discountValue": 0}', {"discountValue": "Must be above 0"}),
    ('{"couponType": "Percentage", "discountValue": 100.01}', {"discountValue": "Must be at most 100"}),
    ('{"couponType": "Fixed Amount", "discountValue": 1.0000001}', {"discountValue": MONEY}),
    ('{"couponType": "Fixed Amount", "discountValue": 1000000000000}', {"discountValue": MONEY}),
    ('{"couponType": "Fixed Amount", "discountValue": "5"}', {"discountValue": MONEY}),
    ('{"couponType": "Fixed Amount", "discountValue": 1e999}', {"discountValue": MONEY}),
    ('{"couponType": "Free Product"}', {"product": "Is required for a free product"}),
    ('{"couponType": "Free Product", "product": {"productName": "Cup"}}', {"product.productId": "Is required for a free product"}),
    ('{"couponType": "Custom", "group": {}}', {"group.handle": "Is required for a custom coupon"}),
    ('{"couponType": "Free Shipping", "group": {"handle": "a b"}}', {"group.handle": "Must be 1 to 255 visible characters"}),
    ('{"couponType": "Free Shipping", "minOrderValue": 5, "options": {"minOrderValue": 6}}',
     {"minOrderValue": "Is given twice, differently: see options.minOrderValue"}),
    ('{"couponType": "Free Shipping", "collections": 7}', {"collections": "Must be a list"}),
    ('{"couponType": "Free Shipping", "options": null}', {"options": "Must be an object"}),
    ('{"couponType": "Free Shipping", "options": {"usageLimit": 0}}', {"options.usageLimit": WHOLE.format(1, 10**6)}),
    ('{"couponType": "Free Shipping", "options": {"capping": 0}}', {"options.capping": ABOVE_0}),
    ('{"couponType": "Free Shipping", "options": {"expiryAfter": 3651}}',
     {"options.expiryAfter": "Must be days from 1 to 3650, or an instant such as 2026-12-31T23:59:59Z"}),
    ('{"couponType": "Free Shipping", "options": {"expiryAfter": "14"}}',
     {"options.expiryAfter": "Must be days from 1 to 3650, or an instant such as 2026-12-31T23:59:59Z"}),
    ('{"couponType": "Free Shipping", "options": {"couponPrefix": "a"}}',
     {"options.couponPrefix": "Must be up to 12 characters of A-Z and 0-9"}),
    ('{"couponType": "Free Shipping", "options": {"couponPrefix": "A", "codePrefix": "B"}}',
     {"options.couponPrefix": "Is given twice, differently: see codePrefix"}),
    ('{"couponType": "Free Shipping", "options": {"codePrefix": "a"}}',
     {"options.codePrefix": "Must be up to 12 characters of A-Z and 0-9"}),
    ('{"couponType": "Free Shipping", "options": {"MinOrderValue": -1}}', {"options.minOrderValue": MONEY}),
    ('{"couponType": "Free Shipping", "applicableTo": {"Collections": 7}}', {"applicableTo.collections": "Must be a list"}),
    ('{"couponType": "Free Shipping", "options": {"collections": ""}}', {"options.collections": "Must be a list"}),
    ('{"couponType": "Free Shipping", "collections": [1, 2, null], "applicableTo": {"collections": [2, {}]}, "options": {"collections": [1, {}]}}',
     {"collections.2": ID, "applicableTo.collections.1": ID, "options.collections.1": ID}),
    ('{"couponType": "Free Shipping", "collections": [7], "options": {"collections": [{"collectionId": 7, "collectionName": 7}]}}',
     {"options.collections.0": "Must be a collection"}),
    (f'{{"couponType": "Free Shipping", "collections": {list(range(1001))}}}', {"collections": "Must hold at most 1000"}),
    ('{"couponType": "Free Shipping", "options": {"productUrl": "javascript:x"}}',
     {"options.productUrl": "Must be an http or https address of up to 2048 characters"}),
    ('{"couponType": "Free Shipping", "options": {"deep": [[[[[[1]]]]]]}}',
     {"options.deep": "Must hold texts of up to 10000 characters, lists of up to 1000, objects of up to 100 names, 5 deep"}),
]  # fmt: skip


@pytest.mark.parametrize(("coupon", "says"), COUPONS)
def test_coupon_refuses(coupon: str, says: dict[str, str]) -> None:
    """A coupon is judged alike wherever it is granted; its place is named from the body."""
    where = "rewards.0.couponReward"
    sent = f'{{"name": "n", "type": "SignUp", "rewards": [{{"couponReward": {coupon}}}]}}'
    expected = {f"{where}.{path}": [text.format(where)] for path, text in says.items()}
    assert errors(post_campaign, sent) == expected


BASIC = '{"name": "Basic", "minProgress": 0, "order": 1}'
TIERS = [
    ('[{"name": "Basic", "order": 1}]', {"0.minProgress": "The tiers.0.minProgress field is required."}),
    ('[{"name": "Basic", "minProgress": 1, "order": 1}]', {"0.minProgress": "Must be 0 for the lowest tier"}),
    (f'[{BASIC}, {{"name": "Gold", "minProgress": 0, "order": 2}}]', {"1.minProgress": "Must be above that of the tier below"}),
    (f'[{BASIC}, {{"name": "Basic", "minProgress": 1, "order": 1}}]',
     {"1.name": "Is that of another tier", "1.order": "Is that of another tier"}),
    ('[{"id": 9, "name": "Basic", "minProgress": 0, "order": 1}]', {"0.id": "Is not the id of a tier"}),
    (f'[{BASIC[:-1]}, "benefits": [{{"type": "Gift"}}]}}]',
     {"0.benefits.0.type": "Must be one of: Custom Benefits, Lifetime Reward, Loyalty Points Earning Custom Configuration, Entry Reward"}),
    (f'[{BASIC[:-1]}, "benefits": [{{"type": "Lifetime Reward", "walletReward": 5}}]}}]',
     {"0.benefits.0.couponReward": "Is required for a Lifetime Reward",
      "0.benefits.0.walletReward": "Must be 0: a Lifetime Reward is a coupon only"}),
    (f'[{BASIC[:-1]}, "benefits": [{{"type": "Loyalty Points Earning Custom Configuration"}}]}}]',
     {"0.benefits.0.walletRewardFactor": "Is required for Loyalty Points Earning Custom Configuration"}),
    (f'[{BASIC[:-1]}, "benefits": [{{"type": "Loyalty Points Earning Custom Configuration", "walletRewardFactor": 1, "rewardWalletFactor": 2}}]}}]',
     {"0.benefits.0.walletRewardFactor": "Is given twice, differently: see rewardWalletFactor"}),
    (f'[{BASIC[:-1]}, "benefits": [{{"type": "Custom Benefits", "rewardWalletFactor": 1}}]}}]',
     {"0.benefits.0.rewardWalletFactor": "Is for Loyalty Points Earning Custom Configuration only"}),
    (f'[{BASIC[:-1]}, "benefits": [{{"type": "Custom Benefits", "RewardWalletFactor": "1"}}]}}]',
     {"0.benefits.0.rewardWalletFactor": MONEY}),
    (f'[{BASIC[:-1]}, "benefits": [{{"type": "Custom Benefits", "hyperLink": "x"}}]}}]',
     {"0.benefits.0.hyperLink": "Must be an http or https address of up to 2048 characters"}),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "says"), TIERS)
def test_tiers_refuse(sent: str, says: dict[str, str]) -> None:
    """Tiers come as an array, so places begin with a tier's number."""
    refused = errors(put_tiers, sent)
    assert refused == {path: [text] for path, text in says.items()}


OTHERS = [
    (put_settings, '{"currency": "eur"}', {"currency": "Must be a currency of ISO 4217 in upper case, such as EUR"}),
    (put_settings, '{"currency": "EUX"}', {"currency": "Must be a currency of ISO 4217 in upper case, such as EUR"}),
    (put_settings, '{"tierMethod": "spent"}',
     {"tierMethod": "Must be one of: amount_spent, points_earned, friends_referred, orders_completed, score"}),
    (put_settings, '{"pointsName": null, "defaultLanguage": ""}',
     {"pointsName": "Must be between 1 and 255 characters", "defaultLanguage": "Must be a language such as en"}),
    (put_referrals, '{"referralMethod": "CustomerOnly"}', {"eventName": "Is required unless referralMethod is null"}),
    (put_referrals, '{"extraReward": {"point": 1}}', {"extraReward.forEvery": "The extraReward.forEvery field is required."}),
    (put_referrals, '{"extraReward": {"forEvery": 1}, "customerReward": {"extraReward": {"forEvery": 2}}}',
     {"extraReward": "Is given twice, differently: see customerReward.extraReward"}),
    (put_referrals, '{"customerReward": {"extraReward": {"point": 1}}}',
     {"customerReward.extraReward.forEvery": "The customerReward.extraReward.forEvery field is required."}),
    (put_cashback, '{"defaultCashbackRule": {"amountRewardThreshold": 0}}',
     {"defaultCashbackRule.amountRewardThreshold": ABOVE_0,
      "defaultCashbackRule.rewardWalletFactor": "The defaultCashbackRule.rewardWalletFactor field is required."}),
    (put_cashback, '{"tierCashbackRules": [{"tierName": "Gold", "amountRewardThreshold": 1, "rewardWalletFactor": 1}]}',
     {"tierCashbackRules.0.tierName": "Is not the name of a tier"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "sent", "says"), OTHERS)
def test_other_sections_refuse(change: Any, sent: str, says: dict[str, str]) -> None:
    """Settings, referrals and cashback name the place too."""
    assert errors(change, sent) == {path: [text] for path, text in says.items()}


RULE = '{"pointsToRedeem": 1, "ruleType": "free_shipping_settings", "coupon": {}}'
FILES = [
    ('{"redemption": {"rules": [{"ruleType": "fixed_rate_settings", "coupon": {"discountValue": 1}}]}}',
     {"redemption.rules.0.pointsToRedeem": "The redemption.rules.0.pointsToRedeem field is required."}),
    ('{"redemption": {"rules": [{"pointsToRedeem": 0, "ruleType": "custom", "coupon": {}}]}}',
     {"redemption.rules.0.pointsToRedeem": WHOLE.format(1, 10**12)}),
    ('{"redemption": {"rules": [{"pointsToRedeem": 1, "ruleType": "custom", "coupon": {}}]}}',
     {"redemption.rules.0.coupon.group.handle": "Is required for a custom coupon"}),
    (f'{{"redemption": {{"rules": [{RULE}, {RULE}]}}}}',
     {"redemption.rules.1": "Is a second rule for free shipping, of which there can be one"}),
    ('{"redemption": {"pointsExpiryPeriod": 7301}}', {"redemption.pointsExpiryPeriod": WHOLE.format(1, 7300)}),
    ('{"redemption": {"defaultRule": {"valueOfPoint": -1}}}', {"redemption.defaultRule.valueOfPoint": MONEY}),
    ('{"couponGroups": [{"handle": "a"}, {"handle": "a"}]}', {"couponGroups.1.handle": "Is that of another"}),
    ('{"couponGroups": [{"handle": "a", "maxPerPlayer": 0}]}', {"couponGroups.0.maxPerPlayer": WHOLE.format(1, 2**31 - 1)}),
    ('{"couponGroups": [{"handle": "a", "startDate": "2026-02-01", "expiryDate": "2026-01-31"}]}',
     {"couponGroups.0.expiryDate": "Must not be before startDate"}),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "says"), FILES)
def test_file_refuses(sent: str, says: dict[str, str]) -> None:
    """Redemption and groups, whose place begins with their section."""
    assert errors(loaded, sent) == {path: [text] for path, text in says.items()}


@pytest.mark.parametrize(
    ("spelling", "word"), [(each, word) for word, all_ in SPELLINGS.items() for each in all_]
)
def test_coupon_type_is_read_in_every_spelling(spelling: str, word: str) -> None:
    """Whatever the dialect, it is one type; both fixed ones are one in a reward."""
    coupon = f'{{"couponType": "{spelling}", "discountValue": 5, "product": "Any", "group": {{"handle": "g"}}}}'
    sent = f'{{"name": "n", "type": "SignUp", "rewards": [{{"couponReward": {coupon}}}]}}'
    (campaign,) = post_campaign(NOW, read(sent)).campaigns
    found = campaign.rewards[0].coupon_reward
    assert found is not None
    assert found.coupon_type == ("fixed" if word == "fixed_rate" else word)


def test_unknown_fields_and_the_first_letters_case_are_ignored() -> None:
    """So the seed's samples in either case are one."""
    small = put_settings(NOW, {"currency": "EUR", "tierMethod": "score"})
    assert put_settings(NOW, {"Currency": "EUR", "TierMethod": "score", "unknown": 1}) == small


def test_whole_numbers_may_be_written_with_a_fraction_of_nothing() -> None:
    """100.0 is 100; and null in one place gives way to the value in the other."""
    sent = '[{"name": "Basic", "minProgress": 0.0, "order": 1.0, "benefits": [{"type": "Loyalty Points Earning Custom Configuration", "rewardWalletFactor": 3.0, "walletRewardFactor": null}]}]'
    (tier,) = shown_tiers(put_tiers(NOW, read(sent)))
    assert tier["order"] == 1
    assert (
        tier["benefits"][0]["walletRewardFactor"],
        tier["benefits"][0]["rewardWalletFactor"],
    ) == (3, 3)


@pytest.mark.parametrize(
    "number", ["1e1000001", "1" + "0" * 1_000_001, "1e99999999999999999999", "-1e-1000001"]
)
def test_number_beyond_everything_is_refused_by_its_place(number: str) -> None:
    """However it is written: where arithmetic would fail, or who writes it out, it is a wrong number like any other."""
    sent = f'{{"name": "n", "type": "SignUp", "rewards": [{{"walletReward": {number}}}]}}'
    assert errors(post_campaign, sent).keys() == {"rewards.0.walletReward"}


def test_whole_ids_and_days_may_be_written_with_a_fraction_of_nothing() -> None:
    """Days until a coupon ends, and ids of the shop's: 7.0 and 7 are one collection."""
    sent = '{"friendReward": {"coupon": {"couponType": "Free Shipping", "collections": [7, 7.0, "7", {"collectionId": 8.0}], "applicableTo": {"productIds": [5.0]}, "options": {"expiryAfter": 14.0}}}}'
    coupon = shown_referrals(put_referrals(NOW, read(sent)))["friendReward"]["coupon"]
    assert coupon["applicableTo"] == {"collections": [7, 8], "productIds": [5]}
    assert [type(each) for each in coupon["collections"]] == [int, int]
    assert (coupon["options"]["expiryAfter"], type(coupon["options"]["expiryAfter"])) == (14, int)


def test_bare_dates_are_the_partners_days() -> None:
    """As a start the first instant, as an end the last whole second; instants without a zone are UTC."""
    sent = f'{{{GIVEN}, "activation": {{"startDate": "2026-10-01", "endDate": "2026-10-31"}}}}'
    (campaign,) = post_campaign(NOW, read(sent)).campaigns
    assert shown_campaign(campaign)["activation"] == {
        "startDate": "2026-09-30T21:00:00Z", "endDate": "2026-10-31T21:59:59Z",
    }  # fmt: skip
    sent = f'{{{GIVEN}, "activation": {{"endDate": "2026-10-31T23:59:59.25"}}}}'
    (campaign,) = post_campaign(NOW, read(sent)).campaigns
    assert shown_campaign(campaign)["activation"]["endDate"] == "2026-10-31T23:59:59.250000Z"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue", "UTC"])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("1970-01-01", "9998-12-31"),
        ("1970-01-01T00:00:00+14:00", "9998-12-31T23:59:59-12:00"),
    ],
)
def test_first_and_last_days_last(zone: str, start: str, end: str) -> None:
    """In UTC they lie in other years in part; they are stored, shown and sent back all the same."""
    sent = f'{{{GIVEN}, "activation": {{"startDate": "{start}", "endDate": "{end}"}}}}'
    now = with_ids(post_campaign(Sections(time_zone=zone), read(sent)), iter([1]))
    assert sections_from(stored_of(now), zone) == now
    (shown,) = map(shown_campaign, now.campaigns)
    assert put_campaign(now, 1, shown) == now


def test_extra_reward_is_read_and_shown_in_both_places() -> None:
    """It may stand at the top or in what the customer gets."""
    extra = {"forEvery": 3, "point": 500}
    inside = put_referrals(NOW, {"customerReward": {"extraReward": extra}})
    assert put_referrals(NOW, {"extraReward": extra}) == inside
    shown = shown_referrals(inside)
    assert shown["extraReward"] == shown["customerReward"]["extraReward"]
    assert shown["extraReward"]["point"] == 500


def test_repeatable_campaign_without_a_number_repeats_for_ever() -> None:
    """A campaign that is not repeatable is achieved once."""
    (campaign,) = post_campaign(NOW, read(f'{{{GIVEN}, "isRepeatable": true}}')).campaigns
    assert campaign.max_achievement == -1
    (campaign,) = post_campaign(NOW, read(f"{{{GIVEN}}}")).campaigns
    assert campaign.max_achievement == 1


def test_no_more_than_fifty_places_are_named() -> None:
    """Who sends a thousand wrong ones learns nothing from the rest."""
    tags = ", ".join(['""'] * 50)
    rewards = ", ".join(['{"walletReward": -1}'] * 8)
    sent = f'{{"name": "n", "type": "SignUp", "rewards": [{rewards}], "availability": {{"tags": [{tags}]}}}}'
    assert len(errors(post_campaign, sent)) == 50
