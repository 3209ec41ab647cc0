"""Answers that wait a while for a coupon's code, which the partner's own system is asked for.

Looked for again and again, each time in a transaction of its own: who waits holds no connection meanwhile, and nobody
who does not has to tell who does.
"""

from __future__ import annotations

import asyncio
from typing import Final

import orjson

from services.adapters.postgres.coupons import coupon_from, with_owners
from services.adapters.postgres.failures import OF_POSTGRES, Errors
from services.api.edge.call import Call
from services.api.edge.problems import Problem
from services.api.edge.reply import Reply
from services.api.gameball_v4.documents import shown
from services.domain.coupons.coupon import CodeStatus, Coupon
from services.runtime.backoff import pause

WAIT_SECONDS: Final = 5.0
FIRST_LOOK_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 0.25
CANNOT_LOOK: Errors = (Problem, TimeoutError, *OF_POSTGRES)


async def with_code(call: Call, reply: Reply) -> Reply:
    """The answer about a coupon with the code that it has by now, awaited while it is to come.

    One that was stored says what was known then, so a repetition waits, and learns, as the first request does. What
    was done is done: where the code cannot be looked for the answer stands as it is.
    """
    document = orjson.loads(reply.body)
    if document["codeStatus"] == CodeStatus.FINAL:
        return reply
    try:
        coupon = await _awaited(call, document["couponId"])
    except CANNOT_LOOK:
        return reply
    answer = shown({**document, "code": coupon.shown_code, "codeStatus": coupon.code_status})
    if all(name in reply.headers for name in call.dialect.replayed):
        answer.headers.update(call.dialect.replayed)
    return answer


async def _awaited(call: Call, coupon_id: str) -> Coupon:
    """The coupon once its code is final, or as it is when the time is over, or this process is to stop."""
    loop = asyncio.get_running_loop()
    ends_at, seconds = loop.time() + WAIT_SECONDS, FIRST_LOOK_SECONDS
    while True:
        async with call.reading() as connection:
            (row,) = await with_owners(connection, [coupon_id])
        coupon = coupon_from(row)
        left = ends_at - loop.time()
        if not coupon.code_is_pending or left <= 0 or call.api.stopping.is_set():
            return coupon
        await pause(call.api.stopping, min(seconds, left))
        seconds = min(2 * seconds, LONGEST_PAUSE_SECONDS)
