"""Steps that staff take on one coupon, and a preview of redeeming it.

A step runs through the same core as every other change of a coupon; its history, its event and its entry in the audit
trail commit with it. A refused step changes nothing, except that what time had done to the coupon by then is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from schemas.fields import rfc3339
from schemas.partners.staff_coupons import StaffRedemption, StaffStep
from services.adapters.postgres.catalogue import PRODUCTS, unknown_entries
from services.adapters.postgres.failures import CONFLICTS, LostRace
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.idempotency import Work, once
from services.api.edge.problems import invalid, not_found
from services.api.edge.reply import Reply
from services.api.partners.envelope import success
from services.api.partners.staff_answers import coupon_body, found_body, game_body, refused
from services.api.partners.staff_lookups import FoundInGame, by_id
from services.decisions.steps import Refusal, StepAnswer, StepRequest, take_step
from services.decisions.till import judge
from services.domain.coupons import lifecycle
from services.domain.coupons.coupon import Coupon, Step
from services.domain.coupons.discounts import TermsReason
from services.domain.coupons.lifecycle import StepRefusal, closed_reason

UNFIT_PRODUCT: Final = {"selected_product_id": ["Must be the id of a product the coupon is for"]}


async def take(call: Call, coupon_id: UUID, step: Step, asked: StaffStep) -> Reply:
    """200 with the coupon after the step. Raises Problem 403, 404, 409, 422."""
    reserve_for = timedelta(seconds=call.api.settings.reservation_ttl_seconds)
    request = StepRequest(
        coupon_id=str(coupon_id),
        step=step,
        shop_id=asked.shop_id,
        actor=call.caller.actor,
        reason=asked.reason or asked.notes or None,
        reserve_for=reserve_for,
        total=asked.total if isinstance(asked, StaffRedemption) else None,
        traceparent=call.traceparent,
    )

    async def work(connection: asyncpg.Connection) -> Reply:
        found = await by_id(connection, coupon_id, call.api.manner.clock_offset, asked.shop_id)
        await _know_product(connection, call, found, asked.selected_product_id)
        closed = closed_reason(found.stored)
        if closed is not None and step is not Step.REINSTATED:
            # Recorded for all to see: no need to wait for the owner's lock, where there may be a queue.
            raise refused(closed, step, asked.shop_id, found.coupon, found_body(found))
        answer = await take_step(connection, request, call.api.manner)
        if answer is None:
            raise not_found("coupon_id")
        body = coupon_body(answer.coupon, found.customer_id, answer.at)
        if answer.refusal is not None:
            return _refused(call, request, answer, answer.refusal, body)
        await _audit(connection, call, step, asked, answer)
        data: dict[str, Any] = {"coupon": body}
        if step is Step.REDEEMED:
            data["discount"] = answer.discount
        return success(data, message=f"Coupon {step} successfully")

    return await once(call, beginning_again(work))


async def preview(call: Call, coupon_id: UUID, asked: StaffRedemption) -> Reply:
    """200 with what redeeming the coupon at this shop would do now. Raises Problem 404, 422."""
    async with call.reading() as connection:
        found = await by_id(connection, coupon_id, call.api.manner.clock_offset, asked.shop_id)
        await _know_product(connection, call, found, asked.selected_product_id)
        owner = (call.partner_id, found.customer_id)
        offset = call.api.manner.clock_offset
        judged = await judge(connection, found.coupon, asked.total, owner, offset)
    step = lifecycle.redeem(found.coupon, found.at, shop_id=asked.shop_id)
    body, problem, discount = found_body(found), None, None
    if isinstance(step, StepRefusal):
        problem = refused(step, Step.REDEEMED, asked.shop_id, found.coupon, body)
    elif isinstance(judged.answer, TermsReason):
        problem = refused(judged.answer, Step.REDEEMED, asked.shop_id, found.coupon, body)
    else:
        body = coupon_body(step.coupon, found.customer_id, found.at)
        discount = judged.answer.discount
    return success(
        {
            "can_apply": problem is None,
            "error_code": problem.error_code if problem else None,
            "reason": problem.message if problem else None,
            "discount": discount,
            "coupon": body,
            "game": game_body(found),
        }
    )


def beginning_again(work: Work) -> Work:
    """`work`, which is to begin again when somebody else was in its way."""

    async def attempt(connection: asyncpg.Connection) -> Reply:
        try:
            return await work(connection)
        except CONFLICTS as error:
            raise LostRace(str(error)) from error

    return attempt


async def _know_product(
    connection: asyncpg.Connection, call: Call, found: FoundInGame, product_id: int | None
) -> None:
    """A game without products leaves the choice among all of the partner's."""
    if product_id is None or product_id in found.product_ids:
        return
    if found.product_ids or await unknown_entries(
        connection, PRODUCTS, call.partner_id, [product_id]
    ):
        raise invalid(UNFIT_PRODUCT)


def _refused(
    call: Call,
    request: StepRequest,
    answer: StepAnswer,
    refusal: Refusal,
    body: Mapping[str, Any],
) -> Reply:
    """The refusal: raised where nothing is to be kept, returned where time's own steps are."""
    problem = refused(refusal, request.step, request.shop_id, answer.coupon, body)
    if answer.coupon.steps == answer.before.steps:
        raise problem
    return call.failure(problem)


async def _audit(
    connection: asyncpg.Connection, call: Call, step: Step, asked: StaffStep, answer: StepAnswer
) -> None:
    said = asked.model_dump(exclude_none=True)
    await audit.record(
        connection,
        call,
        f"coupon.{step}",
        answer.coupon.id,
        before=_state(answer.before),
        after={**_state(answer.coupon), **said},
    )


def _state(coupon: Coupon) -> dict[str, Any]:
    """What a step may change of a coupon."""
    instants = {"reserved_until": coupon.reserved_until, "redeemed_at": coupon.redeemed_at}
    return {
        "status": coupon.status,
        "reserved_shop_id": coupon.reserved_shop_id,
        "redeemed_order_id": coupon.redeemed_order_id,
        "used_count": coupon.used_count,
        **{name: None if at is None else rfc3339(at) for name, at in instants.items()},
    }
