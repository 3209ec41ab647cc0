"""Who may speak in the v3 dialect: a token for redemption, with the id of its own partner's store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.api.edge.dialect import USUAL_BODY_BYTES
from services.api.gameball_v3.access import REMEMBERED_SECONDS
from services.api.gameball_v3.dialect import GAMEBALL_V3
from services.api.gameball_v3.failures import NOT_FOUND
from services.api.partners.scopes import SCOPES
from services.runtime.settings import Settings
from tests.api.edge.test_second_dialect import both
from tests.api.gameball_v3.samples import CONFIG, DEFAULT, RULE, SUNDAE, told
from tests.api.partners.test_access import BAD_TOKENS
from tests.api.stand import Partner, token
from tests.api.test_dialects import operations

CALLS: list[tuple[str, str]] = [
    ("GET", RULE), ("POST", RULE), ("GET", f"{RULE}/1"), ("PUT", f"{DEFAULT}/1"), ("DELETE", f"{DEFAULT}/1"),
    ("PUT", f"{CONFIG}/1"), ("DELETE", f"{CONFIG}/1"), ("GET", DEFAULT), ("PUT", DEFAULT), ("GET", CONFIG),
    ("PUT", CONFIG),
]  # fmt: skip
HEADERS: dict[str, dict[str, str | None]] = {
    "no token": {"authorization": None},
    "no scheme": {"authorization": "token"},
    "another scheme": {"authorization": "Basic YTpi"},
    "no store": {"storeId": None},
    "an empty store": {"storeId": ""},
    "a store of nobody": {"storeId": "x"},
    "keys of v4": {"authorization": None, "apiKey": "{api_key}", "secretKey": "{secret_key}"},
}


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("kind", HEADERS)
async def test_v3_knows_nobody_without_both(
    partner: Partner, method: str, path: str, kind: str
) -> None:
    """Neither the token nor the store's id alone, nor what opens another dialect; the answer is always the same."""
    headers = {
        name: value and value.format(api_key=partner.api_key, secret_key=partner.secret_key)
        for name, value in HEADERS[kind].items()
    }
    answer = await partner.v3(method, path, headers=headers)
    body = answer.json()
    assert (answer.status_code, body["code"], body["type"]) == (401, 1000, "AUTHENTICATION_ERROR")
    assert body["message"].startswith("Unauthorized: a valid token and the storeId")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_v3_refuses_the_tokens_that_partners_dialect_does(
    partner: Partner, kind: str
) -> None:
    """They are verified by the same rules."""
    header = {"authorization": f"Bearer {BAD_TOKENS[kind](partner.id)}"}
    answer = await partner.v3("GET", CONFIG, headers=header)
    assert (answer.status_code, answer.json()["code"]) == (401, 1000)


async def test_v3_takes_the_store_of_the_tokens_partner_alone(
    partner: Partner, stranger: Partner
) -> None:
    """Two partners, each with their own, and neither with the other's."""
    for store, key, status in (
        (partner, partner, 200), (stranger, stranger, 200), (stranger, partner, 401), (partner, stranger, 401),
    ):  # fmt: skip
        mixed = {"storeId": store.store_id, "authorization": f"Bearer {key.token}"}
        assert (await partner.v3("GET", CONFIG, headers=mixed)).status_code == status
        refused = await partner.v3("POST", RULE, SUNDAE, headers=mixed)
        assert refused.status_code == (201 if status == 200 else 401)
    assert len(await told(partner, RULE)) == len(await told(stranger, RULE)) == 1


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_v3_asks_for_its_scope(
    api_settings: Settings, partner: Partner, method: str, path: str
) -> None:
    """A token for all the rest may nothing here."""
    others = [scope for scope in SCOPES if scope != "redemption"]
    header = {"authorization": f"Bearer {token(api_settings, partner.id, *others)}"}
    answer = await partner.v3(method, path, headers=header)
    body = answer.json()
    assert (answer.status_code, body["code"], body["type"]) == (403, 1002, "AUTHENTICATION_ERROR")
    assert body["message"] == "Forbidden: the token lacks the scope redemption"
    own = {"authorization": f"Bearer {token(api_settings, partner.id, 'redemption')}"}
    assert (await partner.v3("GET", CONFIG, headers=own)).status_code == 200


