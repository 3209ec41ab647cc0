"""Events that partners tell over HTTP: queued for their topic, once, under a source of the partner's own."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from schemas.topics import http_source
from tests.api.gameball_v4.test_settings import trail
from tests.api.stand import Partner

ANNA: dict[str, Any] = {"customerId": "anna"}
TOLD: dict[str, tuple[dict[str, Any], str, str]] = {
    # what is told, its topic and type
    "/customers": (ANNA, "customers", "customer.created"),
    "/events": (ANNA | {"events": {"visit": {}}}, "customers", "customer.event"),
    "/orders": (ANNA | {"orderId": "1", "totalPrice": 5}, "orders", "order.placed"),
}
every_door = pytest.mark.parametrize("path", TOLD)


async def queued(partner: Partner) -> list[asyncpg.Record]:
    """What waits in the outbox of what this partner told, in its order."""
    return list(
        await partner.database.fetch(
            "SELECT * FROM outbox WHERE source = $1 ORDER BY id", http_source(partner.id)
        )
    )


async def tell(partner: Partner, path: str, body: Any = None, **more: Any) -> Any:
    """One request below `/integrations`."""
    return await partner.v4("POST", path, body or TOLD[path][0], base="", **more)


@every_door
async def test_event_that_is_told_is_queued(partner: Partner, path: str) -> None:
    """Keyed by the customer, under an id of ours, with the trace of the request; who told it is in the audit."""
    _, topic, type_ = TOLD[path]
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await tell(partner, path, headers={"traceparent": trace})
    (row,) = await queued(partner)
    assert (answer.status_code, answer.json()) == (202, {"eventId": row["ce_id"]})
    assert (row["topic"], row["ce_type"], row["key"]) == (topic, type_, "anna")
    assert json.loads(row["value"])["partner_id"] == partner.id
    assert (row["traceparent"], row["subject"], row["dead_letter_id"]) == (trace, None, None)
    (entry,) = await trail(partner)
    assert (entry["action"], entry["subject_id"]) == ("event.told", row["ce_id"])
    assert entry["after"] == {"topic": topic, "type": type_, "customer_id": "anna"}


@every_door
async def test_event_that_is_told_again_is_one(partner: Partner, path: str) -> None:
    """Its id is the request's key; another request of that key is a conflict."""
    first = await tell(partner, path, headers={"Idempotency-Key": "order/1?"})
    again = await tell(partner, path, headers={"Idempotency-Key": "order/1?"})
    assert first.json() == again.json() == {"eventId": "order/1?"}
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    other = TOLD[path][0] | {"customerId": "jonas"}
    refused = await tell(partner, path, other, headers={"Idempotency-Key": "order/1?"})
    assert (refused.status_code, refused.json()["reason"]) == (409, "key_reused")
    assert [row["ce_id"] for row in await queued(partner)] == ["order/1?"]


@every_door
@pytest.mark.parametrize("missing", ["apiKey", "secretKey"])
async def test_event_is_told_with_both_keys(partner: Partner, path: str, missing: str) -> None:
    """Neither opens this door alone."""
    answer = await tell(partner, path, headers={missing: None})
    code = {"apiKey": 1000, "secretKey": 1001}[missing]
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert await queued(partner) == []


@every_door
async def test_event_that_is_told_wrongly_is_not_queued(partner: Partner, path: str) -> None:
    """Each place is named; nothing is left of it."""
    wrong = TOLD[path][0] | {"customerId": " anna"}
    answer = await tell(partner, path, wrong, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (422, 3003)
    assert answer.json()["errors"].keys() == {"customerId"}
    assert (await queued(partner), await trail(partner)) == ([], [])
    assert (await tell(partner, path, headers={"Idempotency-Key": "k"})).status_code == 202


@pytest.mark.parametrize("events", [{}, {"a": {}, "b": {}}, {"birthday": {}}])
async def test_call_tells_one_event_that_is_not_ours(partner: Partner, events: Any) -> None:
    """Exactly one name, and none that is told in other ways."""
    answer = await tell(partner, "/events", ANNA | {"events": events})
    assert (answer.status_code, await queued(partner)) == (422, [])


async def test_order_is_in_the_currency_of_the_program(partner: Partner) -> None:
    """Unless it names its own; where the program counts any, in none."""
    orders = [{**TOLD["/orders"][0], "orderId": str(number)} for number in range(3)]
    await tell(partner, "/orders", orders[0])
    await partner.v4("PUT", "/settings", {"currency": "EUR"})
    await tell(partner, "/orders", orders[1])
    await tell(partner, "/orders", orders[2] | {"currency": "USD"})
    values = [json.loads(row["value"]) for row in await queued(partner)]
    assert [value["currency"] for value in values] == ["XXX", "EUR", "USD"]


async def test_events_of_a_customer_are_queued_in_order(partner: Partner) -> None:
    """As they were told, whatever their topics."""
    for path in ("/customers", "/orders", "/events", "/orders"):
        more = {"orderId": str(len(await queued(partner)))} if path == "/orders" else {}
        await tell(partner, path, TOLD[path][0] | more)
    types = [row["ce_type"] for row in await queued(partner)]
    assert types == ["customer.created", "order.placed", "customer.event", "order.placed"]


async def test_decision_of_nobody_is_not_found(partner: Partner) -> None:
    """Neither one that is not made yet, nor one of an id that cannot be."""
    event_id = (await tell(partner, "/orders")).json()["eventId"]
    for name in (event_id, "never", "a/b", "%00", "%ff", "ą", "x" * 5_000):
        answer = await partner.v4("GET", f"/decisions/{quote(name, safe='%')}", base="")
        assert (answer.status_code, answer.json()["code"]) == (404, 4004), name
