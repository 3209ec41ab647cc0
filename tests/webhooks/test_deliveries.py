"""What becomes of a coupon that a partner's system is told of: its code, its order, its failures, its end."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from services.domain.coupons.codes import display
from services.runtime.settings import Settings
from tests.stand.issuing import a_partner
from tests.stand.receiver import Got, answer, own_code, receiving
from tests.stand.waiting import eventually
from tests.stand.webhooks import a_webhook
from tests.webhooks.stand import FIXED, ISSUED_AT, Stand, sending


async def test_code_that_is_answered_becomes_the_coupons(stand: Stand) -> None:
    """Delivered, shown in place of ours, told to subscribers once, with its attempt kept without secrets."""
    async with receiving() as receiver, sending(stand.settings):
        await stand.webhook(receiver.url, authentication={"type": "Token", "token": "t0psecret"})
        coupon_id = await stand.coupon()
        assert await stand.read(coupon_id) == 1
        await stand.until([coupon_id], "delivered")
    (got,) = receiver.got
    code = f"OWN-issued_{coupon_id}"
    assert got.id == f"issued_{coupon_id}"
    assert got.headers["authorization"] == "Bearer t0psecret"
    assert (got.json()["customerId"], got.json()["amount"]) == ("anna", "50")
    assert await stand.code(coupon_id) == code
    row = await stand.connection.fetchrow("SELECT * FROM outbox WHERE ce_type = 'coupon.delivered'")
    assert row is not None
    assert (row["ce_id"], row["key"], row["topic"]) == (
        f"{coupon_id}.delivered",
        "anna",
        "coupon-lifecycle",
    )
    value = json.loads(row["value"])
    assert (value["external_code"], value["code"], value["status"]) == (code, code, "active")
    assert value["internal_code"].startswith("CAFE-")
    attempt = await stand.connection.fetchrow("SELECT * FROM delivery_attempts")
    assert attempt is not None
    assert (attempt["status"], attempt["error"], attempt["number"]) == (200, None, 1)
    assert "t0psecret" not in attempt["request"]
    assert json.loads(attempt["request"])["headers"]["Authorization"] == "***"
    assert json.loads(json.loads(attempt["request"])["body"])["code"] == value["internal_code"]
    assert (value["code_status"], await stand.code_status(coupon_id)) == ("final", "final")


async def test_only_what_is_to_be_sent_has_a_delivery(stand: Stand) -> None:
    """Coupons of a program, of a type whose flag is on, without a code of the partner's, from the first webhook on; once."""
    before = await stand.coupon(code_pending=False)
    assert await stand.read(before) == 0
    since = ISSUED_AT + timedelta(minutes=1, seconds=1)
    await stand.webhook("http://127.0.0.1:1/", enableFixedRate=False, since=since)
    told = await stand.coupon(terms={"type": "percentage", "value": "5", "usage_limit": 1})
    others = [
        await stand.coupon(),
        await stand.coupon(terms={"type": "custom", "usage_limit": 1, "group": "g"}),
        await stand.coupon(
            terms={"type": "percentage", "value": "5", "usage_limit": 1},
            code_from="pool",
            external_code="P",
        ),
        before,
        "00000000-0000-0000-0000-000000000000",
    ]
    assert await stand.read(told, *others) == 1
    assert await stand.read(told, *others) == 0
    assert await stand.status(told) == "pending"


async def test_customer_hears_of_coupons_in_the_order_of_issue_and_others_do_not_wait(
    stand: Stand,
) -> None:
    """Anna's second waits while her first fails; Bert's is delivered meanwhile."""
    failing = True

    def script(got: Got) -> bytes:
        return answer(500) if failing and got.json()["customerId"] == "anna" else own_code(got)

    settings = stand.settings.model_copy(update={"webhook_retry_seconds": (0, *[1] * 20)})
    async with receiving(script) as receiver, sending(settings):
        await stand.webhook(receiver.url)
        anna = [await stand.coupon() for _ in range(3)]
        bert = await stand.coupon("bert")
        await stand.read(*anna, bert)
        await stand.until([bert], "delivered")
        assert [await stand.status(each) for each in anna] == ["pending"] * 3
        failing = False
        await stand.until(anna, "delivered")
    hers = [got.id for got in receiver.got if got.json()["customerId"] == "anna"]
    assert list(dict.fromkeys(hers)) == [f"issued_{each}" for each in anna]
    assert hers[-3:] == [f"issued_{each}" for each in anna]


