"""`/coupons/predefined` waits a while for the code that the partner's own system is to give."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI

from services.adapters.postgres.deliveries import WAKE_SENDER
from services.adapters.postgres.pool import connect
from services.api.gameball_v4 import codes_to_come
from services.domain.coupons.coupon import CodeStatus
from services.runtime.settings import Settings
from tests.api.gameball_v4.test_customers import ask
from tests.api.gameball_v4.test_redeeming import a_rule, has, redeem
from tests.api.stand import Partner
from tests.stand.receiver import Got, own_code, receiving
from tests.webhooks.stand import Stand, sending

KEYED = {"Idempotency-Key": "redeem-1"}


@pytest.fixture
def stand(partner: Partner, api_settings: Settings) -> Stand:
    """The partner's webhook, which is tried once a second."""
    quick = {"webhook_allow_private": True, "webhook_retry_seconds": (0, *[1] * 12)}
    return Stand(
        settings=api_settings.model_copy(update=quick),
        connection=partner.database,
        partner_id=partner.id,
    )


@asynccontextmanager
async def telling(stand: Stand) -> AsyncIterator[None]:
    """What is issued is read and sent, while the block lasts."""
    connection = await connect(stand.settings, "test")
    reader = Stand(settings=stand.settings, connection=connection, partner_id=stand.partner_id)

    async def read() -> None:
        while True:
            rows = await connection.fetch(
                "SELECT id::text FROM coupons c WHERE partner_id = $1"
                " AND NOT EXISTS (SELECT FROM deliveries d WHERE d.coupon_id = c.id)",
                stand.partner_id,
            )
            if rows and await reader.read(*(row["id"] for row in rows)):
                await connection.execute(WAKE_SENDER)
            await connection.fetchval("SELECT pg_sleep(0.02)")

    async with sending(stand.settings):
        reading = asyncio.ensure_future(read())
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            connection.terminate()


async def shown(partner: Partner) -> dict[str, Any]:
    """The customer's one coupon, as v4 lists it."""
    (coupon,) = (await ask(partner, "/customers/anna/coupons"))["coupons"]
    return dict(coupon)


async def test_code_that_comes_at_once_is_in_the_answer(partner: Partner, stand: Stand) -> None:
    """Final, as in the list and in the event that tells of it; the issue said that it was to come."""
    rule = await a_rule(partner)
    await has(partner, 100)
    async with receiving() as receiver, telling(stand):
        await stand.webhook(receiver.url)
        status, body = await redeem(partner, ruleId=rule, headers=KEYED)
    code = f"OWN-issued_{body['couponId']}"
    assert (status, body["code"], body["codeStatus"]) == (200, code, "final")
    coupon = await shown(partner)
    assert (coupon["code"], coupon["codeStatus"]) == (code, "final")
    assert await redeem(partner, ruleId=rule, headers=KEYED) == (200, body)
    said = await partner.database.fetch(
        "SELECT ce_type, value FROM outbox WHERE subject = $1 ORDER BY id", body["couponId"]
    )
    assert [(row["ce_type"], json.loads(row["value"])["code_status"]) for row in said] == [
        ("coupon.issued", "pending"),
        ("coupon.delivered", "final"),
    ]


async def test_code_that_does_not_come_is_pending_and_a_repetition_learns_it(
    partner: Partner, stand: Stand
) -> None:
    """Ours is shown meanwhile, everywhere; asked again with the same key the answer is the coupon as it stands."""
    rule = await a_rule(partner)
    await has(partner, 100)
    answers = asyncio.Event()

    async def hangs(got: Got) -> bytes:
        await answers.wait()
        return own_code(got)

    async with receiving(hangs) as receiver, telling(stand):
        await stand.webhook(receiver.url)
        status, body = await redeem(partner, ruleId=rule, headers=KEYED)
        coupon_id = body["couponId"]
        ours = (await shown(partner))["code"]
        assert (status, body["codeStatus"], body["code"]) == (200, "pending", ours)
        assert (await shown(partner))["codeStatus"] == "pending"
        answers.set()
        await stand.until([coupon_id], "delivered")
        again = await partner.v4(
            "POST", "/coupons/predefined", {"customerId": "anna", "ruleId": rule},
            base="", headers=KEYED,
        )  # fmt: skip
    expected = body | {"code": f"OWN-issued_{coupon_id}", "codeStatus": "final"}
    assert (again.status_code, again.json()) == (200, expected)
    assert again.headers["idempotent-replayed"] == "true"
    assert (await stand.connection.fetchval("SELECT count(*) FROM coupons WHERE partner_id = $1", partner.id)) == 1  # fmt: skip


async def test_nobody_waits_longer_than_the_process_runs(
    app: FastAPI, partner: Partner, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told to stop it answers with what there is, however long it would have waited."""
    monkeypatch.setattr(codes_to_come, "WAIT_SECONDS", 1e9)
    rule = await a_rule(partner)
    await has(partner, 100)
    await stand.webhook("http://127.0.0.1:1/")
    asked = asyncio.ensure_future(redeem(partner, ruleId=rule))
    while not await stand.connection.fetchval(
        "SELECT count(*) FROM coupons WHERE partner_id = $1", partner.id
    ):
        assert not asked.done()
    stopping = app.state.api.stopping
    try:
        stopping.set()
        status, body = await asked
    finally:
        stopping.clear()
    assert (status, body["codeStatus"]) == (200, "pending")


@pytest.mark.parametrize(
    ("webhook", "rule"),
    [
        (None, {}),
        ({"enablePercentage": False}, {}),
        ({}, {"coupon": {"couponType": "custom", "group": {"handle": "club"}}}),
    ],
)
async def test_final_code_is_waited_for_by_nobody(
    partner: Partner,
    stand: Stand,
    monkeypatch: pytest.MonkeyPatch,
    webhook: dict[str, Any] | None,
    rule: dict[str, Any],
) -> None:
    """Without a webhook, of a type whose flag is off, or of a custom coupon: not once is it looked for."""

    async def looked(*_: object) -> None:
        raise AssertionError("looked for")

    monkeypatch.setattr(codes_to_come, "_awaited", looked)
    groups = [{"handle": "club", "title": "Club"}]
    id_ = await a_rule(partner, **rule, program={"couponGroups": groups})
    await has(partner, 100)
    if webhook is not None:
        await stand.webhook("http://127.0.0.1:1/", **webhook)
    status, body = await redeem(partner, ruleId=id_)
    assert (status, body["codeStatus"]) == (200, CodeStatus.FINAL)


@pytest.mark.parametrize("change", [{"isActive": False}, None])
async def test_webhook_that_is_off_or_gone_leaves_the_code_to_come(
    partner: Partner, stand: Stand, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any] | None
) -> None:
    """Its coupons wait for the next one."""
    monkeypatch.setattr(codes_to_come, "WAIT_SECONDS", 0.0)
    rule = await a_rule(partner)
    await has(partner, 100)
    await stand.webhook("http://127.0.0.1:1/", **(change or {}))
    if change is None:
        assert (await partner.v4("DELETE", "/coupon")).status_code == 200
    status, body = await redeem(partner, ruleId=rule)
    assert (status, body["codeStatus"]) == (200, "pending")
    assert await stand.read(body["couponId"]) == 1
    assert await stand.status(body["couponId"]) == "held"
