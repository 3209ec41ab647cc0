"""`/configurations/coupon` over HTTP: set whole, shown without its secrets, signed with one that is told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from schemas.gameball_v4.coupon_webhook import NO_WEBHOOK
from services.adapters.postgres.pool import connect
from services.adapters.postgres.webhooks import webhooks_of
from services.adapters.secrets import secrets_by
from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.partners.keys import Secret
from services.decisions.webhooks import switch_off
from services.domain.webhooks.webhook import Webhook
from services.runtime.settings import Settings
from tests.api.gameball_v4.test_sections import put, told
from tests.api.gameball_v4.test_settings import trail
from tests.api.stand import SECRET, URL, Partner
from tests.schemas.gameball_v4.test_coupon_webhook import LEAST, OURS, SEED
from tests.stand.webhooks import found_in

COUPON = "/coupon"
SINCE = "SELECT since FROM webhooks WHERE partner_id = $1"
WITH_SECRETS = {
    **LEAST,
    "authentication": {
        "type": "Basic",
        "username": "admin",
        "password": "hidden-password",
        "token": "hidden-token",
        "values": [{"key": "X-Shop", "value": "hidden-value"}],
    },
    "headers": [
        {"key": "Cookie", "value": "hidden-cookie"},
        {"key": "X-Version", "value": "shown-1"},
    ],
    "queryParams": [{"key": "api_key", "value": "hidden-query"}],
}
HIDDEN = ["hidden-password", "hidden-token", "hidden-value", "hidden-cookie", "hidden-query"]


@pytest.fixture
async def webhook(partner: Partner, api_settings: Settings) -> Any:
    """The partner's webhook, as whoever calls it reads it; None without one."""

    async def read() -> Webhook | None:
        found = await webhooks_of(partner.database, [partner.id], secrets_by(api_settings))
        return found.get(partner.id)

    return read


async def rotated(partner: Partner, body: Any = None, **more: Any) -> Any:
    answer = await partner.v4("POST", f"{COUPON}/rotate-secret", body, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


@asynccontextmanager
async def under(app: FastAPI, partner: Partner, **changes: Any) -> AsyncIterator[Partner]:
    """The partner, asking an API of other settings on the same database."""
    settings = app.state.api.settings.model_copy(update=changes)
    limits = Limits(settings)
    other = build_app(settings, app.state.api.pool, limits=limits, keys=Secret(SECRET))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url=URL) as client:
        yield replace(partner, http=client)
    await limits.close()


async def test_webhook_of_a_fresh_partner_is_nulls(partner: Partner) -> None:
    """Sent back they make none; removing none is no change."""
    fresh = await told(partner, COUPON)
    assert fresh == NO_WEBHOOK
    assert await put(partner, COUPON, fresh) == fresh
    gone = await partner.v4("DELETE", COUPON)
    assert (gone.status_code, gone.content) == (200, b"true")
    missing = await partner.v4("POST", f"{COUPON}/rotate-secret")
    assert (missing.status_code, missing.json()["code"]) == (404, 4004)
    assert (await told(partner, "/settings"))["version"] == 0
    assert await trail(partner) == []


async def test_webhook_is_set_whole_and_shown(partner: Partner, stranger: Partner) -> None:
    """The documented sample, by its other path too; sent back it changes nothing, and nobody else has it."""
    first = await put(partner, COUPON, SEED)
    assert first.pop("signingSecret").startswith("whsec_")
    shown = await told(partner, COUPON)
    assert shown == first == await told(partner, "/rewards/coupons", version="v4.1")
    masked = {"authentication": {**first["authentication"], "password": "password"}, "headers": SEED["headers"]}  # fmt: skip
    assert {**shown, **masked} == {**SEED, **OURS}
    assert await put(partner, COUPON, shown) == shown
    assert await put(partner, COUPON, SEED) == shown
    assert (await told(partner, "/settings"))["version"] == 1
    assert await told(stranger, COUPON) == NO_WEBHOOK
    assert await put(partner, "/rewards/coupons", dict(LEAST)) == {**NO_WEBHOOK, **LEAST}
    assert (await told(partner, "/settings"))["version"] == 2
    entries = [(entry["action"], entry["before"].keys()) for entry in await trail(partner)]
    assert entries == [("program.updated", {"coupon"})] * 2


