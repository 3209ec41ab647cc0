"""Coupons issued by hand: the same rules as for any completion, told by staff."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.games import a_game
from tests.api.staff_stand import STAFF, a_coupon, history, later, queued, step
from tests.api.stand import Partner

STAFF_SOURCE = "/couponry/staff"


async def decisions(partner: Partner) -> list[tuple[str, str, str]]:
    """(event id, source, outcome) of the partner's decisions, in order."""
    rows = await partner.database.fetch(
        "SELECT event_id, event_source, outcome FROM decisions WHERE partner_id = $1 ORDER BY seq",
        partner.id,
    )
    return [tuple(row) for row in rows]


async def test_coupon_by_hand_is_a_coupon_like_any_other(partner: Partner) -> None:
    """Its code, its validity by the game's rule, its decision, its event that names the request as the cause."""
    game = await a_game(partner, coupon_validity_days=30, code_prefix="MILDA")
    body = {"game_id": game["id"], "customer_id": "Ąžuolas", "reason": " Sorry for the queue "}
    answer = await partner.post(STAFF, body, headers={"x-request-id": f"desk-{partner.id}"})
    assert (answer.status_code, answer.json()["message"]) == (201, "Coupon issued successfully")
    coupon = answer.json()["data"]["coupon"]
    assert coupon["code"].startswith("MILDA-") and len(coupon["code"]) == 25
    assert coupon == coupon | {
        "status": "active", "customer_id": "Ąžuolas", "game_id": game["id"],
        "is_unlimited": False, "days_until_expiry": 30, "reserved_until": None, "redeemed_at": None,
        "source": {"kind": "game", "id": str(game["id"])}, "terms": None, "code_status": "final",
    }  # fmt: skip
    assert len(coupon) == 14

    ((event_id, *rest),) = await decisions(partner)
    assert rest == [STAFF_SOURCE, "issued"]
    value = json.loads(
        await partner.database.fetchval(
            "SELECT value FROM outbox WHERE subject = $1", coupon["coupon_id"]
        )
    )
    assert value["cause"] == {
        "source": STAFF_SOURCE,
        "id": event_id,
        "type": "staff.issue",
    }
    assert {name: value[name] for name in ("code", "expires_at")} == {
        name: coupon[name] for name in ("code", "expires_at")
    }
    (entry,) = await history(partner, coupon["coupon_id"])
    assert (entry["status"], entry["at"], entry["actor"]) == ("active", coupon["issued_at"], "api")
    assert entry["reason"] == "Sorry for the queue"


async def test_coupon_without_end_says_so(partner: Partner) -> None:
    """No validity: no end, and no days to count."""
    coupon = await a_coupon(partner, (await a_game(partner))["id"])
    assert (coupon["expires_at"], coupon["is_unlimited"], coupon["days_until_expiry"]) == (
        None,
        True,
        None,
    )


def _day(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


DECLINED = [
    ({"is_active": False}, 0, "GAME_INACTIVE"),
    ({"start_date": _day(3)}, 0, "GAME_NOT_STARTED"),
    ({"end_date": _day(-3)}, 0, "GAME_ENDED"),
    ({"customer_limit": 1}, 1, "CUSTOMER_LIMIT_REACHED"),
    ({"customer_limit_per_day": 2}, 2, "CUSTOMER_LIMIT_REACHED"),
    ({"total_limit": 2}, 2, "GAME_LIMIT_REACHED"),
    ({"allow_multiple_active_coupons": False}, 1, "ACTIVE_COUPON_EXISTS"),
]


@pytest.mark.parametrize(("changes", "before", "reason"), DECLINED)
async def test_coupon_by_hand_is_declined(
    partner: Partner, changes: dict[str, Any], before: int, reason: str
) -> None:
    """409 with the reason in capitals; no decision, no event, no new customer."""
    game = await a_game(partner, **changes)
    for _ in range(before):
        await a_coupon(partner, game["id"])
    events = await partner.database.fetchval("SELECT count(*) FROM outbox")
    answer = await partner.post(
        STAFF, {"game_id": game["id"], "customer_id": "anna", "reason": "r"}
    )
    assert (answer.status_code, answer.json()["error_code"]) == (409, reason)
    assert len(await decisions(partner)) == before
    assert await partner.database.fetchval("SELECT count(*) FROM outbox") == events
    customers = "SELECT count(*) FROM customers WHERE partner_id = $1"
    assert await partner.database.fetchval(customers, partner.id) == min(before, 1)


async def test_game_of_another_partner_is_not_found(partner: Partner, stranger: Partner) -> None:
    """Like one that does not exist."""
    foreign = (await a_game(stranger))["id"]
    for game_id in (foreign, 2**62):
        answer = await partner.post(
            STAFF, {"game_id": game_id, "customer_id": "anna", "reason": "r"}
        )
        assert (answer.status_code, answer.json()["error_code"]) == (409, "GAME_NOT_FOUND")
        assert answer.json()["message"] == "Game not found"


@pytest.mark.parametrize(
    "customer_id", [" anna", "anna ", "anna\n", "\u00a0anna", "anna\u3000", " "]
)
async def test_customer_with_white_space_at_an_end_is_refused(
    partner: Partner, customer_id: str
) -> None:
    """As it is on Kafka: nothing is trimmed, since ids are compared exactly."""
    body = {"game_id": (await a_game(partner))["id"], "customer_id": customer_id, "reason": "r"}
    answer = await partner.post(STAFF, body)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["customer_id"])


