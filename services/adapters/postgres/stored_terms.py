"""Coupons and rewards in what is stored of a program, as the rules know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from services.domain.program import midnight
from services.domain.rewards import Reward
from services.domain.terms import CombinesWith, Terms, TermsType

_TYPES = {
    "percentage": TermsType.PERCENTAGE,
    "fixed": TermsType.FIXED,
    "fixed_rate": TermsType.FIXED,
    "free_shipping": TermsType.FREE_SHIPPING,
    "free_product": TermsType.FREE_PRODUCT,
    "custom": TermsType.CUSTOM,
    None: TermsType.FIXED,  # of general settings: what the points are worth
}
_HAS_VALUE = frozenset({TermsType.PERCENTAGE, TermsType.FIXED})
_DATE_CHARACTERS = len("2026-12-31")


@dataclass(frozen=True, slots=True, kw_only=True)
class Denominated:
    """What amounts and bare dates mean: the program's currency, None for any, and the partner's zone."""

    currency: str | None
    zone: ZoneInfo


def amount(stored: str | None) -> Decimal | None:
    """An exact decimal, which is stored as a text."""
    return None if stored is None else Decimal(stored)


def starts(stored: str | None) -> datetime | None:
    """An instant from which something holds."""
    return None if stored is None else datetime.fromisoformat(stored)


def ends(stored: str | None) -> datetime | None:
    """The instant after an end: all of its whole second is inside."""
    if stored is None:
        return None
    return datetime.fromisoformat(stored).replace(microsecond=0) + timedelta(seconds=1)


def reward(
    points: int, score: int, coupon: Mapping[str, Any] | None, by: Denominated, **more: Any
) -> Reward:
    """Points, score and a coupon, of which each may be missing. `more`: of its terms."""
    coupons = () if coupon is None else (terms(coupon, by, **more),)
    return Reward(points=points, score=score, coupons=coupons)


def terms(stored: Mapping[str, Any], by: Denominated, *, lifetime_of: int | None = None) -> Terms:
    """What a coupon gives."""
    type_ = _TYPES[stored["couponType"]]
    options = stored["options"] or {}
    lines = stored["applicableTo"]
    product = stored["product"] or {}
    products = [*(lines["productIds"] or ()), *_given(product.get("productId"))]
    expiry = options.get("expiryAfter")
    group = stored["group"]
    return Terms(
        type=type_,
        value=amount(stored["discountValue"]) if type_ in _HAS_VALUE else None,
        currency=by.currency,
        min_order_value=amount(stored["minOrderValue"]),
        capping=amount(options.get("capping")),
        usage_limit=options.get("usageLimit", 1),
        combines_with=_combines(options.get("combinesWith")),
        product_ids=tuple(dict.fromkeys(map(str, products))),
        collection_ids=outside_ids(lines["collections"]),
        platforms=tuple(options.get("platforms", ())),
        group=group["handle"] if group is not None else None,
        code_prefix=options.get("couponPrefix") or "",
        expires_after=timedelta(days=expiry) if isinstance(expiry, int) else None,
        expires_at=_end(expiry, by.zone) if isinstance(expiry, str) else None,
        lifetime_of=lifetime_of,
        is_fixed_rate=stored["couponType"] == "fixed_rate",
    )


def outside_ids(stored: Iterable[Any]) -> tuple[str, ...]:
    """Ids of the partner's shop as texts, with or without a name beside."""
    return tuple(str(item["collectionId"] if isinstance(item, dict) else item) for item in stored)


def _given(value: Any) -> list[Any]:
    return [] if value is None else [value]


def _combines(stored: Mapping[str, bool] | None) -> CombinesWith | None:
    if stored is None:
        return None
    return CombinesWith(
        order=stored["orderDiscounts"],
        product=stored["productDiscounts"],
        shipping=stored["shippingDiscounts"],
    )


def _end(written: str, zone: ZoneInfo) -> datetime:
    """As it was sent: an instant, in UTC if it names no zone; or a day, whose end it is. Exclusive."""
    if len(written) == _DATE_CHARACTERS:
        return midnight(date.fromisoformat(written) + timedelta(days=1), zone)
    at = datetime.fromisoformat(written.upper())
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