async def test_signing_secret_is_told_once(partner: Partner, webhook: Any) -> None:
    """With what made it, and to who repeats that request; the first that comes after a removal is another one."""
    keyed: dict[str, Any] = {"headers": {"Idempotency-Key": "k"}}
    first = await partner.v4("PUT", COUPON, LEAST, **keyed)
    again = await partner.v4("PUT", COUPON, LEAST, headers={"Idempotency-Key": "k"})
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    before, since = await webhook(), await partner.database.fetchval(SINCE, partner.id)
    assert "signingSecret" not in await put(partner, COUPON, {**LEAST, "timeoutSeconds": 5})
    assert (await webhook()).signing_keys == before.signing_keys
    assert (await partner.v4("DELETE", COUPON)).content == b"true"
    assert await webhook() is None
    assert await told(partner, COUPON) == NO_WEBHOOK
    other = await put(partner, COUPON, LEAST)
    assert other["signingSecret"] != first.json()["signingSecret"]
    after = await webhook()
    assert len(after.signing_keys) == 1
    assert after.signing_keys != before.signing_keys
    assert await partner.database.fetchval(SINCE, partner.id) == since


async def test_secret_is_rotated(partner: Partner, webhook: Any) -> None:
    """The newest two sign as long as the older may; a repeated request makes no third."""
    await put(partner, COUPON, LEAST)
    (first,) = (await webhook()).signing_keys
    answer = await rotated(partner, headers={"Idempotency-Key": "k"})
    assert await rotated(partner, headers={"Idempotency-Key": "k"}) == answer
    assert answer["url"] == LEAST["url"]
    second = (await webhook()).signing_keys
    assert len(second) == 2
    assert second[1] == first
    await rotated(partner, {"keepOldFor": 60})
    third = (await webhook()).signing_keys
    assert third[1:] == second[:1]
    rotation = await partner.v4("POST", "/rewards/coupons/rotate-secret", {"KeepOldFor": 0})
    assert rotation.status_code == 200
    assert len((await webhook()).signing_keys) == 1
    for wrong in (-1, 604_801, "1", None):
        refused = await partner.v4("POST", f"{COUPON}/rotate-secret", {"keepOldFor": wrong})
        assert (refused.status_code, list(refused.json()["errors"])) == (422, ["keepOldFor"])
    assert [entry["action"] for entry in await trail(partner)] == ["program.updated", *["webhook.secret_rotated"] * 3]  # fmt: skip
    assert (await told(partner, "/settings"))["version"] == 1


