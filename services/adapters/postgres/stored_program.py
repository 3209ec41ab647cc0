"""From what is stored of a partner's program to the rules: sections, cards' points settings and the zone, compiled.

The sections are as `schemas.gameball_v4.program` stores them: whole, valid, decimals as texts. Ends are inside where
they are written, and all of their last second is; the rules have the instant after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.adapters.postgres.programs import StoredProgram
from services.adapters.postgres.stored_cards import cards_from
from services.adapters.postgres.stored_terms import (
    Denominated,
    amount,
    ends,
    outside_ids,
    reward,
    starts,
    terms,
)
from services.adapters.postgres.webhooks import sent_by
from services.domain.campaigns import Campaign
from services.domain.exact import ZERO
from services.domain.partner_program import PartnerProgram, RedemptionRule
from services.domain.points.earning import CashbackRule
from services.domain.referrals import ReferralRules
from services.domain.rewards import NO_REWARD, Reward
from services.domain.terms import Group, Terms, TermsType
from services.domain.tiers import Tier, TierMethod
from services.domain.triggers import (
    BIRTHDAY,
    GAME_COMPLETED,
    PLACE_ORDER,
    SIGN_UP,
    Condition,
    Operator,
    Trigger,
)

_MULTIPLIER: Final = "Reward Campaign"
_WHEEL: Final = "Spin The Wheel"
_EVENT_OF_TYPE: Final = {
    "SignUp": SIGN_UP,
    "Birthday": BIRTHDAY,
    _WHEEL: GAME_COMPLETED,
    "HighScore": GAME_COMPLETED,
    _MULTIPLIER: PLACE_ORDER,
}
_WON_ON_A_WHEEL: Final = (
    Condition(name="game_type", operator=Operator.EQUALS, value="wheel"),
    Condition(name="result", operator=Operator.EQUALS, value="won"),
)
_LIFETIME, _ENTRY = "Lifetime Reward", "Entry Reward"
_EARNING: Final = "Loyalty Points Earning Custom Configuration"
_GENERAL: Final = "general_settings"
_NEVER_SET: Final = {"id": None, "valueOfPoint": "0", "isActive": True}


def program_from(stored: StoredProgram) -> PartnerProgram:
    """The rules of a partner. Raises ZoneInfoNotFoundError for a zone that is not known here, and is needed."""
    if not stored.version:
        # Only who registers is given a card: no zone is asked for.
        return PartnerProgram(
            partner_id=stored.partner_id,
            version=0,
            cards=cards_from(stored.cards),
            time_zone=stored.time_zone,
        )
    sections = stored.sections
    settings = sections.get("settings", {})
    by = Denominated(currency=settings.get("currency"), zone=ZoneInfo(stored.time_zone))
    redemption = sections.get("redemption", {})
    cashback = sections.get("cashback", {})
    default = cashback.get("defaultCashbackRule")
    worth = Decimal(redemption["defaultRule"]["valueOfPoint"]) if redemption else ZERO
    tiers = [_tier(each, by) for each in sections.get("tiers", ())]
    campaigns = [_campaign(each, by) for each in sections.get("campaigns", ())]
    groups = [_group(each) for each in sections.get("couponGroups", ())]
    return PartnerProgram(
        partner_id=stored.partner_id,
        version=stored.version,
        currency=by.currency,
        tier_method=TierMethod(settings.get("tierMethod", TierMethod.AMOUNT_SPENT)),
        tiers=tuple(sorted(tiers, key=lambda tier: tier.order)),
        campaigns=tuple(sorted(campaigns, key=lambda campaign: campaign.id)),
        referrals=_referrals(sections.get("referrals", {}), by),
        default_cashback=_cashback(default) if default is not None else None,
        cashback_of={
            rule["tierId"]: _cashback(rule) for rule in cashback.get("tierCashbackRules", ())
        },
        points_days=redemption.get("pointsExpiryPeriod"),
        value_of_point=worth,
        redemption_is_active=redemption.get("isRedemptionActive", True),
        redemption_rules=_redemption_rules(redemption, by, stored.default_rule_id),
        groups={group.handle: group for group in groups},
        cards=cards_from(stored.cards),
        time_zone=stored.time_zone,
        asks_for_codes=sent_by(sections.get("coupon"), has_had_one=stored.has_had_webhook),
        hears_of_cancellations=(sections.get("coupon") or {}).get("cancelUrl") is not None,
    )


def _tier(stored: Mapping[str, Any], by: Denominated) -> Tier:
    order = stored["order"]
    factors = [
        Decimal(benefit["walletRewardFactor"])
        for benefit in stored["benefits"]
        if benefit["type"] == _EARNING
    ]

    def granted(type_: str, **more: Any) -> Reward:
        rewards = (
            reward(each["walletReward"], each["rankReward"], each["couponReward"], by, **more)
            for each in stored["benefits"]
            if each["type"] == type_
        )
        return reduce(add, rewards, NO_REWARD)

    return Tier(
        id=stored["id"],
        name=stored["name"],
        order=order,
        min_progress=Decimal(stored["minProgress"]),
        earning_factor=max(factors, default=None),
        entry=granted(_ENTRY),
        lifetime=granted(_LIFETIME, lifetime_of=order),
    )


def _campaign(stored: Mapping[str, Any], by: Denominated) -> Campaign:
    type_, lines, rewards = stored["type"], stored["applicableTo"], stored["rewards"]
    trigger = _trigger(type_, stored["trigger"])
    collections, skus = outside_ids(lines["collections"]), map(str, lines["productSkus"])
    factors = [amount(each["walletRewardFactor"]) for each in rewards]
    granted = (
        reward(each["walletReward"], each["rankReward"], each["couponReward"], by)
        for each in rewards
    )
    who, when = stored["availability"], stored["activation"]
    return Campaign(
        id=stored["id"],
        type=type_,
        name=stored["name"],
        trigger=trigger,
        reward=reduce(add, granted, NO_REWARD),
        factor=max((factor for factor in factors if factor is not None), default=None),
        is_active=stored["isActive"],
        starts_at=starts(when["startDate"]),
        ends_at=ends(when["endDate"]),
        min_tier=who["minTier"],
        tags=frozenset(who["tags"]),
        max_achievement=stored["maxAchievement"],
        collection_ids=frozenset(collections),
        product_skus=frozenset(skus),
        needs_line=trigger.event_name == PLACE_ORDER
        and (type_ == _MULTIPLIER or bool(lines["collections"] or lines["productSkus"])),
    )


def _trigger(type_: str, stored: Mapping[str, Any]) -> Trigger:
    """What its type says of the event, then what the campaign does."""
    conditions = list(_WON_ON_A_WHEEL) if type_ == _WHEEL else []
    if stored["gameId"] is not None:
        game_id = str(stored["gameId"])
        conditions.append(Condition(name="game_id", operator=Operator.EQUALS, value=game_id))
    if stored["minScore"] is not None:
        least = str(stored["minScore"])
        operator = Operator.GREATER_THAN_OR_EQUALS
        conditions.append(Condition(name="score", operator=operator, value=least))
    return Trigger(
        event_name=_EVENT_OF_TYPE.get(type_) or stored["eventName"],
        conditions=(*conditions, *_conditions(stored["eventMetaData"])),
        count=stored["count"],
    )


def _conditions(stored: Sequence[Mapping[str, str]]) -> tuple[Condition, ...]:
    return tuple(
        Condition(name=each["name"], operator=Operator(each["operator"]), value=each["value"])
        for each in stored
    )


def _referrals(stored: Mapping[str, Any], by: Denominated) -> ReferralRules | None:
    method = stored.get("referralMethod")
    if method is None:
        return None

    def granted(name: str) -> Reward:
        given = stored[name]
        if given is None:
            return NO_REWARD
        return reward(given["point"], given["score"], given["coupon"], by)

    condition, extra = stored["eventMetaData"], stored["extraReward"]
    return ReferralRules(
        trigger=Trigger(
            event_name=stored["eventName"],
            conditions=_conditions([condition] if condition is not None else []),
        ),
        customer=granted("customerReward"),
        friend=granted("friendReward") if method == "CustomerAndFriend" else NO_REWARD,
        extra=granted("extraReward"),
        for_every=extra["forEvery"] if extra is not None else None,
    )


def _cashback(stored: Mapping[str, str]) -> CashbackRule:
    return CashbackRule(
        threshold=Decimal(stored["amountRewardThreshold"]),
        wallet_factor=Decimal(stored["rewardWalletFactor"]),
        rank_factor=Decimal(stored["rewardRankFactor"]),
    )


def _redemption_rules(
    stored: Mapping[str, Any], by: Denominated, default_rule_id: int | None
) -> dict[int, RedemptionRule]:
    """By id; the default rule too, which is there before anything is set."""
    default = stored.get("defaultRule", _NEVER_SET)
    id_ = default_rule_id if default["id"] is None else default["id"]
    rules = [_redemption_rule(each, by) for each in stored.get("rules", ())]
    if id_ is not None:
        rules.append(
            RedemptionRule(
                id=id_,
                terms=Terms(type=TermsType.FIXED, currency=by.currency),
                value_of_point=Decimal(default["valueOfPoint"]),
                is_general=True,
                is_default=True,
                is_active=default["isActive"],
            )
        )
    return {rule.id: rule for rule in rules}


def _redemption_rule(stored: Mapping[str, Any], by: Denominated) -> RedemptionRule:
    level = stored["availableTo"]["level"] or {}
    return RedemptionRule(
        id=stored["id"],
        terms=terms(stored["coupon"], by),
        points=stored["pointsToRedeem"],
        value_of_point=Decimal(stored["valueOfPoint"]),
        is_general=stored["ruleType"] == _GENERAL,
        is_active=stored["isActive"],
        starts_at=starts(stored["startDate"]),
        ends_at=ends(stored["endDate"]),
        tier_id=level.get("levelId"),
        tier_name=level.get("levelName"),
        tags=frozenset(stored["availableTo"]["tags"]),
    )


def _group(stored: Mapping[str, Any]) -> Group:
    return Group(
        handle=stored["handle"],
        is_active=stored["isActive"],
        starts_at=starts(stored["startDate"]),
        ends_at=ends(stored["expiryDate"]),
        max_per_customer=stored["maxPerCustomer"],
        max_total=stored["maxTotal"],
    )
