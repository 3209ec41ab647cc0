"""Changes over HTTP: what was sent, laid over the sections as they are. Raise InvalidDefinition, paths from the body.

None for a campaign or a group that is not there. What is computed, and the ids of items where the path or the name says
which, are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from schemas.definitions import Errors, InvalidDefinition
from schemas.gameball_v4.campaigns import Campaign
from schemas.gameball_v4.cashback import Cashback
from schemas.gameball_v4.coupon_groups import CouponGroup
from schemas.gameball_v4.program import MOST_CAMPAIGNS, MOST_GROUPS, Sections
from schemas.gameball_v4.reading import Part, Refused, merged, sendable, settled, validated
from schemas.gameball_v4.tiers import Tier, Tiers

P = TypeVar("P", bound=Part)


class TooMany(Exception):
    """There are as many as there can be."""


def put_settings(now: Sections, sent: Mapping[str, Any]) -> Sections:
    """PUT /settings."""
    return replace(now, settings=laid_over(now.settings, sent, now))


def put_referrals(now: Sections, sent: Mapping[str, Any]) -> Sections:
    """PUT /referrals."""
    return replace(now, referrals=laid_over(now.referrals, sent, now))


def put_cashback(now: Sections, sent: Mapping[str, Any]) -> Sections:
    """PUT /cashback: objects are merged, the list of tiers' rules is replaced."""
    return with_cashback(now, laid_over(now.cashback, sent, now))


def post_campaign(now: Sections, sent: Mapping[str, Any]) -> Sections:
    """POST /reward-campaigns: the new one stands last, without an id. Raises TooMany."""
    if len(now.campaigns) >= MOST_CAMPAIGNS:
        raise TooMany
    campaign = whole(Campaign, _without_id(sent), now)
    return replace(now, campaigns=(*now.campaigns, campaign))


def put_campaign(now: Sections, campaign_id: int, sent: Mapping[str, Any]) -> Sections | None:
    """PUT /reward-campaigns/{id}."""
    found = now.campaign(campaign_id)
    if found is None:
        return None
    changed = laid_over(found, _without_id(sent), now)
    return replace(
        now, campaigns=tuple(changed if each is found else each for each in now.campaigns)
    )


def delete_campaign(now: Sections, campaign_id: int) -> Sections | None:
    """DELETE /reward-campaigns/{id}."""
    left = tuple(each for each in now.campaigns if each.id != campaign_id)
    return None if len(left) == len(now.campaigns) else replace(now, campaigns=left)


def put_group(now: Sections, handle: str, sent: Mapping[str, Any]) -> Sections:
    """PUT /coupon-groups/{handle}: a new group stands last. Raises TooMany."""
    named = {name: value for name, value in sent.items() if name not in {"handle", "Handle"}}
    found = now.group(handle)
    if found is None:
        group = whole(CouponGroup, {**named, "handle": handle}, now)
        if len(now.coupon_groups) >= MOST_GROUPS:
            raise TooMany
        return replace(now, coupon_groups=(*now.coupon_groups, group))
    changed = laid_over(found, named, now)
    return replace(
        now, coupon_groups=tuple(changed if each is found else each for each in now.coupon_groups)
    )


def delete_group(now: Sections, handle: str) -> Sections | None:
    """DELETE /coupon-groups/{handle}; rules may go on naming it."""
    left = tuple(each for each in now.coupon_groups if each.handle != handle)
    return None if len(left) == len(now.coupon_groups) else replace(now, coupon_groups=left)


def put_tiers(now: Sections, sent: Sequence[Any]) -> Sections:
    """PUT /tiers: all of them. An item without an id is the tier of that name; an unknown id is refused."""
    try:
        tiers = whole(Tiers, {"tiers": list(sent)}, now).tiers
        known = {tier.id for tier in now.tiers}
        positions = _positions(sent)
        for tier in tiers:
            if tier.id is not None and tier.id not in known:
                at = positions.get(tier.id, 0)
                raise InvalidDefinition({f"tiers.{at}.id": ["Is not the id of a tier"]})
    except InvalidDefinition as refused:
        raise InvalidDefinition(_outside(refused.errors, "tiers")) from None
    return with_tiers(now, tiers)


def with_tiers(now: Sections, tiers: Sequence[Tier]) -> Sections:
    """These tiers instead: those of known names have their ids; a removed one takes its cashback rule along."""
    taken = {tier.id for tier in tiers}
    ids = {tier.name: tier.id for tier in now.tiers if tier.id not in taken}
    settled_tiers = tuple(
        tier if tier.id is not None else tier.model_copy(update={"id": ids.get(tier.name)})
        for tier in tiers
    )
    names = {tier.id: tier.name for tier in settled_tiers}
    after = {tier.name: names[tier.id] for tier in now.tiers if tier.id in names}
    rules = [
        rule.model_copy(update={"tier_name": after[rule.tier_name]})
        for rule in now.cashback.tier_cashback_rules
        if rule.tier_name in after
    ]
    cashback = now.cashback.model_copy(update={"tier_cashback_rules": rules})
    return with_cashback(replace(now, tiers=settled_tiers), cashback)


def with_cashback(now: Sections, cashback: Cashback, path: str = "") -> Sections:
    """This cashback instead, in the order of tiers; rules that only say what their tier's benefit does are not kept."""
    errors: Errors = {}
    for index, rule in enumerate(cashback.tier_cashback_rules):
        if now.tier_named(rule.tier_name) is None:
            at = ".".join(filter(None, (path, f"tierCashbackRules.{index}.tierName")))
            errors[at] = ["Is not the name of a tier"]
    if errors:
        raise InvalidDefinition(errors)
    after = replace(now, cashback=cashback)
    rules = {rule.tier_name: rule for rule in cashback.tier_cashback_rules}
    own = [
        rules[tier.name]
        for tier in now.tiers
        if tier.name in rules and rules[tier.name] != after.derived(tier)
    ]
    return replace(now, cashback=cashback.model_copy(update={"tier_cashback_rules": own}))


def whole(model: type[P], sent: Mapping[str, Any], now: Sections) -> P:
    """What was sent alone, the rest by default."""
    refused = Refused()
    fields = settled(model, dict(sent), refused, strict=False)
    refused.end()
    return validated(model, fields, now.circumstances, places=refused.places)


def laid_over(stored: P, sent: Mapping[str, Any], now: Sections) -> P:
    """What was sent over what is there, the merged whole valid."""
    refused = Refused()
    fields = settled(type(stored), dict(sent), refused, strict=False)
    refused.end()
    laid = merged(sendable(stored), fields)
    return validated(type(stored), laid, now.circumstances, places=refused.places)


def _without_id(sent: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sent.items() if name not in {"id", "Id"}}


def _positions(sent: Sequence[Any]) -> dict[Any, int]:
    return {
        item.get("id", item.get("Id")): index
        for index, item in enumerate(sent)
        if isinstance(item, dict)
    }


def _outside(errors: Errors, holder: str) -> Errors:
    return {path.removeprefix(f"{holder}."): texts for path, texts in errors.items()}