@pytest.mark.parametrize("field", ["game_id", "customer_id", "reason"])
async def test_field_of_a_coupon_by_hand_is_checked(partner: Partner, field: str) -> None:
    """Missing, empty, too long or no text at all: named in the errors."""
    body = {"game_id": 1, "customer_id": "anna", "reason": "r"}
    values: tuple[Any, ...] = (None, "", "  ", "x" * 256, "a\0b", [], 1.5)
    for value in values:
        answer = await partner.post(STAFF, body | {field: value})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [field]), value
    answer = await partner.post(STAFF, {name: body[name] for name in body if name != field})
    assert answer.json()["errors"] == {field: [f"The {field} field is required."]}


async def test_request_id_only_correlates(partner: Partner) -> None:
    """Whoever sends one id with every request gets a coupon for each; what makes a request one is its key."""
    game = await a_game(partner)
    session = {"x-request-id": "session-42"}
    body = {"game_id": game["id"], "customer_id": "anna", "reason": "r"}
    answers = [await partner.post(STAFF, body, headers=session) for _ in range(2)]
    assert [answer.headers["x-request-id"] for answer in answers] == ["session-42"] * 2
    ids = {answer.json()["data"]["coupon"]["coupon_id"] for answer in answers}
    assert len(ids) == len(await decisions(partner)) == 2
    keyed = session | {"idempotency-key": "apology-7"}
    first, again = [await partner.post(STAFF, body, headers=keyed) for _ in range(2)]
    assert (again.status_code, again.json()["data"]) == (201, first.json()["data"])
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await decisions(partner)) == 3


async def test_place_of_an_expired_coupon_is_free(partner: Partner, app, api_settings) -> None:
    """Under the single rule the coupon that is over is closed by the decision that needs its place."""
    game = await a_game(partner, allow_multiple_active_coupons=False, coupon_validity_days=1)
    first = await a_coupon(partner, game["id"])
    async with later(app, api_settings, partner, 25 * 3600) as partner:
        second = await a_coupon(partner, game["id"])
        assert (await step(partner, second["coupon_id"], "redeem")).status_code == 200
    assert await queued(partner, first["coupon_id"]) == ["coupon.issued", "coupon.expired"]


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def traces(partner: Partner, coupon_id: str) -> list[tuple[str, str | None]]:
    """(type, trace) of the coupon's events that wait to be published, in order."""
    rows = await partner.database.fetch(
        "SELECT ce_type, traceparent FROM outbox WHERE subject = $1 ORDER BY id", coupon_id
    )
    return [tuple(row) for row in rows]


async def test_trace_of_a_request_goes_out_on_what_it_causes(partner: Partner) -> None:
    """A coupon by hand, with its decision, and a step; one that is not valid, or comes twice, is as if there were none."""
    game = await a_game(partner)
    body = {"game_id": game["id"], "customer_id": "traced", "reason": "Sorry"}
    traced = {"traceparent": TRACE}
    coupon = (await partner.post(STAFF, body, headers=traced)).json()["data"]["coupon"]
    id_ = coupon["coupon_id"]
    assert (await step(partner, id_, "reserve", headers=traced)).status_code == 200
    assert (await step(partner, id_, "release", headers={"traceparent": "x"})).status_code == 200
    assert (await step(partner, id_, "redeem")).status_code == 200
    assert await traces(partner, id_) == [
        ("coupon.issued", TRACE), ("coupon.reserved", TRACE), ("coupon.released", None), ("coupon.redeemed", None),
    ]  # fmt: skip
    kept = "SELECT traceparent FROM decisions WHERE coupon_id = $1"
    assert await partner.database.fetchval(kept, id_) == TRACE

    address = f"/en/partners{STAFF}/{id_}/reinstate"
    sent = [("authorization", f"Bearer {partner.token}"), *traced.items(), *traced.items()]
    answer = await partner.http.post(address, json={"shop_id": partner.shop_id}, headers=sent)
    assert answer.status_code == 200, answer.text
    assert (await traces(partner, id_))[-1] == ("coupon.reinstated", None)
