"""Check a code that a customer shows: whose it is, what it is good for, and whether it can be used.

Codes that do not exist for the partner are counted per token, and too many in a minute stop the token for the rest of
it; malformed codes count too. Another partner's code is as unknown as one that nobody has.
"""

from __future__ import annotations

from schemas.partners.staff_coupons import VerifyCode
from services.api.edge.asgi import HEADERS
from services.api.edge.call import Call
from services.api.edge.limits import too_many
from services.api.edge.problems import Problem, Reason, not_found
from services.api.edge.reply import Reply
from services.api.partners.envelope import success
from services.api.partners.staff_answers import found_body, game_body, refused
from services.api.partners.staff_lookups import FoundInGame, by_code, code_in
from services.decisions.till import judge, judge_at_once
from services.domain.coupons.codes import is_prefix
from services.domain.coupons.coupon import Coupon, CouponStatus, Step
from services.domain.coupons.discounts import TermsReason
from services.domain.coupons.lifecycle import closed_reason
from services.domain.coupons.till import TillAnswer


async def verify(call: Call, asked: VerifyCode) -> Reply:
    """200 for a coupon that can be used. Raises Problem 404, 409, 422, 429."""
    _stop_guessing(call)
    prefix, code = code_in(asked.code) or ("", "")
    # Asked also where there is no code: the shop is judged first, and an answer takes as long either way.
    api = call.api
    looked_up = await by_code(
        api.pool, call.partner_id, asked.code, code, asked.shop_id, api.manner.clock_offset
    )
    _stop_guessing(call)  # again: hundreds at once must not learn more than one after the other
    if looked_up is None or not _is_meant(asked.code, prefix, looked_up[0].coupon):
        raise _unknown(call)
    found, coupons_count, games_count = looked_up
    body = found_body(found)
    if reason := closed_reason(found.coupon):
        raise refused(reason, Step.REDEEMED, asked.shop_id, found.coupon, body)
    answer = await _judged(call, found, asked)
    if isinstance(answer, TermsReason):
        raise refused(answer, Step.REDEEMED, asked.shop_id, found.coupon, body)
    return success(
        {
            "coupon": body,
            "discount": answer.discount,
            "usable_here": _usable_at(found, asked.shop_id),
            "owner": {"customer_id": found.customer_id},
            "game": game_body(found),
            "games_count": games_count,
            "coupons_count": coupons_count,
        },
        message="Coupon is valid",
    )


async def _judged(call: Call, found: FoundInGame, asked: VerifyCode) -> TillAnswer | TermsReason:
    """What the coupon's terms say; most of them without asking anybody."""
    answer = judge_at_once(found.coupon, asked.total)
    if answer is not None:
        return answer
    owner, offset = (call.partner_id, found.customer_id), call.api.manner.clock_offset
    async with call.reading() as connection:
        return (await judge(connection, found.coupon, asked.total, owner, offset)).answer


def _is_meant(written: str, prefix: str, coupon: Coupon) -> bool:
    """A code that the partner brought has no prefix."""
    return coupon.external_code == written or is_prefix(prefix, coupon.code_prefix)


def _stop_guessing(call: Call) -> None:
    """Raise Problem 429 for a token that has named too many unknown codes; its headers tell of that limit."""
    standing = call.api.limits.lookups(call.caller.key)
    if standing is not None:
        headers = call.request.scope[HEADERS]
        headers[:] = (dict(headers) | dict(standing.headers())).items()
        raise too_many(standing, Reason.TOO_MANY_LOOKUPS)


def _unknown(call: Call) -> Problem:
    call.api.limits.failed_lookup(call.caller.key)
    return not_found("coupon_id")


def _usable_at(found: FoundInGame, shop_id: int) -> bool:
    coupon = found.coupon
    return coupon.status is CouponStatus.ACTIVE or coupon.reserved_shop_id == shop_id