@pytest.mark.parametrize(
    ("said", "attempts", "last"),
    [
        (answer(500), 4, "status"),
        (answer(404), 3, "status"),
        (answer(200, {"no": "code"}), 4, "no_code"),
        (answer(200, {"code": "TAKEN"}), 3, "code_taken"),
        (answer(302, None, "Location: http://127.0.0.1:1/"), 4, "status"),
        (b"", 4, "reset"),
    ],
)
async def test_delivery_that_fails_is_dead_in_the_end_and_holds_up_nobody(
    stand: Stand, said: bytes, attempts: int, last: str
) -> None:
    """As often as the schedule says, or three times where the answer will not change; then the next one goes on."""
    await stand.coupon("zoe", external_code="TAKEN", code_from="webhook")
    first = await stand.coupon()
    async with (
        receiving(lambda got: said if got.id.endswith(first) else own_code(got)) as receiver,
        sending(stand.settings),
    ):
        await stand.webhook(receiver.url)
        second = await stand.coupon()
        await stand.read(first, second)
        await stand.until([second], "delivered")
        assert await stand.status(first) == "dead"
    assert await stand.errors(first) == [last] * attempts
    assert receiver.ids == [f"issued_{first}"] * attempts + [f"issued_{second}"]
    assert await stand.code(first) is None


async def test_code_is_taken_if_anybody_has_it_in_any_way(stand: Stand) -> None:
    """Exactly as it is written, in a pool, or read as somebody's own; two who get one at once are two; one's own is free."""
    other = await stand.coupon("zoe")
    own = await stand.connection.fetchval("SELECT code FROM coupons WHERE id = $1", other)
    await stand.connection.execute(
        "INSERT INTO pool_codes (partner_id, code, handle, own_code, own_prefix) VALUES ($1, 'POOL', 'g', NULL, NULL),"
        " ($1, 'made', 'g', '0123456789ABCDEF', 'P')",
        stand.partner_id,
    )
    coupons = [await stand.coupon(name) for name in ("a", "b", "c", "d", "e")]
    mine = await stand.connection.fetchval("SELECT code FROM coupons WHERE id = $1", coupons[4])
    codes = {
        "a": display(own, "cafe").lower(),
        "b": "POOL",
        "c": "SAME",
        "d": "SAME",
        "e": display(mine, "CAFE"),
    }
    async with (
        receiving(lambda got: answer(200, {"code": codes[got.json()["customerId"]]})) as receiver,
        sending(stand.settings),
    ):
        await stand.webhook(receiver.url)
        await stand.read(*coupons)
        await stand.until([coupons[0], coupons[1]], "dead")
        await stand.until([coupons[4]], "delivered")
        statuses = sorted([str(await stand.status(each)) for each in coupons[2:4]])
        assert statuses == ["dead", "delivered"]
    assert (await stand.errors(coupons[0]))[0] == "code_taken"
    assert await stand.code(coupons[4]) == display(mine, "CAFE")


async def test_farewell_switches_off_and_everything_waits(stand: Stand) -> None:
    """410: the webhook is off, partners hear of it, rows are held; on again they go out in order, none counted dead."""
    gone = True
    async with (
        receiving(lambda got: answer(410) if gone else own_code(got)) as receiver,
        sending(stand.settings),
    ):
        await stand.webhook(receiver.url, maxInFlight=1)
        coupons = [await stand.coupon() for _ in range(2)] + [await stand.coupon("bert")]
        await stand.read(*coupons)
        await stand.until(coupons, "held")
        assert (await stand.errors(coupons[0])) == ["gone"]
        told = await stand.connection.fetchval(
            "SELECT count(*) FROM outbox WHERE ce_type = 'webhook.disabled'"
        )
        assert told == 1
        late = await stand.coupon()
        await stand.read(late)
        assert await stand.status(late) == "held"
        gone = False
        await stand.webhook(receiver.url)
        await stand.until([*coupons, late], "delivered")
    annas = [one.id for one in receiver.got if one.json()["customerId"] == "anna"]
    assert list(dict.fromkeys(annas)) == [f"issued_{each}" for each in (*coupons[:2], late)]


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"status": "cancelled"}, "dead", "coupon_cancelled"),
        (
            {"status": "expired", "expires_at": ISSUED_AT + timedelta(days=1)},
            "dead",
            "coupon_expired",
        ),
        ({"expires_at": ISSUED_AT + timedelta(days=1)}, "dead", "coupon_expired"),
        ({"status": "redeemed", "redeemed_at": ISSUED_AT}, "delivered", None),
    ],
)
async def test_coupon_that_is_over_before_its_first_attempt_is_told_of_never(
    stand: Stand, changed: dict[str, Any], status: str, error: str | None
) -> None:
    """Cancelled or expired: dead, and nothing is sent. Redeemed: its code is asked for all the same."""
    async with receiving() as receiver, sending(stand.settings):
        await stand.webhook(receiver.url)
        coupon_id = await stand.coupon(**changed)
        after = await stand.coupon()
        await stand.read(coupon_id, after)
        await stand.until([after], "delivered")
        assert await stand.status(coupon_id) == status
    assert await stand.errors(coupon_id) == [error]
    assert (f"issued_{coupon_id}" in receiver.ids) is (error is None)


