"""A coupon that no game issues: granted by a campaign, a tier, a referral, or bought with points."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from services.domain.coupons.effects import GrantCoupon, GrantRefusal
from services.domain.coupons.held import Coupons
from services.domain.coupons.issuing import Draw
from services.domain.coupons.stock import GroupStock
from services.domain.origins import Source
from services.domain.terms import Group, Groups, Terms, TermsType


def refused(
    terms: Terms, groups: Groups, coupons: Coupons, stock: GroupStock, at: datetime
) -> GrantRefusal | None:
    """Why this customer can be granted no coupon of these terms now; None if nothing stands against it.

    `stock`: what the group of the terms has left.
    """
    group = groups.get(terms.group) if terms.group is not None else None
    if group is not None:
        if reason := _closed(group, at):
            return reason
        most = group.max_per_customer
        if most is not None and coupons.of_groups.get(group.handle, 0) >= most:
            return GrantRefusal.GROUP_CUSTOMER_LIMIT_REACHED
        if not stock.has_left(group):
            return GrantRefusal.GROUP_EXHAUSTED
    elif terms.needs_group:
        return GrantRefusal.GROUP_NOT_FOUND
    ends = _end(terms, group, at)
    return GrantRefusal.COUPON_OFFER_ENDED if ends is not None and ends <= at else None


def _closed(group: Group, at: datetime) -> GrantRefusal | None:
    """Nobody gets anything of it now."""
    if not group.is_active:
        return GrantRefusal.GROUP_INACTIVE
    if group.starts_at is not None and at < group.starts_at:
        return GrantRefusal.GROUP_NOT_STARTED
    if group.ends_at is not None and at >= group.ends_at:
        return GrantRefusal.GROUP_ENDED
    return None


def _end(terms: Terms, group: Group | None, at: datetime) -> datetime | None:
    """By its terms or with its group, whichever comes first."""
    ends = (terms.ends(at), group.ends_at if group is not None else None)
    return min((each for each in ends if each is not None), default=None)


def granted(
    terms: Terms,
    source: Source,
    groups: Groups,
    stock: GroupStock,
    *,
    at: datetime,
    draw: Draw,
    program_version: int,
    asks_for_codes: Collection[TermsType] = (),
) -> GrantCoupon:
    """The coupon, of terms that are not `refused`. Its code is drawn, or the next one of its group's pool; else the
    partner's own system is to give one, if it is one of the types that it `asks_for_codes` of."""
    group = groups.get(terms.group) if terms.group is not None else None
    pooled = stock.codes[0] if group is not None and stock.codes else None
    prefix, code = terms.code_prefix, draw.code
    if pooled is not None and pooled.own is not None:
        prefix, code = pooled.own
    return GrantCoupon(
        coupon_id=draw.coupon_id,
        code=code,
        code_prefix=prefix,
        source=source,
        terms=terms,
        issued_at=at,
        expires_at=_end(terms, group, at),
        program_version=program_version,
        external_code=pooled.text if pooled is not None and pooled.own is None else None,
        pool_code=pooled.text if pooled is not None else None,
        code_is_pending=pooled is None and terms.type in asks_for_codes,
    )
