"""The sections as GETs answer them: computed fields beside, both names of what has two, texts in a language.

Pure: from `Sections` to documents of plain values, decimals as Decimal (`exact_json.write` keeps them). `coupon` is
shown by `coupon_webhook`, and among all sections only where there is one: null is no section of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, Final

from schemas.gameball_v4.campaigns import REWARD_CAMPAIGN, Campaign
from schemas.gameball_v4.cashback import CashbackRule
from schemas.gameball_v4.coupon_groups import CouponGroup
from schemas.gameball_v4.coupon_values import ANY, LIVE_WORDS, collection_id_of
from schemas.gameball_v4.coupon_webhook import shown_coupon
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.reading import sendable
from schemas.gameball_v4.redemption import RedemptionRule
from schemas.gameball_v4.tiers import Tier

Document = dict[str, Any]


def shown_settings(now: Sections, version: int) -> Document:
    """GET /settings."""
    return {"version": version, **sendable(now.settings)}


def shown_campaigns(now: Sections, lang: str | None = None) -> list[Document]:
    """GET /reward-campaigns, all of them."""
    return [shown_campaign(campaign, lang) for campaign in now.campaigns]


def applies_to_lines(
    campaign: Campaign, *, collection_id: str | None = None, product_sku: str | None = None
) -> bool:
    """The filters by what is bought: a campaign on orders that names this collection, this product, or nothing."""
    if campaign.type != REWARD_CAMPAIGN:
        return collection_id is None and product_sku is None
    lines = campaign.applicable_to
    if not lines.collections and not lines.product_skus:
        return True
    collections = {str(collection_id_of(item)) for item in lines.collections}
    return (collection_id is None or collection_id in collections) and (
        product_sku is None or product_sku in map(str, lines.product_skus)
    )


def shown_campaign(campaign: Campaign, lang: str | None = None) -> Document:
    """GET /reward-campaigns/{id}. Texts in this language, where there are any, take the place of the default ones."""
    found = in_language(sendable(campaign), lang)
    for reward in found["rewards"]:
        reward["couponReward"] = _coupon(reward["couponReward"])
    found["trigger"]["eventName"] = campaign.event_name
    return found


def shown_tiers(now: Sections, lang: str | None = None) -> list[Document]:
    """GET /tiers, by ascending order."""
    return [shown_tier(tier, lang) for tier in now.tiers]


def shown_tier(tier: Tier, lang: str | None = None) -> Document:
    """One of them."""
    found = _without_empty(in_language(sendable(tier), lang))
    found["benefits"] = [
        _without_empty(in_language(benefit, lang)) for benefit in found["benefits"]
    ]
    for benefit in found["benefits"]:
        benefit["rewardWalletFactor"] = benefit["walletRewardFactor"]
        benefit["couponReward"] = _coupon(benefit["couponReward"])
    return found


def shown_referrals(now: Sections, lang: str | None = None) -> Document:
    """GET /referrals: `extraReward` in both of its places."""
    found = _without_empty(in_language(sendable(now.referrals), lang))
    for name in ("customerReward", "friendReward", "extraReward"):
        if found[name] is not None:
            found[name]["coupon"] = _coupon(found[name]["coupon"])
    found["customerReward"] = {**found["customerReward"], "extraReward": found["extraReward"]}
    return found


def shown_cashback(now: Sections, *, tier_names: Callable[[str], bool] = bool) -> Document:
    """GET /cashback: what tiers' earning benefits come to is among the rules. `tier_names`: which tiers' to show."""
    value = now.redemption.default_rule.value_of_point
    default = now.cashback.default_cashback_rule
    own = {rule.tier_name: rule for rule in now.cashback.tier_cashback_rules}
    rules = []
    for tier in now.tiers:
        rule = own.get(tier.name) or now.derived(tier)
        if rule is not None and tier_names(tier.name):
            shown = {"tierName": tier.name, **_rule(rule, value)}
            rules.append(shown if tier.name in own else {**shown, "derived": True})
    return {
        "defaultCashbackRule": _rule(default, value) if default is not None else None,
        "tierCashbackRules": rules,
    }


def reward_factor(rule: CashbackRule, value_of_point: Decimal) -> Decimal:
    """What comes back in percent of what is spent, half up to four decimals."""
    with localcontext(
        prec=80
    ):  # factors of 18 digits: a quotient that is no tie is none at 80 either
        exactly = rule.reward_wallet_factor * value_of_point * 100 / rule.amount_reward_threshold
        return exactly.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)


def shown_redemption(now: Sections) -> Document:
    """The section `redemption` of a file, its rules in the words of v3."""
    found: Document = sendable(now.redemption)
    if found["defaultRule"]["id"] is None:
        del found["defaultRule"]["id"]  # whoever loads it keeps the one they have
    for rule in found["rules"]:
        rule["coupon"] = _rule_coupon(rule["coupon"])
    return found


def shown_rule(rule: RedemptionRule) -> Document:
    """One of its rules."""
    found: Document = sendable(rule)
    return {**found, "coupon": _rule_coupon(found["coupon"])}


def shown_groups(now: Sections) -> list[Document]:
    """GET /coupon-groups, without what is left of them."""
    return [shown_group(group) for group in now.coupon_groups]


def shown_group(group: CouponGroup) -> Document:
    """GET /coupon-groups/{handle}, likewise."""
    found: Document = sendable(group)
    return found


def shown_program(now: Sections) -> Document:
    """All sections that are set or have a default, as a file has them."""
    settings = shown_settings(now, 0)
    del settings["version"]
    coupon = {} if now.coupon is None else {"coupon": shown_coupon(now.coupon)}
    return {
        "settings": settings,
        "tiers": shown_tiers(now),
        "campaigns": shown_campaigns(now),
        "referrals": shown_referrals(now),
        "cashback": shown_cashback(now),
        "redemption": shown_redemption(now),
        "couponGroups": shown_groups(now),
        **coupon,
    }


def _rule(rule: CashbackRule, value_of_point: Decimal) -> Document:
    return {
        "rewardFactor": reward_factor(rule, value_of_point),
        "amountRewardThreshold": rule.amount_reward_threshold,
        "rewardWalletFactor": rule.reward_wallet_factor,
        "rewardRankFactor": rule.reward_rank_factor,
    }


def _without_empty(document: Document) -> Document:
    """Translations are no word of these seeds: they are shown once there are any."""
    if not document["translations"]:
        del document["translations"]
    return document


def in_language(document: Document, lang: str | None) -> Document:
    """A document's texts in this language, else in the plain form of it (`lt` for `lt-LT`), else as they are."""
    translations: Mapping[str, Mapping[str, Any]] = document["translations"]
    if not translations or not lang:
        return document
    wanted = lang.replace("_", "-").casefold()
    by_language = {name.replace("_", "-").casefold(): each for name, each in translations.items()}
    texts = by_language.get(wanted) or by_language.get(wanted.split("-")[0]) or {}
    return {**document, **{name: text for name, text in texts.items() if text is not None}}


