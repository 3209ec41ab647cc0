"""A program in a file: `{"partner_id", <section>…}`, read strictly.

A section that is given is replaced whole: items keep their ids, those that are missing are gone, what is not said falls
back to its default. An unknown section or field is refused by its place, such as `campaigns.1.rewards`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from schemas.definitions import InvalidDefinition
from schemas.fields import MAX_ID
from schemas.gameball_v4.campaigns import Campaign
from schemas.gameball_v4.cashback import Cashback
from schemas.gameball_v4.changing import with_cashback, with_tiers
from schemas.gameball_v4.coupon_groups import CouponGroup
from schemas.gameball_v4.program import MOST_CAMPAIGNS, MOST_GROUPS, SECTIONS, Sections
from schemas.gameball_v4.reading import UNKNOWN, Part, Refused, same, sendable, settled, validated
from schemas.gameball_v4.redemption import Redemption
from schemas.gameball_v4.referrals import Referrals
from schemas.gameball_v4.settings import ProgramSettings
from schemas.gameball_v4.tiers import Tiers
from schemas.gameball_v4.webhook_changes import LOOKED_AT, Keeping, read_coupon

P = TypeVar("P", bound=Part)

PARTNER: Final = "partner_id"
COUPON: Final = "coupon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The sections as the file has them. `fell_back`: places that had another value and are not in the file."""

    sections: Sections
    fell_back: tuple[str, ...]


def partner_of(document: Any) -> int:
    """Whose program a file holds. Raises InvalidDefinition for what is none."""
    refused = Refused()
    if not isinstance(document, dict):
        refused.add("Must be a JSON object: partner_id and sections")
        refused.end()
    partner_id = document.get(PARTNER)
    if type(partner_id) is not int or not 1 <= partner_id <= MAX_ID:
        refused.at(PARTNER).add("Must be the id of a partner")
    for name, section in document.items():
        if name not in (*SECTIONS, PARTNER):
            refused.at(name).add(UNKNOWN)
        elif section is None:
            refused.at(name).add("Must not be null")
    refused.end()
    return int(partner_id)


def loaded(now: Sections, document: Mapping[str, Any], keeping: Keeping = LOOKED_AT) -> Loaded:
    """The program of a file whose `partner_of` is known, over what is there. Raises InvalidDefinition.

    `keeping`: how secrets of the webhook become what is stored; without it the result is for looking at.
    """
    after, fell_back = now, list[str]()
    for name, load in _LOADERS.items():
        if name in document:
            after, places = load(now, after, document[name])
            fell_back += places
    if COUPON in document:
        fields, webhook = read_coupon(now, document[COUPON], keeping, strict=True, path=COUPON)
        after = replace(after, coupon=webhook)
        if now.coupon is not None:
            fell_back += _fallen(COUPON, fields, sendable(now.coupon), sendable(webhook))
    return Loaded(sections=after, fell_back=tuple(fell_back))


_Load = Callable[[Sections, Sections, Any], tuple[Sections, list[str]]]


def _one(model: type[Part], section: str, field: str) -> _Load:
    """A section that is one object."""

    def load(now: Sections, after: Sections, sent: Any) -> tuple[Sections, list[str]]:
        fields, part = _strictly(model, sent, section, now)
        was = sendable(getattr(now, field))
        changes: dict[str, Any] = {field: part}
        return replace(after, **changes), _fallen(section, fields, was, sendable(part))

    return load


def _load_tiers(now: Sections, after: Sections, sent: Any) -> tuple[Sections, list[str]]:
    fields, tiers = _strictly(Tiers, {"tiers": sent}, "", now)
    changed = with_tiers(after, tiers.tiers)
    known = {tier.id: tier for tier in now.tiers} | {tier.name: tier for tier in now.tiers}
    given = sorted(fields["tiers"], key=lambda tier: int(tier["order"]))
    return changed, _fallen_items("tiers", given, known, changed.tiers)


def _load_campaigns(now: Sections, after: Sections, sent: Any) -> tuple[Sections, list[str]]:
    fields, campaigns = _items(Campaign, sent, "campaigns", now, MOST_CAMPAIGNS, "id")
    known = {campaign.id: campaign for campaign in now.campaigns}
    places = _fallen_items("campaigns", fields, known, campaigns)
    campaigns.sort(key=lambda each: MAX_ID if each.id is None else each.id)
    return replace(after, campaigns=tuple(campaigns)), places


