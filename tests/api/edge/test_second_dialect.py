"""A second dialect beside the partners': added by one value, and everything the edge does holds for it unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY

from services.api.app import DIALECTS, build_app
from services.api.edge.dialect import USUAL_BODY_BYTES, dialect_of
from services.api.edge.limits import Limits
from services.api.partners.keys import Secret
from services.runtime.settings import Settings
from tests.api.edge.test_edge import next_window
from tests.api.edge.toy import TOY
from tests.api.stand import SECRET, URL, Partner

LARGE = b" " * (USUAL_BODY_BYTES + 1)
PROBLEMS: list[tuple[str, str, str, dict[str, Any], int, str, str | None]] = [
    # method, path, key, what else, status, reason, what about
    ("GET", "/things/1", "", {}, 401, "unauthenticated", None),
    ("GET", "/things/1", "none", {}, 401, "unauthenticated", None),
    ("POST", "/things", "{id}", {"json": {"name": "A"}}, 403, "scope_missing", "write"),
    ("GET", "/things/1", "{id}", {}, 404, "not_found", "thing"),
    ("GET", "/things/one", "{id}", {}, 404, "not_found", "thing"),
    ("GET", "/nothing", "{id}", {}, 404, "not_found", None),
    ("GET", "/things/1/", "{id}", {}, 404, "not_found", None),
    ("PATCH", "/things", "{id}", {}, 405, "method_not_allowed", None),
    (
        "POST",
        "/things",
        "{id}+",
        {"content": LARGE},
        413,
        "body_too_large",
        str(USUAL_BODY_BYTES),
    ),
    ("GET", "/nothing", "{id}", {"content": LARGE}, 413, "body_too_large", str(USUAL_BODY_BYTES)),
    ("POST", "/things", "{id}+", {"content": b"[]"}, 400, "body_no_object", None),
    ("GET", "/things/1?depth=0", "{id}", {}, 422, "parameters_invalid", None),
    ("GET", "/failures/bug", "{id}", {}, 500, "broken", None),
    ("GET", "/failures/busy", "{id}", {}, 503, "unavailable", None),
    ("GET", "/failures/late", "{id}", {}, 503, "unavailable", None),
    ("POST", "/races", "{id}+", {}, 503, "unavailable", None),
]


@asynccontextmanager
async def both(app: FastAPI, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that speaks both dialects."""
    limits = Limits(settings)
    dialects = (*DIALECTS, TOY)
    app = build_app(
        settings, app.state.api.pool, limits=limits, keys=Secret(SECRET), dialects=dialects
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        yield http
    await limits.close()


@pytest.fixture
async def toy(app: FastAPI, api_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Both dialects, without limits."""
    async with both(app, api_settings) as http:
        yield http


@pytest.mark.parametrize(("method", "path", "key", "more", "status", "reason", "about"), PROBLEMS)
async def test_second_dialect_says_problems_in_its_own_body(
    toy: httpx.AsyncClient, partner: Partner, method: str, path: str, key: str, more: dict[str, Any],
    status: int, reason: str, about: str | None,
) -> None:  # fmt: skip
    """Whatever goes wrong below its prefix, routes or none, leaves as it says it, with the request's id."""
    headers = {"x-toy-key": key.format(id=partner.id), "x-request-id": "abc"}
    answer = await toy.request(method, f"/toy/v1{path}", headers=headers, **more)
    said = {"oops": reason, "what": about, "seen": "abc"}
    assert (answer.status_code, answer.json()) == (status, said)
    assert answer.headers["x-request-id"] == "abc"
    assert (answer.headers.get("retry-after") == "1") is (status == 503)
    assert ("POST" in answer.headers.get("allow", "")) is (status == 405)
    assert "www-authenticate" not in answer.headers


async def test_second_dialect_leaves_the_first_as_it_was(
    toy: httpx.AsyncClient, partner: Partner
) -> None:
    """The same application answers partners, and paths that are nobody's, byte for byte as one without it."""
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/en/partners/games", {}), ("POST", "/en/partners/games", {"content": LARGE}),
        ("PATCH", "/en/partners/games", {}), ("GET", "/", {}), ("GET", "/toys", {}), ("GET", "/toy", {}),
        ("GET", "/en/partners/nothing", {}), ("GET", "/nothing", {"content": LARGE}),
    ]  # fmt: skip
    for method, path, more in cases:
        headers = {"x-request-id": "abc", "x-toy-key": str(partner.id)}
        beside = await toy.request(method, path, headers=headers, **more)
        alone = await partner.http.request(method, path, headers=headers, **more)
        assert beside.status_code >= 400
        assert (beside.status_code, beside.headers.multi_items(), beside.content) == (
            alone.status_code, alone.headers.multi_items(), alone.content), path  # fmt: skip
    known = replace(partner, http=toy)
    assert (await known.get("/games?page=0")).json()["errors"] == {
        "page": ["Must be a number from 1 up"]
    }
    assert (await known.get("/shops")).json()["success"] is True


async def test_second_dialect_sees_its_partner_only(
    toy: httpx.AsyncClient, partner: Partner, stranger: Partner
) -> None:
    """Its transactions are the caller's: another partner's row is not there, whatever the query."""
    headers = {"x-toy-key": str(partner.id)}
    own = await toy.get(f"/toy/v1/things/{partner.shop_id}", headers=headers)
    assert (own.status_code, own.json()["thing"]) == (200, partner.shop_id)
    other = await toy.get(f"/toy/v1/things/{stranger.shop_id}", headers=headers)
    assert (other.status_code, other.json()["oops"]) == (404, "not_found")


async def test_second_dialect_does_a_keyed_request_once(
    toy: httpx.AsyncClient, partner: Partner
) -> None:
    """The stored answer comes back with its own mark; a key used otherwise has the status that it promises."""
    headers = {"x-toy-key": f"{partner.id}+", "idempotency-key": "k"}
    first = await toy.post("/toy/v1/things", json={"name": "A"}, headers=headers)
    again = await toy.post("/toy/v1/things", json={"name": "A"}, headers=headers)
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert "x-toy-again" not in first.headers
    assert again.headers["x-toy-again"] == "yes"
    assert "idempotent-replayed" not in again.headers
    other = await toy.post("/toy/v1/things", json={"name": "B"}, headers=headers)
    assert (other.status_code, other.json()["oops"]) == (409, "key_reused")
    bad = await toy.post("/toy/v1/things", json={}, headers=headers | {"idempotency-key": "a b"})
    assert (bad.status_code, bad.json()["oops"]) == (422, "key_malformed")
    # The key is the partner's, in whatever dialect: the other one says it in its own way.
    known = await replace(partner, http=toy).post(
        "/shops", {"name": "A"}, headers={"idempotency-key": "k"}
    )
    assert known.json()["errors"] == {"Idempotency-Key": ["Was used for another request"]}


async def test_second_dialect_is_audited(toy: httpx.AsyncClient, partner: Partner) -> None:
    """What it changes stands in the trail with the actor that its credentials name."""
    headers = {"x-toy-key": f"{partner.id}+", "x-request-id": "r"}
    added = await toy.post("/toy/v1/things", json={"name": "A"}, headers=headers)
    entries = await partner.database.fetch(
        "SELECT actor, request_id, action, subject_id FROM audit_log WHERE partner_id = $1", partner.id
    )  # fmt: skip
    expected = (f"toy:{partner.id}", "r", "thing.added", str(added.json()["thing"]))
    assert [tuple(entry) for entry in entries] == [expected]


async def test_second_dialect_is_limited(
    app: FastAPI, api_settings: Settings, partner: Partner
) -> None:
    """Its callers are counted like any, and told so in its own body with the headers that all know."""
    settings = api_settings.model_copy(update={"api_requests_per_minute": 2})
    async with both(app, settings) as http:
        await next_window(5)
        headers = {"x-toy-key": str(partner.id), "x-request-id": "abc"}
        answers = [await http.get("/toy/v1/things/1", headers=headers) for _ in range(3)]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
        last = answers[-1]
        assert (last.status_code, last.json()) == (
            429, {"oops": "too_many_requests", "what": None, "seen": "abc"})  # fmt: skip
        assert last.headers["retry-after"] == last.headers["ratelimit-reset"]


async def test_second_dialect_is_measured_and_described(
    toy: httpx.AsyncClient, partner: Partner
) -> None:
    """Its routes are labels of the same metrics, and its operations ask for its own credentials."""
    labels = {"method": "GET", "route": "/toy/v1/things/{thing}", "status": "401"}
    before = REGISTRY.get_sample_value("couponry_api_requests_total", labels) or 0
    await toy.get("/toy/v1/things/1")
    assert REGISTRY.get_sample_value("couponry_api_requests_total", labels) == before + 1
    document = (await toy.get("/openapi.json")).json()
    own = {scheme for dialect in DIALECTS for scheme in dialect.security}
    assert set(document["components"]["securitySchemes"]) == {*own, "toyKey"}
    for path, operations in document["paths"].items():
        schemes = dialect_of(path, (*DIALECTS, TOY)).security.keys()
        for operation in operations.values():
            (asked,) = operation["security"]
            assert asked.keys() <= schemes, path
            assert asked
