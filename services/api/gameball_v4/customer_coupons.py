"""`/customers/{customerId}/coupons`: everything that may be shown at a till, whoever issued it, as it stands now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, assert_never
from uuid import UUID

import asyncpg
from fastapi import Query

from schemas.gameball_v4.customer_answers import ShownCustomerCoupons
from schemas.gameball_v4.values import shown_moment
from services.adapters.postgres.coupons import coupon_from
from services.adapters.postgres.queries import queries
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4.accounts import Account, known_account
from services.api.gameball_v4.call import Writing
from services.api.gameball_v4.description import gives
from services.api.gameball_v4.documents import shown
from services.api.gameball_v4.parameters import PER_PAGE, CustomerOfPath, PageLimit
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.coupons.discounts import serves
from services.domain.coupons.lifecycle import settle
from services.domain.origins import SourceKind
from services.domain.terms import Terms, TermsType

router = Router(prefix="/api/v4/integrations/customers/{customerId}/coupons", tags=["customers"])

_SQL = queries("customer_coupons", __package__)


@router.get("", responses=gives(200, ShownCustomerCoupons, "Some of them."))
async def list_customer_coupons(
    call: Writing,
    customer_id: CustomerOfPath,
    limit: PageLimit = PER_PAGE,
    start_after: Annotated[UUID | None, Query(alias="startAfter")] = None,
) -> Reply:
    """List a customer's coupons, the oldest first, those of games and those of the program."""
    async with call.reading() as connection:
        account = await known_account(connection, call, customer_id)
        rows = await connection.fetch(_SQL["coupons"], account.number, start_after, limit + 1)
    names = _names(account)
    return shown(
        {
            "coupons": [_coupon(account, row, names) for row in rows[:limit]],
            "count": len(rows[:limit]),
            "hasMore": len(rows) > limit,
        }
    )


def _coupon(
    account: Account, row: asyncpg.Record, names: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    """What is over by now has ended, whether or not anybody has recorded that."""
    at = account.course.at
    coupon = settle(coupon_from(row), at).coupon
    terms, source = coupon.terms, coupon.source
    kind, id_ = (
        (SourceKind.GAME, str(coupon.game_id)) if source is None else (source.kind, source.id)
    )
    ends = coupon.expires_at
    return {
        "couponId": coupon.id,
        "code": coupon.shown_code,
        "codeStatus": coupon.code_status,
        "name": row["reward_description"] if terms is None else _name(terms, (kind, id_), names),
        "type": _word(terms),
        "value": None if terms is None else terms.value,
        "currency": None if terms is None else terms.currency,
        "source": {"kind": kind, "id": id_},
        "startDate": shown_moment(coupon.issued_at),
        "expiryDate": None if ends is None else shown_moment(ends),
        "usageLimit": 1 if terms is None else terms.usage_limit,
        "usedCount": _used(coupon),
        "status": coupon.status,
        "isExpired": coupon.status is CouponStatus.EXPIRED,
        "isActive": coupon.is_active(at),
        "isAvailableToUse": coupon.status is CouponStatus.ACTIVE
        and serves(coupon, account.course.tier_now(), account.program),
    }


def _used(coupon: Coupon) -> int:
    """Of a game's coupon, which is used once, nobody counts."""
    return coupon.used_count if coupon.terms else int(coupon.status is CouponStatus.REDEEMED)


def _word(terms: Terms | None) -> str:
    """What the coupon gives, as this dialect calls it; what a game's gives the game alone says."""
    if terms is None:
        return "Custom"
    match terms.type:
        case TermsType.PERCENTAGE:
            return "Percentage"
        case TermsType.FIXED:
            return "Fixed Rate Discount" if terms.is_fixed_rate else "Fixed Discount"
        case TermsType.FREE_SHIPPING:
            return "Free Shipping"
        case TermsType.FREE_PRODUCT:
            return "Free Product"
        case TermsType.CUSTOM:
            return "Custom"
        case _:
            assert_never(terms.type)


def _names(account: Account) -> dict[tuple[str, str], str]:
    """Of what coupons come from, as it is called now: by kind and id, and of groups by handle."""
    program = account.program
    titles = {
        ("group", each["handle"]): each["title"]
        for each in account.sections.get("couponGroups", ())
        if each.get("title") is not None
    }
    campaigns = {(SourceKind.CAMPAIGN.value, str(one.id)): one.name for one in program.campaigns}
    tiers = {(SourceKind.TIER.value, str(one.id)): one.name for one in program.tiers}
    return {**titles, **campaigns, **tiers}


def _name(
    terms: Terms, source: tuple[str, str], names: Mapping[tuple[str, str], str]
) -> str | None:
    """The title of its group, else the name of what it came from; of what is gone, or has none, nothing."""
    return names.get(("group", terms.group or "")) or names.get(source)