def _load_groups(now: Sections, after: Sections, sent: Any) -> tuple[Sections, list[str]]:
    fields, groups = _items(CouponGroup, sent, "couponGroups", now, MOST_GROUPS, "handle")
    known = {group.handle: group for group in now.coupon_groups}
    changed = replace(after, coupon_groups=tuple(groups))
    return changed, _fallen_items("couponGroups", fields, known, groups)


def _load_cashback(now: Sections, after: Sections, sent: Any) -> tuple[Sections, list[str]]:
    fields, cashback = _strictly(Cashback, sent, "cashback", now)
    changed = with_cashback(after, cashback, "cashback")
    was, becomes = sendable(now.cashback), sendable(changed.cashback)
    return changed, _fallen("cashback", fields, was, becomes)


def _load_redemption(now: Sections, after: Sections, sent: Any) -> tuple[Sections, list[str]]:
    fields, redemption = _strictly(Redemption, sent, "redemption", now)
    own = now.redemption.default_rule.id
    if redemption.default_rule.id is None:
        taken = [place for place, rule in enumerate(redemption.rules) if own and rule.id == own]
        if taken:
            place = f"redemption.rules.{taken[0]}.id"
            raise InvalidDefinition({place: ["Is that of the default rule"]})
    redemption = redemption.with_default(own)
    changed = replace(after, redemption=redemption)
    was, becomes = sendable(now.redemption), sendable(redemption)
    return changed, _fallen("redemption", fields, was, becomes)


_LOADERS: Final[Mapping[str, _Load]] = {
    "settings": _one(ProgramSettings, "settings", "settings"),
    "tiers": _load_tiers,
    "campaigns": _load_campaigns,
    "referrals": _one(Referrals, "referrals", "referrals"),
    "cashback": _load_cashback,  # after the tiers that its rules name
    "redemption": _load_redemption,
    "couponGroups": _load_groups,
}


def _strictly(model: type[P], sent: Any, path: str, now: Sections) -> tuple[dict[str, Any], P]:
    """What was sent in the model's own names, and the part that it makes."""
    refused = Refused(path)
    fields = settled(model, sent, refused, strict=True)
    refused.end()
    return fields, validated(model, fields, now.circumstances, path, refused.places)


def _items(
    model: type[P], sent: Any, section: str, now: Sections, most: int, key: str
) -> tuple[list[dict[str, Any]], list[P]]:
    refused = Refused(section)
    if not isinstance(sent, list):
        refused.add("Must be a list")
    elif len(sent) > most:
        refused.add(f"Must hold at most {most}")
    refused.end()
    found = [_strictly(model, item, f"{section}.{index}", now) for index, item in enumerate(sent)]
    seen: set[Any] = set()
    for index, (_, item) in enumerate(found):
        value = getattr(item, key)
        if value is not None and value in seen:
            refused.at(index).at(key).add("Is that of another")
        seen.add(value)
    refused.end()
    return [fields for fields, _ in found], [item for _, item in found]


def _fallen_items(
    section: str,
    given: Sequence[Mapping[str, Any]],
    before: Mapping[Any, Part],
    after: Sequence[Part],
) -> list[str]:
    """Of a list of items, of those that were there before."""
    places: list[str] = []
    for index, (fields, becomes) in enumerate(zip(given, after, strict=True)):
        keys = (fields.get(name) for name in ("id", "handle", "name"))
        was = next((before[key] for key in keys if key in before), None)
        if was is not None:
            found = _fallen(f"{section}.{index}", fields, sendable(was), sendable(becomes))
            places += [place for place in found if place != f"{section}.{index}.id"]
    return places


def _fallen(path: str, given: Any, was: Any, becomes: Any) -> list[str]:
    places: list[str] = []
    for name, value in becomes.items():
        before = was.get(name)
        if name not in given:
            if not same(before, value):
                places.append(f"{path}.{name}")
        elif all(isinstance(each, dict) for each in (given[name], before, value)):
            places += _fallen(f"{path}.{name}", given[name], before, value)
    return places
