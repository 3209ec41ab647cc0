"""Redemption rules as v4 shows them: tiers for levels, collections as ids, the whole of a group that a coupon names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import asyncpg

from schemas.gameball_v4.coupon_groups import CouponGroup
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.reading import sendable
from schemas.gameball_v4.shown import shown_redemption
from schemas.gameball_v4.values import shown_moment
from services.adapters.postgres.pools import left_of

Document = dict[str, Any]

_SIX_PLACES: Final = Decimal("0.000001")
_SHOWN_OF_GROUP: Final = (
    "handle", "title", "url", "iconPath", "description", "maxPerCustomer", "startDate", "expiryDate",
)  # fmt: skip


def redemption_document(
    now: Sections,
    at: datetime,
    *,
    created: Mapping[int, datetime],
    exhausted: Collection[str],
    value_of_point: Decimal | None = None,
    usable: Collection[int] | None = None,
) -> Document:
    """GET /redemption. `created`: since when there is a rule of that id. `exhausted`: groups (handles) with nothing
    left. `usable`: the ids to show, None for all.
    """
    rules = []
    for rule in shown_redemption(now)["rules"]:
        if usable is None or rule["id"] in usable:
            since = created.get(rule["id"])
            rules.append(
                {
                    **rule,
                    "coupon": _coupon(rule["coupon"], now, at, exhausted),
                    "availableTo": _available_to(rule["availableTo"]),
                    "creationDate": None if since is None else shown_moment(since),
                }
            )
    default = now.redemption.default_rule
    factor = default.value_of_point if value_of_point is None else value_of_point
    return {
        "redemptionFactor": factor.quantize(_SIX_PLACES, rounding=ROUND_HALF_UP),
        "redemptionRules": rules,
        "defaultRule": sendable(default),
    }


def _available_to(available: Document) -> Document:
    level = available["level"]
    if level is None:
        return {"tier": None, "tags": available["tags"]}
    id_, name = level["levelId"], level["levelName"]
    tier = {"id": id_, "name": name, "tierId": id_, "tierName": name}
    return {"tier": tier, "tags": available["tags"]}


async def exhausted_groups(
    connection: asyncpg.Connection, partner_id: int, now: Sections
) -> set[str]:
    """Handles of the groups that rules name and that have nothing left."""
    coupons = (rule.coupon for rule in now.redemption.rules)
    handles = {coupon.group.handle for coupon in coupons if coupon.group is not None}
    caps = {each.handle: each.max_total for each in now.coupon_groups if each.handle in handles}
    left = await left_of(connection, partner_id, caps, most=1)
    return {handle for handle, codes in left.items() if codes == 0}


def _coupon(coupon: Document, now: Sections, at: datetime, exhausted: Collection[str]) -> Document:
    lines = coupon["applicableTo"]
    collections = [item["collectionId"] for item in lines["collections"]]
    named = coupon["group"]
    handle = None if named is None else named["handle"]
    return {
        **coupon,
        "applicableTo": {**lines, "collections": collections},
        "group": None if handle is None else shown_group_of(handle, now, at, exhausted),
    }


def shown_group_of(
    handle: str | None, now: Sections, at: datetime, exhausted: Collection[str]
) -> Document:
    """The group of this handle; of one that is not there nothing is known."""
    group = None if handle is None else now.group(handle)
    known: Document = {} if group is None else sendable(group)
    is_valid = group is not None and _is_within(group, at)
    is_active = group is not None and group.is_active and is_valid
    return {
        **{name: known.get(name) for name in _SHOWN_OF_GROUP},
        "handle": handle,
        "isAvailable": is_active and handle not in exhausted,
        "isValid": is_valid,
        "isActive": is_active,
    }


def _is_within(group: CouponGroup, at: datetime) -> bool:
    """Both ends inside; all of the last second is."""
    has_begun = group.start_date is None or group.start_date <= at
    return has_begun and (
        group.expiry_date is None or at.replace(microsecond=0) <= group.expiry_date
    )
