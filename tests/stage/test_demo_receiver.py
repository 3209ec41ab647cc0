"""The demo's shop has a coupon system of its own: whom it believes, and what it says to whom it does."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError

import pytest

from services.domain.webhooks.signing import signed
from services.runtime.web import open_url
from services.stage.demo.shop.receiver import (
    CANCELLED,
    COUPONS,
    OLDEST_SECONDS,
    Receiver,
    is_signed,
    receiver,
)

KEY, OTHER = b"k" * 24, b"o" * 24
SECRET = "whsec_" + base64.b64encode(KEY).decode()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def request(coupon_id: str, *keys: bytes, at: datetime = NOW) -> tuple[dict[str, str], bytes]:
    """Headers and body, as the service signs them."""
    body = json.dumps({"couponId": coupon_id}).encode()
    return dict(signed(keys or (KEY,), id=f"issued_{coupon_id}", at=at, body=body)), body


def believed(headers: dict[str, str], body: bytes) -> bool:
    return is_signed(SECRET, headers, body, NOW.timestamp())


def test_signature_of_the_service_holds() -> None:
    """Also beside one by another secret, as while that is being replaced."""
    assert believed(*request("c-1"))
    assert believed(*request("c-1", OTHER, KEY))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda headers, body: (headers, body + b" "),
        lambda headers, body: (headers | {"webhook-id": "issued_c-2"}, body),
        lambda headers, body: (
            headers | {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
            body,
        ),
        lambda headers, body: (headers | {"webhook-timestamp": "now"}, body),
        lambda headers, body: ({**headers, "webhook-signature": ""}, body),
        lambda headers, body: ({}, body),
    ],
)
def test_request_that_was_tampered_with_is_not_believed(
    spoil: Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]],
) -> None:
    """Body, id, instant and signature belong together."""
    assert not believed(*spoil(*request("c-1")))


def test_signature_of_somebody_else_or_of_long_ago_does_not_hold() -> None:
    """Another secret; or overheard, and said again later."""
    assert not believed(*request("c-1", OTHER))
    assert believed(*request("c-1", at=NOW - timedelta(seconds=OLDEST_SECONDS)))
    assert not believed(*request("c-1", at=NOW - timedelta(seconds=OLDEST_SECONDS + 1)))


async def test_each_coupon_has_a_code_of_its_own_for_good() -> None:
    """Two coupons in one connection or many; one that is told again, or cancelled, has the code it had."""
    async with receiver() as system:
        system.secret = SECRET
        codes = [await said(system, COUPONS, each) for each in ("c-1", "c-2", "c-1")]
        assert codes == ["ROAST-0001", "ROAST-0002", "ROAST-0001"]
        assert await said(system, CANCELLED, "c-2") == "ROAST-0002"
        assert system.problems() == []
        assert (set(system.given), system.taken_back, system.refused) == (
            {"c-1", "c-2"},
            {"c-2"},
            0,
        )


async def test_who_is_not_believed_hears_nothing() -> None:
    """The secret is another one: 401, no code, and it is counted."""
    async with receiver() as system:
        system.secret = "whsec_" + base64.b64encode(OTHER).decode()
        with pytest.raises(HTTPError) as refused:
            await said(system, COUPONS, "c-1")
        refused.value.close()
        assert (refused.value.code, system.given, system.refused) == (401, {}, 1)
        assert system.problems() == [
            "the shop's own system: 1 requests whose signature does not hold"
        ]


async def said(system: Receiver, path: str, coupon_id: str) -> Any:
    """The code of the answer."""
    headers, body = request(coupon_id, at=datetime.fromtimestamp(time.time(), UTC))

    def ask() -> Any:
        with open_url(system.url + path, timeout_seconds=5, data=body, headers=headers) as answer:
            return json.load(answer)["couponCode"]

    return await asyncio.to_thread(ask)