async def test_store_that_got_another_id_is_noticed_before_long(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A known one is asked about again once it was remembered long enough."""
    now = 0.0
    monkeypatch.setattr("services.api.gameball_v3.access.time.monotonic", lambda: now)
    assert (await partner.v3("GET", CONFIG)).status_code == 200
    other = f"of {partner.id}"
    await partner.database.execute(
        "UPDATE partners SET store_id = $2 WHERE id = $1", partner.id, other
    )
    assert (await partner.v3("GET", CONFIG)).status_code == 200
    now = REMEMBERED_SECONDS
    assert (await partner.v3("GET", CONFIG)).status_code == 401
    assert (await partner.v3("GET", CONFIG, headers={"storeId": other})).status_code == 200


async def test_requests_of_a_token_are_counted(
    app: FastAPI, api_settings: Settings, partner: Partner
) -> None:
    """With a limit the last answer tells when to come back, in this dialect."""
    limited = api_settings.model_copy(update={"api_requests_per_minute": 1})
    async with both(app, limited) as http:
        known = replace(partner, http=http)
        answers: list[httpx.Response] = [await known.v3("GET", CONFIG) for _ in range(3)]
    last = answers[-1]
    assert (last.status_code, last.json()["code"]) == (429, 2001)
    assert int(last.headers["retry-after"]) >= 1


PROBLEMS: list[tuple[str, str, dict[str, Any], int, int, str]] = [
    # method, path, what else, status, code, type
    ("POST", RULE, {"content": b"{"}, 400, 3016, "PAYLOAD_ERROR"),
    ("POST", RULE, {"content": b""}, 400, 3016, "PAYLOAD_ERROR"),
    ("POST", RULE, {"content": b"[]"}, 400, 3016, "PAYLOAD_ERROR"),
    ("PUT", DEFAULT, {"content": b'{"valueOfPoint": NaN}'}, 400, 3016, "PAYLOAD_ERROR"),
    ("PUT", CONFIG, {"body": {"pointsExpiryPeriod": 0}}, 422, 3003, "PAYLOAD_ERROR"),
    ("PUT", CONFIG, {"body": {}, "headers": {"Idempotency-Key": "a b"}}, 422, 3003, "PAYLOAD_ERROR"),
    ("PUT", CONFIG, {"content": b" " * (USUAL_BODY_BYTES + 1)}, 413, 3000, "PAYLOAD_ERROR"),
    ("PATCH", CONFIG, {}, 405, 4000, "GENERAL_ERROR"),
    ("DELETE", DEFAULT, {}, 405, 4000, "GENERAL_ERROR"),
    ("PUT", f"{RULE}/1", {"body": {}}, 405, 4000, "GENERAL_ERROR"),
    ("GET", "/nothing", {}, 404, 4004, "GENERAL_ERROR"),
    ("GET", "/rule/", {}, 404, 4004, "GENERAL_ERROR"),
    ("PUT", "/config/1/2", {"body": {}}, 404, 4004, "GENERAL_ERROR"),
    ("PUT", "/config/%00", {"body": {}}, 404, 4004, "GENERAL_ERROR"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "more", "status", "code", "kind"), PROBLEMS)
async def test_v3_says_what_went_wrong(
    partner: Partner, method: str, path: str, more: dict[str, Any], status: int, code: int, kind: str,
) -> None:  # fmt: skip
    """In the body that v4 has, with the request's id."""
    more = {**more, "headers": {"x-request-id": "abc", **more.get("headers", {})}}
    answer = await partner.v3(method, path, **more)
    body = answer.json()
    told = {name: body.pop(name) for name in ("code", "type", "requestId")}
    assert (answer.status_code, told) == (status, {"code": code, "type": kind, "requestId": "abc"})
    assert body.pop("message")
    assert body.pop("documentationUrl") == "/docs"
    assert body.keys() == ({"errors"} if status == 422 else set())


async def test_version_that_is_none_is_nobodys(partner: Partner) -> None:
    """A fourth path is answered by the dialect that answers for all of those."""
    unknown = await partner.v3("GET", CONFIG, version="v3.1")
    assert (unknown.status_code, unknown.json().get("success")) == (404, False)


def test_v3_has_a_sentence_for_every_parameter() -> None:
    """Of paths; there are none in queries."""
    named: dict[str, set[str]] = {"path": set(), "query": set(), "header": set()}
    for router in GAMEBALL_V3.routers:
        for route in router.routes:
            for parameter in operations()[route.name].get("parameters", ()):  # type: ignore[attr-defined]
                named[parameter["in"]].add(parameter["name"])
    assert (named["path"], named["query"]) == (set(NOT_FOUND), set())
