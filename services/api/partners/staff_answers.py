"""What staff are told: coupons as bodies, and every refusal with its status, constant and sentence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from schemas.fields import rfc3339
from services.adapters.wire import source_value, terms_value
from services.api.partners.envelope import Refusal
from services.api.partners.staff_lookups import Found, FoundInGame
from services.domain.coupons.codes import display
from services.domain.coupons.coupon import Coupon, CouponStatus, Step
from services.domain.coupons.discounts import TermsReason
from services.domain.coupons.effects import DeclineReason
from services.domain.coupons.lifecycle import StepRefusal
from services.domain.origins import Source, SourceKind

Why = StepRefusal | TermsReason

NOT_ALLOWED: Final = "OPERATION_NOT_ALLOWED"
REFUSALS: Final[Mapping[Why, tuple[int, str, str]]] = {
    StepRefusal.ALREADY_REDEEMED: (409, "COUPON_ALREADY_USED", "Coupon has already been used"),
    StepRefusal.EXPIRED: (409, "COUPON_EXPIRED", "Coupon has expired"),
    StepRefusal.CANCELLED: (409, NOT_ALLOWED, "Coupon has been cancelled"),
    StepRefusal.RESERVED_ELSEWHERE: (409, NOT_ALLOWED, "Coupon is already pending at another shop"),
    StepRefusal.NOT_RESERVED: (409, NOT_ALLOWED, "Coupon is not in pending status"),
    StepRefusal.NOT_REDEEMED: (409, NOT_ALLOWED, "Coupon has not been used"),
    StepRefusal.ACTIVE_COUPON_EXISTS: (409, NOT_ALLOWED, "Customer has another active coupon of this game"),
    TermsReason.TIER_TOO_LOW: (409, "TIER_TOO_LOW", "Customer is no longer in the tier that this coupon is for"),
    TermsReason.PLATFORM_NOT_ALLOWED: (409, "PLATFORM_NOT_ALLOWED", "Coupon cannot be used in a shop"),
    TermsReason.BELOW_MIN_ORDER_VALUE: (409, "BELOW_MIN_ORDER_VALUE", "Total is below the minimum of this coupon"),
}  # fmt: skip
RESERVED_HERE: Final = (409, NOT_ALLOWED, "Coupon is already pending at this shop")
NOT_RESERVED_HERE: Final = (403, "FORBIDDEN", "Coupon is not pending at this shop")

DECLINES: Final[Mapping[DeclineReason, str]] = {
    DeclineReason.GAME_NOT_FOUND: "Game not found",
    DeclineReason.RESULT_LOST: "The game was lost",
    DeclineReason.GAME_INACTIVE: "Game is not active",
    DeclineReason.GAME_NOT_STARTED: "Game has not started",
    DeclineReason.GAME_ENDED: "Game has ended",
    DeclineReason.CUSTOMER_LIMIT_REACHED: "Customer has had as many coupons of this game as it gives",
    DeclineReason.GAME_LIMIT_REACHED: "Game has given out all its coupons",
    DeclineReason.ACTIVE_COUPON_EXISTS: "Customer has an active coupon of this game",
}
_DAY: Final = timedelta(days=1)


def coupon_body(coupon: Coupon, customer_id: str, at: datetime) -> dict[str, Any]:
    """A settled coupon as it stands at that instant: with source and terms as its events have them."""
    expires_at, terms = coupon.expires_at, coupon.terms
    source = coupon.source or Source(SourceKind.GAME, str(coupon.game_id))
    own = {}
    if coupon.external_code is not None:
        own = {"internal_code": display(coupon.code, coupon.code_prefix)}
    return {
        "coupon_id": coupon.id,
        "code": coupon.shown_code,
        **own,
        "code_status": coupon.code_status,
        "status": coupon.status,
        "customer_id": customer_id,
        "game_id": coupon.game_id,
        "issued_at": rfc3339(coupon.issued_at),
        "expires_at": _instant(expires_at),
        "is_unlimited": expires_at is None,
        "days_until_expiry": None if expires_at is None else max(0, -((at - expires_at) // _DAY)),
        "reserved_until": _instant(coupon.reserved_until),
        "redeemed_at": _instant(coupon.redeemed_at),
        "source": source_value(source),
        "terms": None if terms is None else terms_value(terms, coupon.used_count),
    }


def found_body(found: Found) -> dict[str, Any]:
    """The body of a coupon just looked up."""
    return coupon_body(found.coupon, found.customer_id, found.at)


def game_body(found: FoundInGame) -> dict[str, Any] | None:
    """What a game's coupon is good for; of others its terms say so."""
    if found.coupon.game_id is None:
        return None
    return {
        "id": found.coupon.game_id,
        "name": found.game_name,
        "reward_description": found.reward_description,
        "product_ids": found.product_ids,
    }


def history_body(history: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The coupon's history, oldest entry first."""
    return [
        {
            "word": entry["word"],
            "status": entry["status"],
            "at": rfc3339(entry["at"]),
            "actor": entry["actor"],
            "reason": entry["reason"],
            "shop_id": entry["shop_id"],
            "order_id": entry["order_id"],
        }
        for entry in history
    ]


def refused(
    refusal: Why, step: Step, shop_id: int, coupon: Coupon, body: Mapping[str, Any]
) -> Refusal:
    """Why this step cannot be taken at this shop; `body` shows how the coupon stands."""
    status, error_code, message = REFUSALS[refusal]
    if refusal is StepRefusal.RESERVED_ELSEWHERE:
        if step is Step.RELEASED:
            status, error_code, message = NOT_RESERVED_HERE
        elif coupon.status is CouponStatus.RESERVED and coupon.reserved_shop_id == shop_id:
            status, error_code, message = RESERVED_HERE
    return Refusal(status, message, error_code=error_code, details={"coupon": body})


def declined(reason: DeclineReason) -> Refusal:
    """Why no coupon is issued by hand."""
    return Refusal(409, DECLINES[reason], error_code=reason.upper())


def _instant(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
