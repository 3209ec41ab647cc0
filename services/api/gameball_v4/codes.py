"""`/configurations/coupon-groups/{handle}/codes`: codes that a group is to issue in place of ours."""

from __future__ import annotations

from typing import Any

import asyncpg
import orjson

from schemas.gameball_v4.answers import CodesAdded
from schemas.gameball_v4.coupon_groups import CouponGroup
from schemas.gameball_v4.pool_codes import PoolCodes, codes_sent
from services.adapters.postgres.pools import add_codes, left_of, open_pool
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.description import takes
from services.api.edge.idempotency import once
from services.api.edge.problems import Problem, Reason, defined, not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4.call import Writing
from services.api.gameball_v4.description import gives
from services.api.gameball_v4.documents import shown
from services.api.gameball_v4.groups import Handle
from services.api.gameball_v4.programs import program_of

router = Router(prefix="/api/v4/integrations/configurations/coupon-groups", tags=["coupon-groups"])


@router.post(
    "/{handle}/codes",
    responses=gives(200, CodesAdded, "What became of them.", 400, 409),
    openapi_extra=takes(PoolCodes),
)
async def add_group_codes(call: Writing, handle: Handle) -> Reply:
    """Give a group codes to issue, behind those it has. From then on it issues its codes, and no others.

    A code that is somebody's already is named and left out: one of the partner's, or one that reads as ours.
    """
    codes = defined(codes_sent, await _sent(call))

    async def work(connection: asyncpg.Connection) -> Reply:
        await _group(connection, call, handle)
        added = await add_codes(connection, call.partner_id, handle, codes)
        if added.accepted:
            await open_pool(connection, call.partner_id, handle)
        group = await _group(connection, call, handle)  # it may have been deleted meanwhile
        left = await left_of(connection, call.partner_id, {handle: group.max_total})
        numbers = {"accepted": added.accepted, "duplicates": len(added.duplicates)}
        await audit.record(connection, call, "coupon_group.codes_added", handle, after=numbers)
        return shown(
            {
                "accepted": added.accepted,
                "duplicates": added.duplicates,
                "remaining": left[handle],
            }
        )

    return await once(call, work)


async def _sent(call: Call) -> dict[str, Any] | list[Any]:
    """The body, however many commas and colons: codes may be full of them, and of all else one list is read."""
    try:
        document = orjson.loads(await call.request.body())
    except orjson.JSONDecodeError as error:
        raise Problem(Reason.BODY_NOT_JSON, str(error)) from None
    if not isinstance(document, dict | list):
        raise Problem(Reason.BODY_NO_OBJECT, "object")
    return document


async def _group(connection: asyncpg.Connection, call: Call, handle: str) -> CouponGroup:
    """The group as it is at this moment. Raises Problem 404."""
    group = (await program_of(connection, call)).sections.group(handle)
    if group is None:
        raise not_found("handle")
    return group