async def test_promised_code_is_asked_for_again_until_it_comes(stand: Stand) -> None:
    """202: a later attempt under the same id may bring it, and the customer's next coupon waits for it."""
    answers = [answer(202), answer(202)]
    async with (
        receiving(lambda got: answers.pop() if answers else own_code(got)) as receiver,
        sending(stand.settings),
    ):
        await stand.webhook(receiver.url)
        coupons = [await stand.coupon(), await stand.coupon()]
        await stand.read(*coupons)
        await stand.until(coupons, "delivered")
    assert receiver.ids == [f"issued_{coupons[0]}"] * 3 + [f"issued_{coupons[1]}"]
    assert await stand.errors(coupons[0]) == [None, None, None]


async def test_cancellation_after_delivery_goes_to_its_own_address(stand: Stand) -> None:
    """The same body under another id, behind what the customer was to hear before; any success will do."""
    async with (
        receiving(lambda got: answer(204) if got.path == "/cancel" else own_code(got)) as receiver,
        sending(stand.settings),
    ):
        cancel_url = receiver.url.replace("/coupons", "/cancel")
        await stand.webhook(receiver.url, cancelUrl=cancel_url)
        coupon_id = await stand.coupon()
        await stand.read(coupon_id)
        await stand.until([coupon_id], "delivered")
        assert await stand.cancelled(coupon_id) == 1
        assert await stand.cancelled(coupon_id) == 0

        async def is_told() -> bool:
            return await stand.status(coupon_id, "cancelled") == "delivered"

        await eventually(is_told, "the cancellation is told")
    issued, cancelled = receiver.got
    assert (cancelled.path, cancelled.id) == ("/cancel", f"cancelled_{coupon_id}")
    assert issued.body == cancelled.body


async def test_cancellation_of_what_nobody_was_told_is_not_told(stand: Stand) -> None:
    """Nor where the partner has no address for it."""
    await stand.webhook("http://127.0.0.1:1/", cancelUrl="http://127.0.0.1:1/cancel")
    coupon_id = await stand.coupon()
    await stand.read(coupon_id)
    assert await stand.cancelled(coupon_id) == 0
    await stand.connection.execute("UPDATE deliveries SET was_sent = true")
    await stand.webhook("http://127.0.0.1:1/")
    assert await stand.cancelled(coupon_id) == 0


async def test_webhook_that_was_removed_holds_what_comes_until_there_is_one(stand: Stand) -> None:
    """Rows are kept for the next one, of the types it is for."""
    await stand.webhook("http://127.0.0.1:1/")
    await stand.connection.execute(
        "UPDATE programs SET sections = sections - 'coupon', revision = revision + 1"
    )
    coupon_id = await stand.coupon()
    percent = await stand.coupon(terms=FIXED | {"type": "percentage"})
    assert await stand.read(coupon_id, percent) == 2
    assert await stand.status(coupon_id) == "held"
    async with receiving() as receiver, sending(stand.settings):
        await a_webhook(
            stand.connection,
            stand.partner_id,
            stand.settings,
            url=receiver.url,
            enableFixedRate=True,
        )
        await stand.until([coupon_id], "delivered")
    assert await stand.status(percent) == "held"
    assert len(receiver.got) == 1


async def test_partner_has_so_many_in_flight_and_a_second_as_it_says(stand: Stand) -> None:
    """`maxInFlight` at once, whatever waits; `maxPerSecond` in any second."""

    async def slowly(got: Got) -> bytes:
        await asyncio.sleep(0.02)
        return own_code(got)

    async with receiving(slowly) as receiver, sending(stand.settings):
        await stand.webhook(receiver.url, maxInFlight=3, maxPerSecond=10)
        coupons = [await stand.coupon(f"c{number}") for number in range(15)]
        began_at = asyncio.get_running_loop().time()
        await stand.read(*coupons)
        await stand.until(coupons, "delivered")
        took = asyncio.get_running_loop().time() - began_at
    assert receiver.most_at_once <= 3
    assert took > 0.9


async def test_receivers_that_hang_slow_nobody_else(stand: Stand, settings: Settings) -> None:
    """Twelve partners whose systems never answer take their places, and another's coupons are delivered all the same."""
    hanging = []
    async with (
        receiving(lambda _: asyncio.sleep(60, b"")) as silent,
        receiving() as quick,
        sending(settings),
    ):
        for _ in range(12):
            other = await a_partner(stand.connection)
            one = Stand(settings=settings, connection=stand.connection, partner_id=other)
            await one.webhook(silent.url, maxInFlight=50, timeoutSeconds=30)
            await one.read(*[await one.coupon(f"c{number}") for number in range(25)])
            hanging.append(one)

        async def are_asked() -> bool:
            return silent.at_once >= 100

        await eventually(are_asked, "the silent ones are being asked")
        await stand.webhook(quick.url)
        coupons = [await stand.coupon(f"c{number}") for number in range(30)]
        await stand.read(*coupons)
        # An attempt hangs for 30 s, and has hardly ended before the next one hangs.
        async with asyncio.timeout(45):
            await stand.until(coupons, "delivered")
        # The silent one does not notice who has given up on it, so ask who is under way.
        under_way = "SELECT count(*) FROM deliveries WHERE begun_at IS NOT NULL"
        assert await stand.connection.fetchval(under_way) <= 200
