"""Events that partners tell over HTTP: queued for the topic that they belong on, and decided there like any other.

An event's id is the request's `Idempotency-Key`, so that a repetition is one for ever; without one it gets one of ours.
"""

from __future__ import annotations

from uuid import uuid4

import asyncpg
from pydantic import ValidationError

from schemas.events.reading import READERS
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.idempotency import HEADER
from services.api.edge.problems import invalid
from services.decisions.queueing import Told, queue


async def tell(
    connection: asyncpg.Connection,
    call: Call,
    *,
    topic: str,
    type: str,
    customer_id: str,
    value: str,
) -> str:
    """Queue the event whose data this is, in the transaction of `once`, with an entry in the audit. Returns its id.

    Raises Problem 422 for data that nobody could read off the topic.
    """
    try:
        READERS[type].binary(value.encode())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise invalid({".".join(map(str, first["loc"])): [first["msg"]]}) from None
    event_id = call.request.headers.get(HEADER) or str(uuid4())
    told = Told(
        partner_id=call.partner_id,
        customer_id=customer_id,
        topic=topic,
        type=type,
        id=event_id,
        value=value,
        traceparent=call.traceparent,
    )
    await queue(connection, told, call.api.manner)
    # Whose and which; what it says is in the event itself.
    about = {"topic": topic, "type": type, "customer_id": customer_id}
    await audit.record(connection, call, "event.told", event_id, after=about)
    return event_id
