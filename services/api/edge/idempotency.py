"""`Idempotency-Key`: the answer to a request is stored with what it changed, and the same request gets it again.

A refused request has changed nothing, so nothing is stored of it and its repetition is judged anew. A repetition that
comes while the first is at work waits for it, by the key's own row. Keys are a partner's own and hold for 24 hours,
or for as long as the settings say.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from decimal import MAX_PREC, Context, Decimal
from typing import Final, NoReturn

import asyncpg
import orjson

from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.queries import queries
from services.api.edge.call import Call
from services.api.edge.problems import Problem, Reason, unavailable
from services.api.edge.reply import Reply

HEADER: Final = "Idempotency-Key"
ATTEMPTS: Final = 5
"""Of one request that lost a race: the winner has committed, so the next attempt sees its work."""

_EXACT: Final = 2**53
_ALL_DIGITS: Final = Context(prec=MAX_PREC)
is_key = re.compile(r"[\x21-\x7e]{1,255}").fullmatch
"""Whether a text can be a key: visible ASCII, and not too much of it."""
_SQL = queries("idempotency", __package__)

Work = Callable[[asyncpg.Connection], Awaitable[Reply]]
Told = Callable[[bytes], Mapping[str, str]]
"""The headers that a body calls for, besides those of every answer."""


def _nothing(_: bytes) -> Mapping[str, str]:
    return {}


async def once(call: Call, work: Work, *, keeps: bool = True, told: Told = _nothing) -> Reply:
    """Run `work` in one transaction of the caller's partner, or answer as it was answered before.

    `work` may run again after a lost race, always in a new transaction. Raises what it raises, and Problem 422 for a
    key that is none or belongs to another request. `keeps=False` for a dry run: nothing is kept, the answer neither.
    Bodies are stored without their headers, so those of a route's own are `told` by the body, the first time as again.
    """
    key = call.request.headers.get(HEADER)
    if key is not None and not is_key(key):
        raise Problem(Reason.KEY_MALFORMED)
    for _ in range(ATTEMPTS):
        try:
            async with call.writing(wakes_relay=True, keeps=keeps) as connection:
                if key is None or not keeps:
                    reply = await work(connection)
                else:
                    reply = await _once(call, connection, key, work)
        except LostRace:
            continue
        reply.headers.update(told(bytes(reply.body)))
        return reply
    raise unavailable()


async def _once(call: Call, connection: asyncpg.Connection, key: str, work: Work) -> Reply:
    digest = await _digest(call)
    held = timedelta(hours=call.api.settings.idempotency_retention_hours)
    if not await connection.fetchval(_SQL["take_key"], call.partner_id, key, digest, held):
        (stored,) = await connection.fetch(_SQL["stored_answer"], call.partner_id, key)
        if stored["request_hash"] != digest:
            raise Problem(Reason.KEY_REUSED)
        return Reply(
            stored["body"].encode(),
            status_code=stored["status"],
            headers=call.dialect.replayed,
        )
    await connection.execute(_SQL["forget_old_keys"], call.partner_id, held)
    reply = await work(connection)
    await connection.execute(
        _SQL["store_answer"], call.partner_id, key, reply.status_code, bytes(reply.body).decode()
    )
    return reply


async def _digest(call: Call) -> bytes:
    """What makes a request the same one: method, path, query, and what the body says however it is written."""
    request = call.request
    parts = (request.method, request.url.path, request.url.query)
    return hashlib.sha256("\n".join(parts).encode() + b"\n" + _said(await request.body())).digest()


def _said(body: bytes) -> bytes:
    """JSON without white space, names in order, numbers by value: 1 and 1.0 are one. What is no JSON as it is."""
    try:
        said = json.loads(body.decode(), parse_float=_number, parse_constant=_no_number)
        return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    except (ValueError, ArithmeticError, RecursionError, orjson.JSONEncodeError):
        return body


def _number(text: str) -> int | float | str:
    """A number by its value, to the last digit: what a double does not hold is a text that no number is written as."""
    exactly = Decimal(text)
    if exactly == exactly.to_integral_value() and abs(exactly) < _EXACT:
        return int(exactly)
    nearly = float(text)
    return nearly if Decimal(repr(nearly)) == exactly else f"\0{exactly.normalize(_ALL_DIGITS)}"


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
