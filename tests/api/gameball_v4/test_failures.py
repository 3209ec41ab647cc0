"""Whatever goes wrong in the v4 dialect: its status, its code and category, and what more is told."""

from __future__ import annotations

from typing import Any

import pytest

from services.api.edge.dialect import USUAL_BODY_BYTES
from services.api.edge.problems import Problem, Reason
from services.api.gameball_v4.dialect import GAMEBALL_V4
from services.api.gameball_v4.failures import Refusal, failure
from services.api.gameball_v4.words import MESSAGES, NOT_FOUND, PARAMETERS
from tests.api.stand import Partner
from tests.api.test_dialects import operations

SETTINGS = "/settings"
NO_API_KEY = {"headers": {"apiKey": None}}
NO_SECRET_KEY = {"headers": {"secretKey": None}}
PROBLEMS: list[tuple[str, str, dict[str, Any], int, int, str]] = [
    # method, path, what else, status, code, type
    ("GET", SETTINGS, NO_API_KEY, 401, 1000, "AUTHENTICATION_ERROR"),
    ("GET", SETTINGS, {"headers": {"apiKey": "nobody's"}}, 401, 1000, "AUTHENTICATION_ERROR"),
    ("GET", SETTINGS, {"headers": {"apiKey": "x" * 10_000}}, 401, 1000, "AUTHENTICATION_ERROR"),
    ("PUT", SETTINGS, NO_API_KEY, 401, 1000, "AUTHENTICATION_ERROR"),
    ("PUT", SETTINGS, NO_SECRET_KEY, 401, 1001, "AUTHENTICATION_ERROR"),
    ("PUT", SETTINGS, {"headers": {"secretKey": "x"}}, 401, 1001, "AUTHENTICATION_ERROR"),
    ("PUT", SETTINGS, {"content": b"{"}, 400, 3016, "PAYLOAD_ERROR"),
    ("PUT", SETTINGS, {"content": b"[" * 100_000}, 413, 3000, "PAYLOAD_ERROR"),
    ("PUT", SETTINGS, {"content": b"[" * 60_000}, 400, 3016, "PAYLOAD_ERROR"),
    ("PUT", SETTINGS, {"content": b'{"a": NaN}'}, 400, 3016, "PAYLOAD_ERROR"),
    ("PUT", SETTINGS, {"content": b'{"pointsName": "\xff"}'}, 400, 3016, "PAYLOAD_ERROR"),
    ("PUT", SETTINGS, {"content": b"[]"}, 400, 3016, "PAYLOAD_ERROR"),
    ("PUT", SETTINGS, {"body": {"currency": "eur"}}, 422, 3003, "PAYLOAD_ERROR"),
    ("PUT", SETTINGS, {"body": {}, "headers": {"Idempotency-Key": "a b"}}, 422, 3003, "PAYLOAD_ERROR"),
    ("PUT", SETTINGS, {"content": b" " * (USUAL_BODY_BYTES + 1)}, 413, 3000, "PAYLOAD_ERROR"),
    ("PATCH", SETTINGS, {}, 405, 4000, "GENERAL_ERROR"),
    ("GET", "/nothing", {}, 404, 4004, "GENERAL_ERROR"),
    ("GET", "/settings/", {}, 404, 4004, "GENERAL_ERROR"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "more", "status", "code", "kind"), PROBLEMS)
async def test_v4_says_what_went_wrong(
    partner: Partner, method: str, path: str, more: dict[str, Any], status: int, code: int, kind: str,
) -> None:  # fmt: skip
    """A code for programs, its category, a sentence, where to read on, and the request's id."""
    more = {**more, "headers": {"x-request-id": "abc", **more.get("headers", {})}}
    answer = await partner.v4(method, path, **more)
    body = answer.json()
    told = {name: body.pop(name) for name in ("code", "type", "requestId")}
    assert (answer.status_code, told) == (status, {"code": code, "type": kind, "requestId": "abc"})
    assert body.pop("message")
    assert body.pop("documentationUrl") == "/docs"
    assert body.keys() == ({"errors"} if status == 422 else set())
    assert answer.headers["content-type"] == "application/json"


