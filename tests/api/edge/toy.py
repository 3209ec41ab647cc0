"""A second dialect, as small as one can be: keys in a header, errors of its own shape, one resource.

A key reads `<partner>` or `<partner>+`; with the plus it may write.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import asyncpg
from fastapi import Depends, Path, Query, Request

from services.adapters.postgres.failures import LostRace
from services.api.edge import audit
from services.api.edge.call import Call, admit
from services.api.edge.dialect import Caller, Dialect
from services.api.edge.idempotency import once
from services.api.edge.parameters import Whole
from services.api.edge.problems import Problem, Reason, not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router

router = Router(prefix="/toy/v1")

_is_key = re.compile(r"([0-9]{1,18})(\+?)").fullmatch


def calling(scope: str) -> Callable[..., Awaitable[Call]]:
    """The call of a key that may do this."""

    async def call(request: Request) -> Call:
        return await admit(request, scope)

    return call


Reading = Annotated[Call, Depends(calling("read"))]
Writing = Annotated[Call, Depends(calling("write"))]


@router.get("/things/{thing}")
async def show_thing(
    call: Reading,
    thing: Annotated[int, Path(), Whole],
    depth: Annotated[int, Query(ge=1), Whole] = 1,
) -> Reply:
    """Show a thing, which is a shop; no query of it says whose."""
    async with call.reading() as connection:
        name = await connection.fetchval("SELECT name FROM shops WHERE id = $1", thing)
    if name is None:
        raise not_found("thing")
    return Reply({"thing": thing, "name": name})


@router.post("/things")
async def add_thing(call: Writing) -> Reply:
    """Add a thing, once."""
    body = await call.json_object()

    async def work(connection: asyncpg.Connection) -> Reply:
        insert = "INSERT INTO shops (partner_id, name) VALUES ($1, $2) RETURNING id"
        thing = await connection.fetchval(insert, call.partner_id, body["name"])
        await audit.record(connection, call, "thing.added", thing, after=body)
        return Reply({"thing": thing}, status_code=201)

    return await once(call, work)


@router.post("/races")
async def lose(call: Writing) -> Reply:
    """Lose every race."""

    async def work(_: asyncpg.Connection) -> Reply:
        raise LostRace("somebody else came first")

    return await once(call, work)


@router.get("/failures/{kind}")
async def fail(call: Reading, kind: str) -> Reply:
    """Raise what a route may run into."""
    raise {
        "bug": RuntimeError("a bug"),
        "busy": asyncpg.DeadlockDetectedError("busy"),
        "late": TimeoutError(),
    }[kind]


async def authenticate(request: Request) -> Caller:
    """The partner of the key."""
    key = _is_key(request.headers.get("x-toy-key", ""))
    if key is None:
        raise Problem(Reason.UNAUTHENTICATED)
    return Caller(
        partner_id=int(key[1]),
        scopes=frozenset({"read", "write"} if key[2] else {"read"}),
        actor=f"toy:{key[1]}",
        key=key[0],
    )


def failure(problem: Problem, request_id: str) -> tuple[int, dict[str, Any]]:
    """Its own shape, and for a reused key its own status."""
    status = 409 if problem.reason is Reason.KEY_REUSED else problem.status
    return status, {"oops": problem.reason, "what": problem.about, "seen": request_id}


TOY: Final = Dialect(
    name="toy",
    prefix=re.compile(r"/toy/"),
    routers=(router,),
    authenticate=authenticate,
    failure=failure,
    replayed={"x-toy-again": "yes"},
    security={"toyKey": {"type": "apiKey", "in": "header", "name": "x-toy-key"}},
)
