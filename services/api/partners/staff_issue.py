"""Issue a coupon by hand over HTTP: the request is the event; see `services.decisions.by_hand`.

The event's id is made here: `X-Request-Id` is the callers' own, and two requests may carry the same one. What makes a
request once and for all the same is its `Idempotency-Key`.
"""

from __future__ import annotations

from uuid import uuid4

import asyncpg

from schemas.partners.staff_coupons import IssueByHand
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.idempotency import once
from services.api.edge.reply import Reply
from services.api.partners.envelope import success
from services.api.partners.staff_answers import declined, found_body
from services.api.partners.staff_lookups import by_id
from services.api.partners.staff_steps import beginning_again
from services.decisions import by_hand
from services.decisions.by_hand import IssuedByHand, issue_by_hand
from services.decisions.transaction import Deciding


async def issue(call: Call, asked: IssueByHand) -> Reply:
    """201 with the coupon. Raises Problem 409 with the reason for which the rules decline."""

    async def work(connection: asyncpg.Connection) -> Reply:
        wanted = by_hand.IssueByHand(
            partner_id=call.partner_id,
            game_id=asked.game_id,
            customer_id=asked.customer_id,
            event_id=str(uuid4()),
            traceparent=call.traceparent,
        )
        # Rules of its own for each request: what one partner may see is not kept for another.
        deciding = Deciding(call.api.manner)
        answer = await issue_by_hand(connection, wanted, deciding)
        if not isinstance(answer, IssuedByHand):
            raise declined(answer)
        await audit.record(
            connection, call, "coupon.issued", answer.coupon_id, after=asked.model_dump()
        )
        found = await by_id(connection, answer.coupon_id, call.api.manner.clock_offset)
        return success(
            {"coupon": found_body(found)},
            status=201,
            message="Coupon issued successfully",
        )

    return await once(call, beginning_again(work))
