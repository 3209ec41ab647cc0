"""What is answered when no route did: exceptions by type, each a problem that the request's dialect says."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfoNotFoundError

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from services.adapters.postgres.failures import UNSERVED
from services.api.edge.asgi import REQUEST_ID
from services.api.edge.dialect import DIALECT, Dialect
from services.api.edge.problems import Problem, Reason, general, not_found, unavailable
from services.api.edge.reply import Reply
from services.domain.unjudged import Unjudgeable

OURS: Final = (Unjudgeable, ZoneInfoNotFoundError)
"""What is wrong with this machine or release, and not with the request."""

log = logging.getLogger(__name__)


def add_answers(app: FastAPI) -> None:
    """Every error of `app` leaves in its dialect. What is not named here is the edge's: 500."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _parameters)
    for kind in UNSERVED:
        app.add_exception_handler(kind, _try_again)
    for kind in OURS:
        app.add_exception_handler(kind, _not_here)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(request, error)


async def _http(request: Request, error: Exception) -> Response:
    """Paths and methods that are not there."""
    assert isinstance(error, HTTPException)
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 405 and (allowed := _allowed(request)):
        headers["allow"] = allowed
    return _answer(request, Problem(general(error.status_code), headers=headers))


def _allowed(request: Request) -> str:
    """The methods of every route of this path: the framework itself names those of the first.

    Of `/coupons/verify` those are not that would read it as a coupon's id.
    """
    path = request.url.path
    routes = [
        route
        for route in request.app.state.routes
        if isinstance(route, APIRoute) and route.path_regex.match(path)
    ]
    fewest = min((len(route.param_convertors) for route in routes), default=0)
    methods: set[str] = set()
    for route in routes:
        if len(route.param_convertors) == fewest:
            methods |= route.methods or set()
    return ", ".join(sorted(methods))


async def _parameters(request: Request, error: Exception) -> Response:
    """A path that can name nothing is 404; a query parameter that breaks its rule 422."""
    assert isinstance(error, RequestValidationError)
    return _answer(request, _judged(error.errors()))


def _judged(errors: Sequence[Mapping[str, Any]]) -> Problem:
    found: dict[str, list[str]] = {}
    for error in errors:
        part, name, *_ = (*map(str, error["loc"]), "")
        if part == "path":
            return not_found(name)
        found[name] = [error["msg"]]
    return Problem(Reason.PARAMETERS_INVALID, errors=found)


async def _try_again(request: Request, error: Exception) -> Response:
    log.warning("database: %r", error, extra={"request_id": request.scope[REQUEST_ID]})
    return _answer(request, unavailable())


async def _not_here(request: Request, error: Exception) -> Response:
    """A time zone that is not installed here, rules or coupons that a newer release wrote."""
    log.error("cannot be told here: %s", error, extra={"request_id": request.scope[REQUEST_ID]})
    return _answer(request, unavailable())


def _answer(request: Request, problem: Problem) -> Reply:
    dialect: Dialect = request.scope[DIALECT]
    return dialect.answer(problem, request.scope[REQUEST_ID])
