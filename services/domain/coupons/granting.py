"""A coupon that no game issues: granted by a campaign, a tier, a referral, or bought with points."""

from __future__ import annotations

from datetime import datetime

from services.domain.coupons.effects import GrantCoupon, GrantRefusal
from services.domain.coupons.issuing import Draw
from services.domain.origins import Source
from services.domain.terms import Group, Groups, Terms


def refused(terms: Terms, groups: Groups, at: datetime) -> GrantRefusal | None:
    """Why no coupon of these terms can be granted now; None if nothing stands against it."""
    group = groups.get(terms.group) if terms.group is not None else None
    if group is not None:
        if not group.is_active:
            return GrantRefusal.GROUP_INACTIVE
        if group.starts_at is not None and at < group.starts_at:
            return GrantRefusal.GROUP_NOT_STARTED
        if group.ends_at is not None and at >= group.ends_at:
            return GrantRefusal.GROUP_ENDED
    elif terms.needs_group:
        return GrantRefusal.GROUP_NOT_FOUND
    ends = _end(terms, group, at)
    return GrantRefusal.COUPON_OFFER_ENDED if ends is not None and ends <= at else None


def _end(terms: Terms, group: Group | None, at: datetime) -> datetime | None:
    """By its terms or with its group, whichever comes first."""
    ends = (terms.ends(at), group.ends_at if group is not None else None)
    return min((each for each in ends if each is not None), default=None)


def granted(
    terms: Terms,
    source: Source,
    groups: Groups,
    *,
    at: datetime,
    draw: Draw,
    program_version: int,
) -> GrantCoupon | GrantRefusal:
    """The coupon, or why there is none."""
    if reason := refused(terms, groups, at):
        return reason
    group = groups.get(terms.group) if terms.group is not None else None
    return GrantCoupon(
        coupon_id=draw.coupon_id,
        code=draw.code,
        source=source,
        terms=terms,
        issued_at=at,
        expires_at=_end(terms, group, at),
        program_version=program_version,
    )
