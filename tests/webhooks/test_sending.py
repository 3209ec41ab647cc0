"""One process' sending: what it signs with, what of a code it tells others, and that it ends what it has begun."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta

from prometheus_client import REGISTRY

from services.adapters.secrets import secrets_by
from services.decisions.webhooks import rotate_secret
from services.domain.webhooks.signing import signed
from tests.stand.receiver import Got, own_code, receiving
from tests.stand.waiting import eventually
from tests.webhooks.stand import Stand, sending

HOUR = timedelta(hours=1)


async def key(stand: Stand) -> bytes:
    """The newest that signs."""
    sealed = await stand.connection.fetchval(
        "SELECT sealed FROM webhook_secrets WHERE signs_until IS NULL"
    )
    secret = secrets_by(stand.settings).opened(sealed, stand.partner_id)
    return b64decode(secret.removeprefix("whsec_"))


async def test_receiver_sees_the_signatures_of_the_newest_two(stand: Stand) -> None:
    """The older one's for as long as it was kept, which may be no time at all; the newest one's always, and first."""
    keys: list[bytes] = []

    async def rotated(keep_old_for: timedelta) -> None:
        async with stand.connection.transaction():
            await rotate_secret(
                stand.connection, stand.partner_id, secrets_by(stand.settings), keep_old_for
            )
        keys.append(await key(stand))

    async with receiving() as receiver, sending(stand.settings):

        async def signers() -> list[int]:
            """Numbers of the keys whose signatures the next request has, in their order."""
            coupon_id = await stand.coupon()
            await stand.read(coupon_id)
            await stand.until([coupon_id], "delivered")
            got = receiver.got[-1]
            at = datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), UTC)
            by_key = {
                dict(signed([each], id=got.id, at=at, body=got.body))["webhook-signature"]: number
                for number, each in enumerate(keys)
            }
            found = got.headers["webhook-signature"].split(" ")
            return [by_key[signature] for signature in found]

        await stand.webhook(receiver.url)
        keys.append(await key(stand))
        assert await signers() == [0]
        await rotated(HOUR)
        assert await signers() == [1, 0]
        await rotated(HOUR)
        assert await signers() == [2, 1]
        await stand.connection.execute(
            "UPDATE webhook_secrets SET signs_until = signs_until - interval '1 hour 1 second'"
        )
        assert await signers() == [2]
        await rotated(timedelta())
        assert await signers() == [3]


async def test_code_of_the_partner_is_told_masked_where_codes_are(stand: Stand) -> None:
    """`coupon.delivered` says its end, and ours', and neither in full; the customer's coupon has all of it."""
    settings = stand.settings.model_copy(update={"mask_codes": True})
    async with receiving() as receiver, sending(settings):
        await stand.webhook(receiver.url)
        coupon_id = await stand.coupon()
        await stand.read(coupon_id)
        await stand.until([coupon_id], "delivered")
    own = receiver.got[0].json()["code"]
    code = await stand.code(coupon_id)
    assert code == f"OWN-issued_{coupon_id}"
    row = await stand.connection.fetchrow("SELECT * FROM outbox WHERE ce_type = 'coupon.delivered'")
    assert row is not None
    value = json.loads(row["value"])
    assert value["external_code"] == value["code"] == f"****{code[-4:]}"
    assert value["internal_code"] == f"CAFE-****-****-****-{own[-4:]}"
    assert not [secret for secret in (code, own) if secret in str(dict(row))]


async def test_what_ends_while_it_stops_is_written_behind_what_is_being_written(
    stand: Stand,
) -> None:
    """One answer's writing waits for Anna's line when it is told to stop, and then Bert's answer comes: both are kept."""
    answered = {"anna": asyncio.Event(), "bert": asyncio.Event()}
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1685483625 AND NOT granted"

    async def script(got: Got) -> bytes:
        await answered[got.json()["customerId"]].wait()
        return own_code(got)

    def ended() -> float:
        return REGISTRY.get_sample_value("couponry_webhook_seconds_count") or 0

    async with receiving(script) as receiver:
        await stand.webhook(receiver.url)
        coupons = [await stand.coupon("anna"), await stand.coupon("bert")]
        await stand.read(*coupons)
        async with sending(stand.settings) as health:

            async def are_asked() -> bool:
                return receiver.at_once == 2

            await eventually(are_asked, "both are under way")
            async with stand.connection.transaction():
                await stand.connection.execute(
                    "SELECT pg_advisory_xact_lock(1685483625, hashint8(customer_no)) FROM customers WHERE customer_id = 'anna'"
                )
                answered["anna"].set()

                async def is_writing() -> bool:
                    return bool(await stand.connection.fetchval(waiting))

                await eventually(is_writing, "Anna's is being written")
                before = ended()
                health.stopping.set()
                answered["bert"].set()

                async def has_ended() -> bool:
                    return ended() > before

                await eventually(has_ended, "Bert's has ended")
    for coupon_id in coupons:
        assert await stand.errors(coupon_id) == [None]
        assert await stand.status(coupon_id) == "delivered"
