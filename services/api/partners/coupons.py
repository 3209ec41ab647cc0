"""`/{locale}/partners/staff/coupons`: what shop staff do: look up, check, take, give back, cancel, issue by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import Depends, Path, Query
from pydantic import BeforeValidator

from schemas.definitions import Definition
from schemas.fields import MAX_ID
from schemas.partners.staff_coupons import (
    CouponAnswer,
    CouponList,
    CouponPreview,
    CouponRedeemed,
    CouponShown,
    CouponVerified,
    IssueByHand,
    StaffRedemption,
    StaffStep,
    VerifyCode,
    read_issue_by_hand,
    read_staff_redemption,
    read_staff_step,
    read_verify_code,
)
from services.api.edge.call import Call
from services.api.edge.description import takes
from services.api.edge.parameters import Whole
from services.api.edge.problems import defined
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.partners import staff_issue, staff_steps, staff_verify
from services.api.partners.call import calling
from services.api.partners.description import gives
from services.api.partners.envelope import success
from services.api.partners.parameters import PageAsked
from services.api.partners.staff_answers import found_body, history_body
from services.api.partners.staff_lists import Wanted, page_of_coupons
from services.api.partners.staff_lookups import by_id, history_of
from services.domain.coupons.coupon import CouponStatus, Step

D = TypeVar("D", bound=Definition)


class StatusAsked(StrEnum):
    """What a list may be asked for: a status, the seeds' word for one, or any."""

    ACTIVE = "active"
    RESERVED = "reserved"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    PENDING = "pending"
    USED = "used"
    ALL = "all"


STATUSES: Final[Mapping[StatusAsked, CouponStatus | None]] = {
    StatusAsked.PENDING: CouponStatus.RESERVED,
    StatusAsked.USED: CouponStatus.REDEEMED,
    StatusAsked.ALL: None,
    **{StatusAsked(status): status for status in CouponStatus},
}

_is_day = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch


def _day(value: Any) -> Any:
    """`2026-03-01` and nothing else that could be read as a date."""
    if isinstance(value, str) and not _is_day(value):
        raise ValueError("not a day")
    return value


router = Router(prefix="/{locale}/partners/staff/coupons", tags=["staff coupons"])

Asked = Annotated[Call, Depends(calling("staff"))]
CouponId = Annotated[UUID, Path()]
Id = Annotated[int, Query(ge=1, le=MAX_ID), Whole]
Day = Annotated[date, BeforeValidator(_day)]
CustomerId = Annotated[str, Query(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
_STEP: dict[str, Any] = {
    "responses": gives(200, CouponAnswer, "The coupon after the step.", 400, 409),
    "openapi_extra": takes(StaffStep),
}


@router.get("", responses=gives(200, CouponList, "A page of coupons, newest first."))
async def list_coupons(
    call: Asked,
    page: PageAsked,
    shop_id: Id,
    status: StatusAsked = StatusAsked.ACTIVE,
    customer_id: CustomerId | None = None,
    game_id: Id | None = None,
    first_day: Annotated[
        Day | None, Query(alias="from", description="Issued on it or later.")
    ] = None,
    last_day: Annotated[
        Day | None, Query(alias="to", description="Issued on it or earlier.")
    ] = None,
) -> Reply:
    """List the coupons a shop may meet: all but those that another shop has reserved or redeemed.

    `total` is exact up to 100,000 coupons. Of more it says that there are so many, or as many as lead to the page after
    the one asked for.
    """
    wanted = Wanted(
        shop_id=shop_id,
        status=STATUSES[status],
        customer_id=customer_id,
        game_id=game_id,
        first_day=first_day,
        last_day=last_day,
    )
    async with call.reading() as connection:
        coupons, total = await page_of_coupons(
            connection, call.partner_id, wanted, page, call.api.manner.clock_offset
        )
    return success({"coupons": list(map(found_body, coupons)), "pagination": page.body(total)})


@router.post(
    "",
    status_code=201,
    responses=gives(201, CouponAnswer, "The new coupon.", 400, 409),
    openapi_extra=takes(IssueByHand),
)
async def issue_coupon(call: Asked) -> Reply:
    """Issue a coupon by hand, by the game's rules of now."""
    return await staff_issue.issue(call, await _read(call, read_issue_by_hand))


@router.post(
    "/verify",
    responses=gives(200, CouponVerified, "A coupon that can be used.", 400, 409),
    openapi_extra=takes(VerifyCode, changes=False),
)
async def verify_code(call: Asked) -> Reply:
    """Say whose coupon a code is and whether it can be used; nothing changes."""
    asked = defined(read_verify_code, await call.exact_object())
    return await staff_verify.verify(call, asked)


@router.get("/{coupon_id}", responses=gives(200, CouponShown, "The coupon and its history."))
async def get_coupon(call: Asked, coupon_id: CouponId) -> Reply:
    """Show a coupon and everything that happened to it."""
    async with call.reading() as connection:
        found = await by_id(connection, coupon_id, call.api.manner.clock_offset)
        history = await history_of(connection, found)
    return success({"coupon": found_body(found) | {"history": history_body(history)}})


@router.post(
    "/{coupon_id}/preview",
    responses=gives(200, CouponPreview, "What redeeming would do.", 400),
    openapi_extra=takes(StaffRedemption, changes=False),
)
async def preview_redeeming(call: Asked, coupon_id: CouponId) -> Reply:
    """Say what redeeming would do; nothing changes."""
    asked = defined(read_staff_redemption, await call.exact_object())
    return await staff_steps.preview(call, coupon_id, asked)


@router.post("/{coupon_id}/reserve", **_STEP)
async def reserve_coupon(call: Asked, coupon_id: CouponId) -> Reply:
    """Hold a coupon for this shop for a while."""
    return await _take(call, coupon_id, Step.RESERVED)


@router.post("/{coupon_id}/release", **_STEP)
async def release_coupon(call: Asked, coupon_id: CouponId) -> Reply:
    """Give a coupon back that this shop has reserved."""
    return await _take(call, coupon_id, Step.RELEASED)


@router.post(
    "/{coupon_id}/redeem",
    responses=gives(200, CouponRedeemed, "The coupon after one use.", 400, 409),
    openapi_extra=takes(StaffRedemption),
)
async def redeem_coupon(call: Asked, coupon_id: CouponId) -> Reply:
    """Use a coupon, once."""
    asked = defined(read_staff_redemption, await call.exact_object())
    return await staff_steps.take(call, coupon_id, Step.REDEEMED, asked)


@router.post("/{coupon_id}/reinstate", **_STEP)
async def reinstate_coupon(call: Asked, coupon_id: CouponId) -> Reply:
    """Make a used coupon active again."""
    return await _take(call, coupon_id, Step.REINSTATED)


@router.post("/{coupon_id}/cancel", **_STEP)
async def cancel_coupon(call: Asked, coupon_id: CouponId) -> Reply:
    """Take a coupon out of use for good."""
    return await _take(call, coupon_id, Step.CANCELLED)


async def _take(call: Call, coupon_id: UUID, step: Step) -> Reply:
    return await staff_steps.take(call, coupon_id, step, await _read(call, read_staff_step))


async def _read(call: Call, read: Callable[[Mapping[str, Any]], D]) -> D:
    return defined(read, await call.json_object())
