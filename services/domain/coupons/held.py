"""The coupons of one customer, as far as the events at hand can touch them: a family of the customer's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import assert_never

from services.domain.coupons.coupon import OPEN_STATUSES, Coupon, CouponStatus, Step
from services.domain.coupons.effects import (
    ChangeCoupon,
    CouponEffect,
    DeclineIssuance,
    GrantCoupon,
    IssueCoupon,
    group_moved,
)
from services.domain.points.wallet import Take
from services.domain.values import quickly_made, replaced


@quickly_made(frozen=True, slots=True, kw_only=True)
class Coupons:
    """`by_id`: the holders of single places, and coupons named by an order's codes or redeemed by it.

    `foreign_codes`: codes named that belong to another customer of the partner; `foreign_external_codes`: likewise, of
    those that partners bring. `issues` by capped game: instants of past issues, newest first, no more than the largest
    cap needs. `of_groups`: how many of a group are not cancelled, of groups with a cap on that.
    """

    by_id: Mapping[str, Coupon] = field(default_factory=dict)
    foreign_codes: frozenset[str] = frozenset()
    issues: Mapping[int, tuple[datetime, ...]] = field(default_factory=dict)
    used_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By order: ids of coupons that no game issued, one for each use that it has."""
    paid: Mapping[str, tuple[Take, ...]] = field(default_factory=dict)
    """By coupon: the points that it was bought with."""
    foreign_external_codes: frozenset[str] = frozenset()
    of_groups: Mapping[str, int] = field(default_factory=dict)

    def holder(self, game_id: int) -> Coupon | None:
        """The open coupon that holds the customer's single place in this game, its time over or not."""
        for coupon in self.by_id.values():
            if (
                coupon.game_id == game_id
                and coupon.holds_single_place
                and coupon.status in OPEN_STATUSES
            ):
                return coupon
        return None

    def of_code(self, code: str) -> Coupon | None:
        """The customer's coupon of this stored code, if it was loaded."""
        return next((coupon for coupon in self.by_id.values() if coupon.code == code), None)

    def of_external_code(self, text: str) -> Coupon | None:
        """The same by a code that the partner brought, exactly as it is written."""
        return next((one for one in self.by_id.values() if one.external_code == text), None)


NO_COUPONS = Coupons()


def after(coupons: Coupons, effect: CouponEffect) -> Coupons:
    """The coupons after one effect."""
    match effect:
        case IssueCoupon():
            past = coupons.issues.get(effect.game_id, ())
            return replaced(
                coupons,
                by_id={**coupons.by_id, effect.coupon_id: issued(effect)},
                issues={**coupons.issues, effect.game_id: (effect.issued_at, *past)},
            )
        case GrantCoupon():
            by_id = {**coupons.by_id, effect.coupon_id: granted(effect)}
            paid = coupons.paid
            if effect.takes:
                paid = {**paid, effect.coupon_id: effect.takes}
            of_groups = _of_groups(coupons.of_groups, effect)
            return replaced(coupons, by_id=by_id, paid=paid, of_groups=of_groups)
        case ChangeCoupon():
            return replaced(
                coupons,
                by_id={**coupons.by_id, effect.coupon.id: effect.coupon},
                used_by=_used_by(coupons.used_by, effect),
                of_groups=_of_groups(coupons.of_groups, effect),
            )
        case DeclineIssuance():
            return coupons
        case _:
            assert_never(effect)


def _used_by(
    used_by: Mapping[str, tuple[str, ...]], change: ChangeCoupon
) -> Mapping[str, tuple[str, ...]]:
    """The uses that orders have of coupons that no game issued, after one step."""
    if change.order_id is None or change.coupon.terms is None:
        return used_by
    of_order = used_by.get(change.order_id, ())
    if change.step in {Step.USED, Step.REDEEMED}:
        return {**used_by, change.order_id: (*of_order, change.coupon.id)}
    if change.step is Step.REINSTATED and change.coupon.id in of_order:
        left = list(of_order)
        left.remove(change.coupon.id)
        return {**used_by, change.order_id: tuple(left)}
    return used_by


def _of_groups(
    of_groups: Mapping[str, int], effect: GrantCoupon | ChangeCoupon
) -> Mapping[str, int]:
    moved = group_moved(effect)
    if moved is None:
        return of_groups
    handle, by = moved
    return {**of_groups, handle: of_groups.get(handle, 0) + by}


def laid_over(stored: Coupons, changes: Coupons) -> Coupons:
    """What is stored with the changes on top; where both know a coupon, the change is newer."""
    games = stored.issues.keys() | changes.issues.keys()
    return replaced(
        stored,
        by_id={**stored.by_id, **changes.by_id},
        foreign_codes=stored.foreign_codes | changes.foreign_codes,
        issues={
            game_id: (*changes.issues.get(game_id, ()), *stored.issues.get(game_id, ()))
            for game_id in games
        },
        used_by={**stored.used_by, **changes.used_by},
        paid={**stored.paid, **changes.paid},
        foreign_external_codes=stored.foreign_external_codes | changes.foreign_external_codes,
        of_groups={
            handle: stored.of_groups.get(handle, 0) + changes.of_groups.get(handle, 0)
            for handle in stored.of_groups.keys() | changes.of_groups.keys()
        },
    )


def issued(issue: IssueCoupon) -> Coupon:
    """The coupon as it begins."""
    return Coupon(
        id=issue.coupon_id,
        code=issue.code,
        code_prefix=issue.code_prefix,
        game_id=issue.game_id,
        status=CouponStatus.ACTIVE,
        issued_at=issue.issued_at,
        expires_at=issue.expires_at,
        holds_single_place=not issue.allow_multiple_active_coupons,
    )


def granted(grant: GrantCoupon) -> Coupon:
    """A coupon that no game issued, as it begins."""
    return Coupon(
        id=grant.coupon_id,
        code=grant.code,
        code_prefix=grant.code_prefix,
        game_id=None,
        status=CouponStatus.ACTIVE,
        issued_at=grant.issued_at,
        expires_at=grant.expires_at,
        holds_single_place=False,
        source=grant.source,
        terms=grant.terms,
        program_version=grant.program_version,
        external_code=grant.external_code,
        code_is_pending=grant.code_is_pending,
    )
