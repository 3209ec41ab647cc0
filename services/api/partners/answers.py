"""What is answered when no route did: exceptions by type, each to its row in the table of errors."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from services.adapters.postgres.failures import TRY_AGAIN
from services.api.edge.asgi import REQUEST_ID
from services.api.partners.envelope import MESSAGES, NOT_FOUND, Problem, failure, invalid
from services.api.partners.parameters import FALLBACK
from services.api.partners.parameters import MESSAGES as PARAMETER_MESSAGES

RETRY_SECONDS = 1

log = logging.getLogger(__name__)


def add_answers(app: FastAPI) -> None:
    """Every error of `app` leaves in the envelope. What is not named here is the edge's: 500."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _parameters)
    for kind in TRY_AGAIN:
        app.add_exception_handler(kind, _try_again)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return failure(error, request.scope[REQUEST_ID])


async def _http(request: Request, error: Exception) -> Response:
    """Paths and methods that are not there."""
    assert isinstance(error, HTTPException)
    status = error.status_code if error.status_code in MESSAGES else 400
    headers = dict(error.headers or {})
    if status == 405 and (allowed := _allowed(request)):
        headers["allow"] = allowed
    return failure(Problem(status, headers=headers), request.scope[REQUEST_ID])


def _allowed(request: Request) -> str:
    """The methods of every route of this path: the framework itself names those of the first."""
    path = request.url.path
    methods: set[str] = set()
    for route in request.app.state.routes:
        if isinstance(route, APIRoute) and route.path_regex.match(path):
            methods |= route.methods or set()
    return ", ".join(sorted(methods))


async def _parameters(request: Request, error: Exception) -> Response:
    """A path that can name nothing is 404; a query parameter that breaks its rule 422."""
    assert isinstance(error, RequestValidationError)
    return failure(_judged(error.errors()), request.scope[REQUEST_ID])


def _judged(errors: Sequence[Mapping[str, Any]]) -> Problem:
    found: dict[str, list[str]] = {}
    for error in errors:
        place, name, *_ = (*map(str, error["loc"]), "")
        if place == "path":
            return Problem(404, NOT_FOUND.get(name))
        found[name] = [PARAMETER_MESSAGES.get(name, FALLBACK)]
    return invalid(found)


async def _try_again(request: Request, error: Exception) -> Response:
    request_id = request.scope[REQUEST_ID]
    log.warning("database: %r", error, extra={"request_id": request_id})
    return failure(Problem(503, headers={"retry-after": str(RETRY_SECONDS)}), request_id)
