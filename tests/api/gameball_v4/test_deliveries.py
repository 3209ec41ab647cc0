"""Deliveries over HTTP: listed, sent again, queued by the time of issue; codes that come by themselves; a test of it all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from services.runtime.settings import Settings
from tests.api.gameball_v4.test_coupon_webhook import under
from tests.api.gameball_v4.test_settings import trail
from tests.api.stand import Partner
from tests.stand.receiver import answer, receiving
from tests.webhooks.stand import FIXED, ISSUED_AT, Stand, sending

DELIVERIES = "/coupon/deliveries"
BASE = ""


@pytest.fixture
def stand(partner: Partner, api_settings: Settings) -> Stand:
    """The partner's coupons; its system is tried four times without a pause."""
    quick = {"webhook_allow_private": True, "webhook_retry_seconds": (0, 0, 0, 0)}
    return Stand(
        settings=api_settings.model_copy(update=quick),
        connection=partner.database,
        partner_id=partner.id,
    )


@pytest.fixture
async def private(app: FastAPI, partner: Partner) -> AsyncIterator[Partner]:
    """The partner, at an API that lets webhooks lead to this machine."""
    async with under(app, partner, webhook_allow_private=True) as inside:
        yield inside


async def listed(partner: Partner, query: str = "") -> Any:
    got = await partner.v4("GET", f"{DELIVERIES}{query}")
    assert got.status_code == 200, got.text
    return got.json()


async def test_fresh_partner_has_no_deliveries(partner: Partner) -> None:
    """Neither has one that nobody can name."""
    assert await listed(partner) == {"deliveries": [], "count": 0, "hasMore": False}
    got = await partner.v4(
        "POST", f"{DELIVERIES}/issued_00000000-0000-0000-0000-000000000000/resend"
    )
    assert (got.status_code, got.json()["message"]) == (404, "Delivery not found")
    assert (await partner.v4("POST", f"{DELIVERIES}/x/resend")).status_code == 404
    assert (await partner.v4("GET", DELIVERIES, headers={"secretKey": None})).status_code == 401


async def test_deliveries_show_what_was_sent_and_what_came_back(
    partner: Partner, stand: Stand
) -> None:
    """Every attempt with its answer and its request, without a secret; the newest first, in pages and by filters."""
    answers = [answer(503, {"try": "later"})]
    async with (
        receiving(
            lambda got: answers.pop() if answers else answer(200, {"code": f"C-{got.id}"})
        ) as receiver,
        sending(stand.settings),
    ):
        await stand.webhook(receiver.url, headers=[{"key": "X-Api-Key", "value": "k3y-of-theirs"}])
        first, second = await stand.coupon(), await stand.coupon("bert")
        await stand.read(first)
        await stand.until([first], "delivered")
        await stand.read(second)
        await stand.until([second], "delivered")
    await stand.webhook(receiver.url, isActive=False)
    third = await stand.coupon()
    await stand.read(third)
    found = await listed(partner)
    assert [one["couponId"] for one in found["deliveries"]] == [third, second, first]
    assert (found["count"], found["hasMore"]) == (3, False)
    assert "k3y-of-theirs" not in json.dumps(found)
    held, _, one = found["deliveries"]
    assert (held["status"], held["attempts"], held["nextAttemptAt"], held["externalCode"]) == (
        "held",
        [],
        None,
        None,
    )
    assert (one["id"], one["customerId"], one["status"]) == (f"issued_{first}", "anna", "delivered")
    assert one["externalCode"] == f"C-issued_{first}"
    failed, done = one["attempts"]
    assert (failed["status"], failed["error"], failed["detail"]) == (
        503,
        "status",
        '{"try": "later"}',
    )
    assert (done["status"], done["error"]) == (200, None)
    assert done["request"]["headers"]["X-Api-Key"] == "***"
    assert json.loads(done["request"]["body"])["customerId"] == "anna"
    page = await listed(partner, "?limit=2")
    assert (page["count"], page["hasMore"]) == (2, True)
    rest = await listed(partner, f"?limit=2&startAfter=issued_{second}")
    assert [each["couponId"] for each in rest["deliveries"]] == [first]
    for query, coupons in (
        ("?status=held", [third]),
        ("?status=dead", []),
        (f"?couponId={second}", [second]),
        ("?customerId=anna", [third, first]),
        ("?customerId=nobody", []),
        ("?from=2026-11-01T12:02:00Z&to=2026-11-01T12:02:00Z", [second]),
        ("?to=2026-10-31", []),
        ("?from=2026-11-01", [third, second, first]),
    ):
        assert [
            each["couponId"] for each in (await listed(partner, query))["deliveries"]
        ] == coupons, query