_RULE_WORDS: Final[Mapping[str, str]] = {
    "percentage": "percentage_discount",
    "fixed": "fixed_discount",
    "fixed_rate": "fixed_rate_discount",
}
"""As redemption rules write what they call otherwise than we do."""


def _coupon(coupon: Document | None) -> Document | None:
    """As campaigns, tiers and referrals show it."""
    if coupon is None:
        return None
    collections = coupon["applicableTo"]["collections"]
    return {
        "couponType": LIVE_WORDS[coupon["couponType"]],
        "discountValue": coupon["discountValue"],
        "minOrderValue": coupon["minOrderValue"],
        "product": _product(coupon["product"]),
        "collections": collections,
        "applicableTo": coupon["applicableTo"],
        "group": coupon["group"],
        "options": {
            **_options(coupon["options"]),
            "minOrderValue": coupon["minOrderValue"],
            "collections": collections,
        },
    }


def _rule_coupon(coupon: Document) -> Document:
    """As v3 shows it: collections with their names, options only if given."""
    type_ = coupon["couponType"]
    collections = [
        item if isinstance(item, dict) else {"collectionId": item, "collectionName": None}
        for item in coupon["applicableTo"]["collections"]
    ]
    shown = {
        "couponType": _RULE_WORDS.get(type_, type_),
        "discountValue": coupon["discountValue"],
        "minOrderValue": coupon["minOrderValue"],
        "product": _product(coupon["product"]),
        "applicableTo": {**coupon["applicableTo"], "collections": collections},
        "group": coupon["group"],
    }
    if coupon["options"] is not None:
        least = coupon["minOrderValue"]
        shown["options"] = {**_options(coupon["options"]), "minOrderValue": least}
    return shown


def _product(product: Document | None) -> Document | str | None:
    if product is None:
        return None
    if product["anyProduct"]:
        return ANY
    return {name: value for name, value in product.items() if name != "anyProduct"}


def _options(options: Document) -> Document:
    own = {name: value for name, value in options.items() if name != "carried"}
    return {**own, "usedCount": 0, **options["carried"]}
