"""`/coupons`: points into a coupon by a rule that was made beforehand, and a coupon back into points."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from schemas.gameball_v4.answers import ApiUnknown
from schemas.gameball_v4.customer_answers import ShownRedeemed, ShownUndone
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.redeeming import RedeemPoints
from schemas.gameball_v4.values import shown_moment
from services.adapters.postgres.coupons import with_owners
from services.adapters.postgres.failures import CONFLICTS, LostRace
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.description import KEYED, takes
from services.api.edge.idempotency import once
from services.api.edge.problems import Problem, Reason, invalid, not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4.accounts import Asking, asking
from services.api.gameball_v4.call import Writing
from services.api.gameball_v4.codes_to_come import with_code
from services.api.gameball_v4.description import ERRORS, gives
from services.api.gameball_v4.documents import read_as, sent_object, shown
from services.api.gameball_v4.failures import Refusal
from services.api.gameball_v4.parameters import CouponOfPath
from services.decisions.accounts_by_hand import ByHand
from services.decisions.redemptions_by_hand import Redeemed, Undone, redeem, undo
from services.decisions.transaction import Deciding
from services.domain.coupons.coupon import Coupon
from services.domain.coupons.effects import RedeemReason

router = Router(prefix="/api/v4/integrations/coupons", tags=["coupons"])

SOURCE: Final = "/couponry/v4"
REQUIRED: Final = "The points field is required."


@router.post(
    "/predefined",
    responses=gives(200, ShownRedeemed, "The coupon.", 400, 409)
    | {404: {"model": ApiUnknown, "description": ERRORS[404]}},
    openapi_extra=takes(RedeemPoints),
)
async def redeem_points(call: Writing) -> Reply:
    """Redeem a customer's points for a coupon by a rule: both at once, or neither.

    A code that the partner's own system is to give is awaited for up to 5 seconds; `codeStatus` `pending` says that it
    has not come yet, and `code` is ours until then. A repetition is answered with the code as it stands by then.
    """
    sent = await sent_object(call)

    async def work(connection: asyncpg.Connection) -> Reply:
        asked = read_as(RedeemPoints, sent)
        customer = await asking(connection, call, asked.customer_id)
        sections = customer.known.sections
        if asked.points is None and asked.rule_id == sections.redemption.default_rule.id:
            raise invalid({"points": [REQUIRED]})
        redeemed = await _redeemed(connection, call, asked, customer)
        await audit.record(
            connection, call, "points.redeemed", redeemed.coupon.id, after=asked.model_dump()
        )
        return shown(_document(redeemed, sections))

    return await with_code(call, await once(call, work))


@router.post(
    "/{couponId}/undo",
    responses=gives(200, ShownUndone, "The points are back.", 409),
    openapi_extra=KEYED,
)
async def undo_redemption(call: Writing, coupon_id: CouponOfPath) -> Reply:
    """Take a coupon back that points were redeemed for, and give back the points."""

    async def work(connection: asyncpg.Connection) -> Reply:
        undone = await _undone(connection, call, coupon_id)
        await audit.record(
            connection, call, "redemption.undone", coupon_id, after={"points": undone.points}
        )
        return shown({"pointsReturned": undone.points, "pointsBalance": undone.balance})

    return await once(call, work)


async def _redeemed(
    connection: asyncpg.Connection, call: Call, asked: RedeemPoints, customer: Asking
) -> Redeemed:
    """Raises Problem 404 of a rule that is not there, 409 with any other reason."""
    try:
        redeemed = await redeem(
            connection,
            _by_hand(call, customer),
            _deciding(call, customer),
            rule_id=asked.rule_id,
            points=asked.points,
        )
    except CONFLICTS as error:
        raise LostRace(str(error)) from error
    if redeemed is RedeemReason.RULE_NOT_FOUND:
        raise Problem(Reason.NOT_FOUND, redeemed)
    if not isinstance(redeemed, Redeemed):
        raise Refusal(redeemed)
    return redeemed


async def _undone(connection: asyncpg.Connection, call: Call, coupon_id: UUID) -> Undone:
    """Raises Problem 404 of a coupon that is not there, or another partner's, 409 with the reason."""
    (owned,) = await with_owners(connection, [coupon_id]) or (None,)
    if owned is None:
        raise not_found("couponId")
    customer = await asking(connection, call, owned["customer_id"])
    try:
        undone = await undo(
            connection,
            _by_hand(call, customer),
            _deciding(call, customer),
            coupon_id=str(coupon_id),
        )
    except CONFLICTS as error:
        raise LostRace(str(error)) from error
    if not isinstance(undone, Undone):
        raise Refusal(undone)
    return undone


def _by_hand(call: Call, customer: Asking) -> ByHand:
    return ByHand(
        partner_id=call.partner_id,
        customer_id=customer.customer_id,
        source=SOURCE,
        event_id=str(uuid4()),
        traceparent=call.traceparent,
        locked=customer.locked,
    )


def _deciding(call: Call, customer: Asking) -> Deciding:
    """By the program at the revision that this transaction has seen, which the commit confirms."""
    return Deciding(call.api.manner, known=customer.known.rules)


def _document(redeemed: Redeemed, sections: Sections) -> dict[str, Any]:
    coupon = redeemed.coupon
    ends = coupon.expires_at
    return {
        "code": coupon.shown_code,
        "couponId": coupon.id,
        "startDate": shown_moment(coupon.issued_at),
        "expiryDate": None if ends is None else shown_moment(ends),
        "url": _url(coupon, sections),
        "pin": None,
        "pointsSpent": redeemed.points,
        "pointsBalance": redeemed.balance,
        "codeStatus": coupon.code_status,
    }


def _url(coupon: Coupon, sections: Sections) -> str | None:
    """Where its group says that it is used."""
    handle = coupon.terms.group if coupon.terms is not None else None
    group = sections.group(handle) if handle is not None else None
    return group.url if group is not None else None