@pytest.mark.parametrize(
    "query", ["status=x", "from=yesterday", "to=1", "startAfter=x", "couponId=7", "limit=0"]
)
async def test_filter_that_is_none_is_refused(partner: Partner, query: str) -> None:
    """By its name."""
    got = await partner.v4("GET", f"{DELIVERIES}?{query}")
    assert (got.status_code, list(got.json()["errors"])) == (422, [query.partition("=")[0]])


async def test_resending_sends_again_under_the_same_id(partner: Partner, stand: Stand) -> None:
    """What was dead is delivered; what was delivered keeps its code, whatever is answered now, and stays delivered."""
    answers = [answer(200, {"code": "OTHER"}), answer(200, {"code": "FIRST"}), *[answer(500)] * 4]
    async with (
        receiving(lambda _: answers.pop() if answers else answer(500)) as receiver,
        sending(stand.settings),
    ):
        await stand.webhook(receiver.url)
        coupon_id = await stand.coupon()
        await stand.read(coupon_id)
        await stand.until([coupon_id], "dead")
        path = f"{DELIVERIES}/issued_{coupon_id}/resend"
        got = await partner.v4("POST", path)
        assert (got.status_code, got.json()["status"]) == (200, "pending")
        await stand.until([coupon_id], "delivered")
        for more in (1, 4):
            before = len(receiver.got)
            assert (await partner.v4("POST", path)).status_code == 200
            while len(receiver.got) < before + more:
                await stand.connection.fetchval("SELECT pg_sleep(0.02)")
            await stand.until([coupon_id], "delivered")
    assert set(receiver.ids) == {f"issued_{coupon_id}"}
    assert await stand.code(coupon_id) == "FIRST"
    assert "delivery.resent" in [entry["action"] for entry in await trail(partner)]


async def test_redrive_queues_the_dead_and_what_was_issued_before_the_first_webhook(
    partner: Partner, stand: Stand
) -> None:
    """By the instant of issue, both ends inside, in the order of issue; what is delivered or custom is left alone."""
    before = [await stand.coupon(code_pending=False) for _ in range(3)]
    custom = await stand.coupon(terms=FIXED | {"type": "custom", "group": "g"})
    async with receiving() as receiver, sending(stand.settings):
        await stand.webhook(receiver.url, since=ISSUED_AT + timedelta(hours=1))
        assert await stand.read(*before, custom) == 0
        span = {"from": "2026-11-01T12:02:00Z", "to": "2026-11-01T12:04:00Z"}
        got = await partner.v4("POST", "/coupon/redrive", span)
        assert (got.status_code, got.json()) == (200, {"queued": 2})
        await stand.until(before[1:], "delivered")
        assert (await partner.v4("POST", "/coupon/redrive", span)).json() == {"queued": 0}
    assert receiver.ids == [f"issued_{each}" for each in before[1:]]
    assert await stand.status(before[0]) is None
    assert await stand.status(custom) is None


async def test_redrive_of_a_dead_one_goes_before_what_came_later(
    partner: Partner, stand: Stand
) -> None:
    """While the webhook is off it is held, and then goes out in its place."""
    failing = True
    async with (
        receiving(
            lambda got: answer(404) if failing else answer(200, {"code": got.id})
        ) as receiver,
        sending(stand.settings),
    ):
        await stand.webhook(receiver.url)
        first = await stand.coupon()
        await stand.read(first)
        await stand.until([first], "dead")
        await stand.webhook(receiver.url, isActive=False)
        second = await stand.coupon()
        await stand.read(second)
        got = await partner.v4(
            "POST", "/coupon/redrive", {"from": "2026-11-01", "to": "2026-11-01"}
        )
        assert got.json() == {"queued": 1}
        assert await stand.status(first) == "held"
        failing = False
        await stand.webhook(receiver.url)
        await stand.until([first, second], "delivered")
    assert receiver.ids[-2:] == [f"issued_{first}", f"issued_{second}"]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"from": "2026-11-02", "to": "2026-11-01"}, "to"),
        ({"from": "2026-11-02"}, "to"),
        ({"from": 7, "to": "2026-11-01"}, "from"),
    ],
)
async def test_redrive_asks_for_two_instants(
    partner: Partner, body: dict[str, Any], place: str
) -> None:
    """The second no earlier than the first."""
    got = await partner.v4("POST", "/coupon/redrive", body)
    assert (got.status_code, list(got.json()["errors"])) == (422, [place])