async def test_v4_names_fields_that_are_wrong(partner: Partner) -> None:
    """Each by its path, in the names that are sent; nothing of it was changed."""
    answer = await partner.v4("PUT", SETTINGS, {"Currency": "eur", "tierMethod": "x"})
    assert answer.json()["errors"].keys() == {"currency", "tierMethod"}
    assert (await partner.v4("GET", SETTINGS)).json()["version"] == 0


DEEP = "[" * 700 + "]" * 700
COUPON = '{"friendReward": {"coupon": {"couponType": "Free Shipping", %s}}}'
HOSTILE: list[tuple[str, str, int, str | None]] = [
    # path, body, status, the place that is named
    (SETTINGS, '{"unknown": 1e99999999999999999999}', 200, None),
    (SETTINGS, '{"unknown": -1e-99999999999999999999}', 200, None),
    (SETTINGS, f'{{"unknown": {DEEP}, "Unknown": {DEEP}}}', 200, None),
    (SETTINGS, f'{{"unknown": {DEEP}, "Unknown": {DEEP[1:-1]}}}', 422, "unknown"),
    ("/referrals", '{"friendReward": {"point": 1e1000001}}', 422, "friendReward.point"),
    ("/referrals", COUPON % '"minOrderValue": 1e99999999999999999999', 422, "friendReward.coupon.minOrderValue"),
    ("/referrals", COUPON % '"options": {"note": 1e99999999999999999999}', 422, "friendReward.coupon.options.note"),
    ("/referrals", COUPON % '"options": {"\\ud800": 1}', 422, "friendReward.coupon.options"),
    ("/referrals", COUPON % '"options": {"\\u0000": 1}', 422, "friendReward.coupon.options"),
    ("/referrals", COUPON % f'"minOrderValue": {DEEP}, "options": {{"minOrderValue": {DEEP}}}', 422,
     "friendReward.coupon.minOrderValue"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "place"), HOSTILE)
async def test_v4_answers_whatever_is_sent(
    partner: Partner, path: str, body: str, status: int, place: str | None
) -> None:
    """Numbers, depths and names that nothing can hold are ignored where nobody knows them, else refused by place."""
    answer = await partner.v4("PUT", path, content=body.encode())
    assert answer.status_code == status, answer.text
    assert place is None or place in answer.json()["errors"]


@pytest.mark.parametrize("path", ["/reward-campaigns", "/cashback", "/redemption", "/transactions"])
async def test_v4_knows_no_customer_with_a_nul(partner: Partner, path: str) -> None:
    """Nobody has such an id, and the database could not be asked for it."""
    base = "" if path == "/transactions" else "/configurations"
    answer = await partner.v4("GET", f"{path}?customerId=a%00b", base=base)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["customerId"])


@pytest.mark.parametrize(
    ("problem", "code", "kind", "reason"),
    [
        (Problem(Reason.FORBIDDEN), 1002, "AUTHENTICATION_ERROR", None),
        (Problem(Reason.CONFLICT), 4000, "GENERAL_ERROR", "conflict"),
        (Refusal("limit_reached"), 4000, "GENERAL_ERROR", "limit_reached"),
        (Problem(Reason.KEY_REUSED), 4000, "GENERAL_ERROR", "key_reused"),
        (Problem(Reason.TOO_MANY_REQUESTS), 2001, "REQUEST_ERROR", None),
        (Problem(Reason.BROKEN), 5000, "SERVER_ERROR", None),
        (Problem(Reason.UNAVAILABLE), 5000, "SERVER_ERROR", None),
    ],
)
def test_v4_has_a_code_for(problem: Problem, code: int, kind: str, reason: str | None) -> None:
    """What no request of these tests runs into; a conflict has its word."""
    _, body = failure(problem, "abc")
    assert (body["code"], body["type"], body.get("reason")) == (code, kind, reason)


def test_v4_has_a_sentence_for_everything() -> None:
    """Every reason, every path parameter and every query parameter of a route has its words."""
    assert set(MESSAGES) == set(Reason)
    routes = [route for router in GAMEBALL_V4.routers for route in router.routes]
    named: dict[str, set[str]] = {"path": set(), "query": set(), "header": set()}
    for route in routes:
        for parameter in operations()[route.name].get("parameters", ()):  # type: ignore[attr-defined]
            named[parameter["in"]].add(parameter["name"])
    assert named["path"] == set(NOT_FOUND)
    assert named["query"] == set(PARAMETERS)
