"""The outermost layer, plain ASGI: request ids, the dialect, the body, and an end for whatever went wrong.

The body is read here, whole, within its size and its time: nobody further in waits for a client, least of all while
holding a connection to the database.

`X-Request-Id` is taken from the request where it is one word of sensible length, else made; every answer carries it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Sequence
from secrets import token_hex
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.edge import metrics
from services.api.edge.dialect import DIALECT, Dialect, dialect_of
from services.api.edge.problems import Problem, Reason, unavailable

BODY_SECONDS: Final = 15.0
"""How long a body may take to come."""

THROWN_AWAY_BYTES: Final = 8 * 1024 * 1024
"""How much of a body that is too large is still read: who is sending sees no answer, only that the connection broke."""

HEADERS: Final = "couponry.headers"
REQUEST_ID: Final = "couponry.request_id"
"""Keys of the ASGI scope: (name, value) pairs that the answer will carry, and the request's id."""

CLOSING: Final = {"connection": "close"}
"""Of an answer to a request that was not read to its end."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_is_request_id = re.compile(r"[!-~]{1,128}").fullmatch

log = logging.getLogger(__name__)


class _TooLarge(Exception):
    """The body went on beyond the limit, in bytes."""


class Edge:
    """Wraps the application. The first dialect answers for paths that are nobody's."""

    def __init__(self, app: ASGIApp, dialects: Sequence[Dialect]) -> None:
        self._app = app
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given, length, waits = _of_interest(scope["headers"])
        request_id = given if _is_request_id(given) else token_hex(8)
        headers: list[tuple[str, str]] = [("x-request-id", request_id)]
        scope[REQUEST_ID], scope[HEADERS] = request_id, headers
        dialect = scope[DIALECT] = dialect_of(scope["path"], self._dialects)
        if dialect.canonical is not None:
            scope["path"] = dialect.canonical(scope["path"], scope.get("raw_path") or b"")
        begun_at = time.perf_counter()
        status = 0
        most = dialect.largest_body(scope["path"])

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    *((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers),
                ]
            await send(message)

        try:
            if scope["path"].endswith("\n"):
                raise Problem(Reason.NOT_FOUND)  # to a route's pattern it would be as if not there
            has_more = length is not None and (not length.isdigit() or int(length) > most)
            if has_more and waits:
                raise _TooLarge(most)  # it will not even be sent
            body = await _whole_body(receive, most, has_more=has_more)
            if body is None:
                return  # nobody is there any more
            await self._app(scope, _again(body, receive), answered)
        except Exception as error:
            problem = _problem(error, request_id)
            if status:
                raise  # the answer has begun: all that is left is to cut it off
            await dialect.answer(problem, request_id)(scope, receive, answered)
        finally:
            route: Any = scope.get("route")
            path = getattr(route, "path", "none")
            # Neither label may be of a caller's making: every new value is a new series.
            method = scope["method"] if scope["method"] in METHODS else "other"
            metrics.REQUESTS.labels(method, path, status).inc()
            metrics.SECONDS.labels(path).observe(time.perf_counter() - begun_at)


async def _whole_body(receive: Receive, most: int, *, has_more: bool) -> bytes | None:
    """All of it; None from a client that has gone. Raises _TooLarge, and Problem 408 for one that does not come.

    `has_more` where it is known to be too large: then, as soon as it turns out to be, nothing of it is kept.
    """
    parts: list[bytes] = []
    left = -1 if has_more else most
    try:
        async with asyncio.timeout(BODY_SECONDS):
            is_coming = True
            while is_coming and left > -THROWN_AWAY_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                part = message.get("body", b"")
                left -= len(part)
                if left < 0:
                    parts.clear()
                else:
                    parts.append(part)
                is_coming = message.get("more_body", False)
    except TimeoutError:
        if left >= 0:
            raise Problem(Reason.BODY_LATE, headers=CLOSING) from None
    if left < 0:
        raise _TooLarge(most)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body as one message; after it what comes."""
    is_told = False

    async def told() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return told


def _problem(error: Exception, request_id: str) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, _TooLarge):
        return Problem(Reason.BODY_TOO_LARGE, str(error), headers=CLOSING)
    if isinstance(error, asyncio.TimeoutError):
        return unavailable()
    log.error("request failed", exc_info=error, extra={"request_id": request_id})
    return Problem(Reason.BROKEN)


def _of_interest(headers: list[tuple[bytes, bytes]]) -> tuple[str, str | None, bool]:
    """The request's id, the length of its body, and whether it is sent only once it is asked for."""
    request_id, length, waits = "", None, False
    for name, value in headers:
        if name == b"x-request-id":
            request_id = value.decode("latin-1")
        elif name == b"content-length":
            length = value.decode("latin-1")
        elif name == b"expect":
            waits = value.lower() == b"100-continue"
    return request_id, length, waits