async def test_promised_code_is_given_over_http(partner: Partner, stand: Stand) -> None:
    """The coupon is delivered and its customer's next one goes out; once given it stays, and is nobody else's."""
    async with (
        receiving(
            lambda got: answer(202) if got.id.endswith(first) else answer(200, {"code": "NEXT"})
        ) as receiver,
        sending(stand.settings.model_copy(update={"webhook_retry_seconds": (0, 3600)})),
    ):
        await stand.webhook(receiver.url)
        first, second = await stand.coupon(), await stand.coupon()
        await stand.read(first, second)
        while await stand.errors(first) != [None]:
            await stand.connection.fetchval("SELECT pg_sleep(0.02)")
        path = f"/coupons/{first}/code"
        assert await stand.status(first) == "pending"
        got = await partner.v4("PUT", path, {"code": "PROMISED"}, base=BASE)
        assert (got.status_code, got.json()) == (
            200,
            {"couponId": first, "code": "PROMISED", "codeStatus": "final"},
        )
        await stand.until([first, second], "delivered")
    assert await stand.code(first) == "PROMISED"
    again = await partner.v4("PUT", path, {"code": "PROMISED"}, base=BASE)
    assert again.status_code == 200
    other = await partner.v4("PUT", path, {"code": "OTHER"}, base=BASE)
    assert (other.status_code, other.json()["reason"]) == (409, "coupon_delivered")
    third = await stand.coupon()
    await stand.read(third)
    taken = await partner.v4("PUT", f"/coupons/{third}/code", {"code": "PROMISED"}, base=BASE)
    assert (taken.status_code, taken.json()["reason"]) == (409, "code_taken")
    told = await stand.connection.fetch(
        "SELECT subject FROM outbox WHERE ce_type = 'coupon.delivered' AND subject = ANY($1) ORDER BY id",
        [first, second, third],
    )
    assert [row["subject"] for row in told] == [first, second]


async def test_code_is_given_to_what_was_told_only(partner: Partner, stand: Stand) -> None:
    """A coupon without a delivery is 404, and a code that is none 422."""
    coupon_id = await stand.coupon()
    got = await partner.v4("PUT", f"/coupons/{coupon_id}/code", {"code": "A"}, base=BASE)
    assert got.status_code == 404
    for code in ("", " A", "x" * 256, 7, None):
        got = await partner.v4("PUT", f"/coupons/{coupon_id}/code", {"code": code}, base=BASE)
        assert (got.status_code, list(got.json()["errors"])) == (422, ["code"]), code


async def test_test_sends_a_sample_and_changes_nothing(private: Partner, stand: Stand) -> None:
    """Also while it is off, and whatever is answered; 404 without a webhook."""
    assert (await private.v4("POST", "/coupon/test")).status_code == 404
    async with receiving(lambda _: answer(200, {"couponCode": "T"})) as receiver:
        await stand.webhook(receiver.url, isActive=False)
        got = await private.v4("POST", "/coupon/test", {"type": "Percentage"})
        assert got.status_code == 200
        told = got.json()
        assert (told["ok"], told["status"], told["code"], told["error"]) == (True, 200, "T", None)
        assert told["durationMs"] >= 0
        receiver.script = lambda _: answer(410)
        gone = (await private.v4("POST", "/coupon/test", {})).json()
        assert (gone["ok"], gone["status"], gone["error"]) == (False, 410, "gone")
    one = receiver.got[0]
    assert one.id.startswith("test_")
    assert one.headers["webhook-test"] == "true"
    assert one.json() == {"customerId": "CUS_12345", "amount": "50", "code": "50EGPOFF"}
    assert (await private.v4("GET", "/coupon")).json()["disabledAt"] is None
    assert (await listed(private))["count"] == 0


async def test_dry_run_shows_the_request(partner: Partner, stand: Stand) -> None:
    """As it would be sent, its secrets masked; nothing is."""
    await stand.webhook(
        "http://127.0.0.1:1/x",
        payload={"type": "{{type}}", "worth": "{{value}}"},
        couponMapping={"freeShipping": "shipping"},
        headers=[{"key": "X-Secret", "value": "hidden-value"}],
    )
    got = await partner.v4("POST", "/coupon/test", {"type": "free_shipping", "dryRun": True})
    request = got.json()["request"]
    assert (request["method"], request["url"]) == ("POST", "http://127.0.0.1:1/x")
    assert json.loads(request["body"]) == {"type": "shipping", "worth": "0"}
    assert request["headers"]["X-Secret"] == "***"
    assert "hidden-value" not in got.text
    refused = await partner.v4("POST", "/coupon/test", {"type": "custom"})
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["type"])


async def test_test_of_a_forbidden_address_says_so(partner: Partner, stand: Stand) -> None:
    """At the attempt, where it could not be known before."""
    await stand.webhook("https://localhost:8443/")
    got = await partner.v4("POST", "/coupon/test")
    assert (got.json()["ok"], got.json()["error"]) == (False, "forbidden_address")


async def test_tests_are_ten_a_minute(partner: Partner, stand: Stand) -> None:
    """The next one is told when to come back."""
    await stand.webhook("http://127.0.0.1:1/x")
    # So many that also two windows are full.
    answers = [await partner.v4("POST", "/coupon/test", {"dryRun": True}) for _ in range(21)]
    late = next(one for one in answers if one.status_code != 200)
    assert (late.status_code, answers.index(late) >= 10) == (429, True)
    assert int(late.headers["retry-after"]) > 0
