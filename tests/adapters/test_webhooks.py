"""What is stored of a partner's webhook, as it is called: secrets opened, authentication a header, keys that sign."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from services.adapters.postgres.programs import save_program
from services.adapters.postgres.webhooks import (
    begin_webhook,
    drop_secrets,
    renew_secret,
    webhooks_of,
)
from services.adapters.secrets import Secrets
from services.domain.terms import TermsType
from tests.stand.issuing import a_partner

SECRETS = Secrets([b"k" * 32])
SINCE = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def section(partner_id: int, **changed: Any) -> dict[str, Any]:
    """As the program stores it: whole, its secrets sealed."""

    def sealed(text: str) -> dict[str, str]:
        return {"sealed": SECRETS.sealed(text, partner_id)}

    return {
        "url": "https://shop.example/coupons",
        "method": "POST",
        "contentType": "application/json",
        "authentication": {
            "type": "Basic",
            "username": "admin",
            "password": sealed("pä:ss"),
            "token": None,
            "values": [{"key": "X-Api-Key", "value": sealed("k1")}],
        },
        "queryParams": [{"type": None, "key": "customerId", "value": "{{playerUniqueId}}"}],
        "headers": [{"type": "header", "key": "X-Client-Version", "value": "1.0"}],
        "payload": '{"code":"{{code}}"}',
        "couponMapping": {"fixed": "amount"},
        "enableFreeProduct": False,
        "enableFixedRate": True,
        "enableFreeShipping": False,
        "enablePercentage": True,
        "platforms": [{"displayName": "Shopify", "value": "shopify"}],
        "isActive": True,
        "timeoutSeconds": 7,
        "maxInFlight": 3,
        "maxPerSecond": None,
        "cancelUrl": None,
        "disabledAt": None,
        "disabledReason": None,
    } | changed


async def _stored(connection: asyncpg.Connection, partner_id: int, coupon: Any) -> None:
    sections = {} if coupon is None else {"coupon": coupon}
    await save_program(connection, partner_id, sections, actor="test", changed=["coupon"])


async def _renewed(connection: asyncpg.Connection, partner_id: int, keep: timedelta) -> bytes:
    key = os.urandom(32)
    secret = f"whsec_{base64.b64encode(key).decode()}"
    sealed = SECRETS.sealed(secret, partner_id)
    await renew_secret(connection, partner_id, sealed, keep_old_for=keep)
    return key


async def test_webhook_is_called_as_it_is_stored(database: asyncpg.Connection) -> None:
    """Authentication stands before the headers, every secret is opened, flags are the types that are sent."""
    partner_id, without = await a_partner(database), await a_partner(database)
    await _stored(database, partner_id, section(partner_id))
    await begin_webhook(database, partner_id, SINCE)
    await begin_webhook(database, partner_id, SINCE + DAY)
    key = await _renewed(database, partner_id, DAY)
    found = await webhooks_of(database, [partner_id, without], SECRETS)
    assert found.keys() == {partner_id}
    webhook = found[partner_id]
    basic = base64.b64encode("admin:pä:ss".encode()).decode()
    assert webhook.headers == (
        ("Authorization", f"Basic {basic}"),
        ("X-Api-Key", "k1"),
        ("X-Client-Version", "1.0"),
    )
    assert webhook.secret_headers == {"authorization", "x-api-key"}
    assert webhook.query == (("customerId", "{{playerUniqueId}}"),)
    assert webhook.sends == {TermsType.FIXED, TermsType.PERCENTAGE}
    assert webhook.signing_keys == (key,)
    assert (webhook.timeout_seconds, webhook.max_in_flight, webhook.platforms) == (7, 3, ("shopify",))  # fmt: skip


async def test_header_of_the_same_name_beats_authentication(database: asyncpg.Connection) -> None:
    """However the name is written; a token is a bearer's, and no authentication is none."""
    partner_id = await a_partner(database)
    await begin_webhook(database, partner_id, SINCE)
    token: dict[str, Any] = {
        "type": "Token",
        "username": None,
        "password": None,
        "token": "t1",
        "values": [],
    }
    own = [{"type": None, "key": "authorization", "value": "Own"}]
    for changed, headers in (
        ({"authentication": token, "headers": []}, (("Authorization", "Bearer t1"),)),
        ({"authentication": token, "headers": own}, (("authorization", "Own"),)),
        ({"authentication": None, "headers": []}, ()),
    ):
        await _stored(database, partner_id, section(partner_id, **changed))
        found = await webhooks_of(database, [partner_id], SECRETS)
        assert found[partner_id].headers == headers


async def test_two_newest_secrets_sign_as_long_as_they_may(database: asyncpg.Connection) -> None:
    """The newest first, the one before it until its time is over, one before that no more; deleted, none and nobody."""
    partner_id = await a_partner(database)
    await _stored(database, partner_id, section(partner_id, isActive=False))
    await begin_webhook(database, partner_id, SINCE)

    async def keys() -> tuple[bytes, ...]:
        return (await webhooks_of(database, [partner_id], SECRETS))[partner_id].signing_keys

    first = await _renewed(database, partner_id, DAY)
    second = await _renewed(database, partner_id, DAY)
    assert await keys() == (second, first)
    third = await _renewed(database, partner_id, DAY)
    assert await keys() == (third, second)
    fourth = await _renewed(database, partner_id, timedelta())
    assert await keys() == (fourth,)
    await drop_secrets(database, partner_id)
    assert await keys() == ()
    await _stored(database, partner_id, None)
    assert await webhooks_of(database, [partner_id], SECRETS) == {}