async def test_no_secret_is_at_rest_in_clear(
    partner: Partner, api_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor its base64: not in programs, versions, audit, stored answers or anywhere; what is no secret is found."""
    keyed = {"headers": {"Idempotency-Key": "k1"}}
    made = await partner.v4("PUT", COUPON, WITH_SECRETS, **keyed)
    assert made.status_code == 200, made.text
    keys = [made.json()["signingSecret"]]
    for number in range(2):
        rotation = await rotated(partner, headers={"Idempotency-Key": f"r{number}"})
        keys.append(rotation["signingSecret"])
    changed = {**WITH_SECRETS, "headers": [{"key": "Cookie", "value": "hidden-other"}]}
    await put(partner, COUPON, changed, headers={"Idempotency-Key": "k2"})
    inside = [key.removeprefix("whsec_") for key in keys]
    owner = await connect(api_settings, "test", role=None)
    assert await found_in(owner, [*HIDDEN, "hidden-other", *keys, *inside]) == []
    assert ("program_versions", "shown-1") in await found_in(owner, ["shown-1"])
    await owner.close()
    shown = await partner.v4("GET", COUPON)
    assert "hidden" not in shown.text + caplog.text


async def test_mask_keeps_and_changes_what_it_says(partner: Partner, webhook: Any) -> None:
    """Secrets that are sent back masked are still sent in calls, the one that is given is another."""
    await put(partner, COUPON, WITH_SECRETS)
    shown = await told(partner, COUPON)
    shown["authentication"]["values"][0]["value"] = "new"
    await put(partner, COUPON, shown)
    found = await webhook()
    assert dict(found.headers)["X-Shop"] == "new"
    assert dict(found.headers)["Cookie"] == "hidden-cookie"
    assert found.query == (("api_key", "hidden-query"),)
    refused = await partner.v4("PUT", COUPON, {**LEAST, "headers": [{"key": "X-Token", "value": "***"}]})  # fmt: skip
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["headers.0.value"])
    await partner.v4("DELETE", COUPON)
    refused = await partner.v4("PUT", COUPON, shown)
    assert "authentication.password" in refused.json()["errors"]


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"url": "https://shop.example"}, "method"),
        ({**LEAST, "method": "GET"}, "method"),
        ({**LEAST, "url": "https://10.0.0.1/"}, "url"),
        ({**LEAST, "url": "http://127.0.0.1:8080/"}, "url"),
        ({**LEAST, "payload": {"a": "{{nothing}}"}}, "payload"),
        ({**LEAST, "headers": [{"key": "Content-Type", "value": "x"}]}, "headers.0.key"),
    ],
)
async def test_webhook_names_what_is_wrong(
    partner: Partner, sent: dict[str, Any], place: str
) -> None:
    """422 by its place, and nothing was made."""
    answer = await partner.v4("PUT", COUPON, sent)
    assert (answer.status_code, answer.json()["code"]) == (422, 3003)
    assert place in answer.json()["errors"]
    assert await told(partner, COUPON) == NO_WEBHOOK


async def test_webhook_is_for_its_partner_to_set(partner: Partner) -> None:
    """The API key alone shows it, and sets nothing."""
    alone: dict[str, Any] = {"headers": {"secretKey": None}}
    assert (await partner.v4("GET", COUPON, headers={"secretKey": None})).status_code == 200
    for method, path, body in (
        ("PUT", COUPON, LEAST), ("DELETE", COUPON, None), ("POST", f"{COUPON}/rotate-secret", {}),
    ):  # fmt: skip
        answer = await partner.v4(method, path, body, headers=dict(alone["headers"]))
        assert (answer.status_code, answer.json()["code"]) == (401, 1001)


async def test_private_addresses_where_they_are_allowed(app: FastAPI, partner: Partner) -> None:
    """By http and to any port, once the setting says so."""
    url = "http://127.0.0.1:80/coupons"
    async with under(app, partner, webhook_allow_private=True) as allowed:
        assert (await put(allowed, COUPON, {**LEAST, "url": url}))["url"] == url


async def test_nothing_is_set_where_nothing_can_be_sealed(app: FastAPI, partner: Partner) -> None:
    """503 without the key, and for a secret whose key is gone; what is there is shown, and can be removed."""
    keyed = {"headers": {"Idempotency-Key": "k"}}
    await put(partner, COUPON, WITH_SECRETS, **keyed)
    async with under(app, partner, secrets_key=None) as without:
        assert (await without.v4("PUT", COUPON, LEAST)).status_code == 503
        assert (await without.v4("POST", f"{COUPON}/rotate-secret")).status_code == 503
        assert (await told(without, COUPON))["authentication"]["password"] == "***"
    async with under(app, partner, secrets_key="A" * 43 + "=") as other:
        again = await other.v4("PUT", COUPON, WITH_SECRETS, headers={"Idempotency-Key": "k"})
        assert (again.status_code, again.json()["code"]) == (503, 5000)
    async with under(app, partner, secrets_key=None) as without:
        assert (await without.v4("DELETE", COUPON)).content == b"true"


async def test_switched_off_until_the_partner_switches_it_on(
    partner: Partner, database: asyncpg.Connection
) -> None:
    """Shown with when and why; sent back it stays off, and a change that is active clears both."""
    await put(partner, COUPON, LEAST)
    at = await database.fetchval("SELECT date_trunc('second', now())")
    async with database.transaction():
        assert await switch_off(database, partner.id, "gone", at)
    shown = await told(partner, COUPON)
    assert (shown["isActive"], shown["disabledReason"]) == (False, "gone")
    assert await put(partner, COUPON, shown) == shown
    on = await put(partner, COUPON, {**shown, "isActive": True})
    assert (on["isActive"], on["disabledAt"], on["disabledReason"]) == (True, None, None)


async def test_two_first_ones_at_once_make_one_secret(partner: Partner, webhook: Any) -> None:
    """The slower one changes what is there already, and is told no secret."""
    bodies = [{**LEAST, "timeoutSeconds": seconds} for seconds in range(1, 5)]
    made = await asyncio.gather(*(put(partner, COUPON, body) for body in bodies))
    assert sum("signingSecret" in each for each in made) == 1
    assert len((await webhook()).signing_keys) == 1
