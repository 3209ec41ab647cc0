"""What every dialect owes the edge and its callers: no route left out, none open to all, none undescribed."""

from __future__ import annotations

import ast
import inspect
import pkgutil
from functools import cache
from importlib import import_module
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import create_model

from services import api
from services.api.app import DIALECTS, unserved_app
from services.api.edge import audit, idempotency
from services.api.edge.description import takes
from services.api.edge.dialect import Dialect, dialect_of
from services.api.edge.idempotency import HEADER
from services.api.edge.problems import STATUSES, Problem, Reason
from services.api.partners.dialect import PARTNERS
from services.api.partners.messages import MESSAGES, NOT_FOUND, PARAMETERS

ROUTES = [
    pytest.param(dialect, route, id=f"{dialect.name} {route.name}")
    for dialect in DIALECTS
    for router in dialect.routers
    for route in router.routes
    if isinstance(route, APIRoute)
]
OFTEN = {"401", "403", "404", "422", "429", "503"}
"""Any route may answer with these."""


def test_dialects_are_all_listed() -> None:
    """Every package beside the edge is a dialect of that name, and `app.py` serves it."""
    rooms = {room.name for room in pkgutil.iter_modules(api.__path__) if room.ispkg} - {"edge"}
    assert {dialect.name for dialect in DIALECTS} == rooms


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_dialect_lists_every_router(dialect: Dialect) -> None:
    """A resource whose router is in no list would be served nowhere, and nothing else would tell."""
    package = import_module(f"services.api.{dialect.name}")
    forgotten = [
        f"{module.name}.{name}"
        for module in pkgutil.iter_modules(package.__path__)
        for name, value in vars(import_module(f"{package.__name__}.{module.name}")).items()
        if isinstance(value, APIRouter) and not any(value is router for router in dialect.routers)
    ]
    assert forgotten == []


@pytest.mark.parametrize(("dialect", "route"), ROUTES)
def test_dialect_owns_its_routes(dialect: Dialect, route: APIRoute) -> None:
    """A route outside the prefix would be refused in another dialect's words."""
    assert dialect_of(route.path, DIALECTS) is dialect
    assert dialect.prefix.match(route.path)


@pytest.mark.parametrize(("dialect", "route"), ROUTES)
async def test_dialect_asks_who_calls(
    http: httpx.AsyncClient, dialect: Dialect, route: APIRoute
) -> None:
    """Without credentials every route is 401 in its dialect's body, before anything else is looked at."""
    path = route.path.replace("{locale}", "en")
    headers = {"x-request-id": "abc"}
    answer = await http.request(min(route.methods or ()), path, content=b"{", headers=headers)
    status, body = dialect.failure(Problem(Reason.UNAUTHENTICATED), "abc")
    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize(("dialect", "route"), ROUTES)
def test_dialect_describes_its_routes(dialect: Dialect, route: APIRoute) -> None:
    """A sentence, the model of the success and of each error that any route may give, the credentials."""
    operation = operations()[route.name]
    assert operation.get("description", "").endswith("."), "no docstring"
    described = {status: answer.get("content") for status, answer in operation["responses"].items()}
    assert described.keys() >= OFTEN
    assert all(content for content in described.values()), "an answer without a model: `gives`"
    assert [status for status in described if status < "300"] == [str(route.status_code or 200)]
    assert operation["security"], "outside the prefix"


@pytest.mark.parametrize(("dialect", "route"), ROUTES)
def test_dialect_does_a_change_once_and_keeps_who_made_it(
    dialect: Dialect, route: APIRoute
) -> None:
    """A route that changes something goes through `once`, and writes into the audit trail with what it changes."""
    headers = {parameter["name"] for parameter in operations()[route.name].get("parameters", ())}
    changes = HEADER in headers or bool((route.methods or set()) & {"PUT", "PATCH", "DELETE"})
    reached = reachable(route.endpoint)
    assert (idempotency.once in reached, audit.record in reached) == (changes, changes)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("reason", Reason)
def test_dialect_says_every_problem(dialect: Dialect, reason: Reason) -> None:
    """Whatever the edge may raise has a status of its kind and a body with the request's id."""
    status, body = dialect.failure(Problem(reason, "this"), "abc")
    assert status // 100 == STATUSES[reason] // 100
    assert "abc" in body.values()


def test_partners_have_a_sentence_for_everything() -> None:
    """Every reason, every path parameter and every query parameter of a partner's route has its words."""
    assert set(MESSAGES) == set(Reason)
    named: dict[str, set[str]] = {"path": set(), "query": set(), "header": set()}
    routes = {route.name for router in PARTNERS.routers for route in router.routes}  # type: ignore[attr-defined]
    for name in routes:
        for parameter in operations()[name]["parameters"]:
            named[parameter["in"]].add(parameter["name"])
    assert named["path"] - {"locale"} == set(NOT_FOUND)
    assert named["query"] == set(PARAMETERS)


def test_dialects_share_no_name_of_a_body() -> None:
    """One document describes all of them, and a second body of the same name would take the first one's place."""
    with pytest.raises(ValueError, match="two bodies are called Shop"):
        takes(create_model("Shop", another=(int, ...)))


def reachable(function: Any) -> set[FunctionType]:
    """A function of the API and those of the API that its code names, and theirs."""
    found: set[FunctionType] = set()
    waiting = [function]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        for node in ast.walk(ast.parse(dedent(inspect.getsource(one)))):
            if isinstance(node, ast.Name | ast.Attribute):
                named = attribute_of(one.__globals__, ast.unparse(node))
                if isinstance(named, FunctionType) and named.__module__.startswith(api.__name__):
                    waiting.append(named)
    return found


def attribute_of(names: dict[str, Any], path: str) -> Any:
    """What `a` or `a.b` stands for among a module's names; None if that is not known."""
    first, *rest = path.split(".")
    value = names.get(first)
    for part in rest:
        value = getattr(value, part, None) if isinstance(value, ModuleType) else None
    return value


@cache
def operations() -> dict[str, dict[str, Any]]:
    """Every operation of the description by the name of its route: making it takes a third of a second."""
    paths = unserved_app().openapi()["paths"]
    return {
        operation["operationId"]: operation
        for path in paths.values()
        for operation in path.values()
    }
