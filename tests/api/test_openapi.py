"""The description and the API agree: generated file, every operation fuzzed against what it promises."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance

from services.api.app import unserved_app
from services.api.generate import is_stale
from services.runtime.health import Health, add_health, health_app
from services.runtime.serving import serving
from tests.api.stand import Partner
from tests.stand.copies import Copies

EXAMPLES_PER_OPERATION = int(os.environ.get("FUZZ_EXAMPLES", "15"))
SEED = int(os.environ.get("FUZZ_SEED", "0")) or secrets.randbelow(2**32) + 1
"""A new one each run; a failure names it."""
OPERATIONS = [
    (method.upper(), path)
    for path, operations in unserved_app().openapi()["paths"].items()
    for method in operations
]


@pytest.fixture(scope="module")
async def url(app: FastAPI) -> AsyncIterator[str]:
    """The application behind a real server."""
    async with serving(app, "127.0.0.1", 0, announce_as="api") as address:
        yield address


def test_openapi_file_is_current() -> None:
    """`python -m services.api.generate` was run after the last change of a route or a body."""
    assert not is_stale()


async def test_openapi_is_served(http: httpx.AsyncClient) -> None:
    """3.1, with a scheme for every credential, and a page for people that fetches nothing from elsewhere."""
    document = (await http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert list(document["components"]["securitySchemes"]) == [
        "partnerToken",
        "apiKey",
        "secretKey",
        "storeId",
    ]
    assert document["servers"]


def test_openapi_says_who_may_ask_and_what_can_go_wrong() -> None:
    """Of every operation, also of those that every process serves, as linters of descriptions want it."""
    served = unserved_app()
    add_health(served, Health("api"))
    for document in (served.openapi(), health_app(Health("issuer")).openapi()):
        assert document["servers"]
        assert document["info"]["license"]["identifier"] == "Apache-2.0"
        operations = [one for path in document["paths"].values() for one in path.values()]
        assert len({operation["operationId"] for operation in operations}) == len(operations)
        for operation in operations:
            assert "security" in operation, operation["operationId"]
            assert any(status.startswith("4") for status in operation["responses"])
        assert "text/plain" in document["paths"]["/metrics"]["get"]["responses"]["200"]["content"]


def test_openapi_tells_of_bodies_that_are_late_or_too_large() -> None:
    """Any request may have one, also where none is read."""
    paths = unserved_app().openapi()["paths"]
    for method, path in OPERATIONS:
        responses = paths[path][method.lower()]["responses"]
        assert responses.keys() >= {"408", "413"}, (method, path)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_openapi_operation_keeps_its_word(
    url: str, partner: Partner, copies: Copies, method: str, path: str
) -> None:
    """Whatever is sent, good or bad: no 500, a documented status, and a body of the documented shape."""
    # Hypothesis does not bear anybody else of this process to use `random`, as the client does that drops topics.
    await copies.dropped()
    await asyncio.to_thread(fuzz, url, partner, method, path)


def fuzz(url: str, partner: Partner, method: str, path: str) -> None:
    """Send generated requests to one operation and judge every answer."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")

    @schema.auth()
    class _Credentials:
        def get(self, case: Case[Any], ctx: schemathesis.AuthContext) -> Partner:
            return partner

        def set(self, case: Case[Any], data: Partner, ctx: schemathesis.AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {data.token}"
            case.headers["storeId"] = data.store_id
            case.headers["apiKey"], case.headers["secretKey"] = data.api_key, data.secret_key

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES_PER_OPERATION,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method].as_strategy())
    def run(case: Case[Any]) -> None:
        # Not every rule can be said in a schema: the end after the start, products that exist.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    try:
        run()
    except FailureGroup as group:
        found = "\n".join(str(failure) for failure in group.exceptions)
        pytest.fail(f"FUZZ_SEED={SEED}\n{found}")
