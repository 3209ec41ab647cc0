"""The partner's own coupon system as it is sent, stored and shown: shapes, refusals by place, and secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.coupon_webhook import (
    DEFAULT_PAYLOAD,
    MASK,
    NO_WEBHOOK,
    CouponWebhook,
    shown_coupon,
)
from schemas.gameball_v4.exact_json import write
from schemas.gameball_v4.files import loaded
from schemas.gameball_v4.program import Sections, sections_from, stored_of
from schemas.gameball_v4.webhook_changes import (
    NOT_STORED,
    Keeping,
    delete_coupon,
    put_coupon,
    switched_off,
)
from tests.schemas.gameball_v4.samples import sections

NOTHING = Sections()
LEAST = {
    "url": "https://shop.example/coupons",
    "method": "POST",
    "contentType": "application/json",
}
SEED = {
    "url": "https://api.gameball.co/coupons",
    "method": "POST",
    "contentType": "application/json",
    "authentication": {
        "type": "Basic",
        "username": "admin",
        "password": "password",
        "token": None,
        "values": [],
    },
    "queryParams": [{"type": "string", "key": "customerId", "value": "12345"}],
    "headers": [{"type": "string", "key": "Authorization", "value": "Bearer token"}],
    "payload": '{ "couponCode": "DISCOUNT10" }',
    "couponMapping": {"discount": "percentage", "minOrderValue": "100"},
    "enableFreeProduct": True,
    "enableFixedRate": False,
    "enableFreeShipping": True,
    "enablePercentage": True,
    "platforms": [
        {"displayName": "Shopify", "value": "shopify"},
        {"displayName": "WooCommerce", "value": "woocommerce"},
    ],
}
"""The documented sample."""
OURS = {
    "isActive": True,
    "timeoutSeconds": 10,
    "maxInFlight": 20,
    "maxPerSecond": None,
    "cancelUrl": None,
    "disabledAt": None,
    "disabledReason": None,
}


def seal(secret: str, before: str | None) -> str:
    """Readable here, and telling what it was told."""
    return f"({secret}, {before})"


KEEPING = Keeping(seal=seal)
PRIVATE = Keeping(seal=seal, allows_private=True)


def put(now: Sections, keeping: Keeping = KEEPING, **sent: Any) -> Sections:
    """The least there must be, and this."""
    return put_coupon(now, {**LEAST, **sent}, keeping)


def coupon(now: Sections) -> CouponWebhook:
    """There is one."""
    assert now.coupon is not None
    return now.coupon


def test_documented_sample_is_shown_as_it_was_sent() -> None:
    """With its secrets masked, and our own fields beside."""
    shown = shown_coupon(put_coupon(NOTHING, SEED, KEEPING).coupon)
    masked = {
        "authentication": {**SEED["authentication"], "password": MASK},  # type: ignore[dict-item]
        "headers": [{"type": "string", "key": "Authorization", "value": MASK}],
    }
    assert shown == {**SEED, **OURS, **masked}


def test_what_is_not_sent_falls_back() -> None:
    """A change replaces all; the payload falls back to the documented one."""
    now = put(put_coupon(NOTHING, SEED, KEEPING))
    assert shown_coupon(now.coupon) == {**NO_WEBHOOK, **LEAST}
    assert coupon(now).payload == DEFAULT_PAYLOAD
    assert json.loads(DEFAULT_PAYLOAD) == {"customerId": "{{playerUniqueId}}", "amount": "{{value}}", "code": "{{code}}"}  # fmt: skip
    assert delete_coupon(now).coupon is None


def test_nothing_is_shown_as_nulls_and_sent_back_changes_nothing() -> None:
    """Its names are those of one that is there."""
    assert shown_coupon(None).keys() == shown_coupon(put(NOTHING).coupon).keys()
    assert put_coupon(NOTHING, shown_coupon(None), KEEPING) == NOTHING
    with pytest.raises(InvalidDefinition) as refused:
        put_coupon(put(NOTHING), shown_coupon(None), KEEPING)
    assert refused.value.errors.keys() == {"url", "method", "contentType"}


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({"authentication": {"type": "Bearer", "token": "t"}},
         {"authentication": {"type": "Token", "username": None, "password": None, "token": MASK, "values": []}}),
        ({"Headers": [{"Type": "header", "Key": "X-Client-Version", "Value": "1.0"}]},
         {"headers": [{"type": "header", "key": "X-Client-Version", "value": "1.0"}]}),
        ({"headers": [{"key": "X-Signature", "value": "s"}]}, {"headers": [{"type": None, "key": "X-Signature", "value": MASK}]}),
        ({"queryParams": [{"key": "apiKey", "value": "s"}, {"key": "q", "value": "{{code}}"}]},
         {"queryParams": [{"type": None, "key": "apiKey", "value": MASK}, {"type": None, "key": "q", "value": "{{code}}"}]}),
        ({"platforms": ["web"]}, {"platforms": [{"displayName": "web", "value": "web"}]}),
        ({"payload": {"a": ["{{amount}}", 1]}}, {"payload": '{"a": ["{{amount}}", 1]}'}),
        ({"payload": ' {"a":{"b":{"c":"{{discount_type}}"}}}'}, {"payload": ' {"a":{"b":{"c":"{{discount_type}}"}}}'}),
        ({"payload": '{"a": "{{{value}}}"}'}, {"payload": '{"a": "{{{value}}}"}'}),
        ({"payload": r'{"a": "\u007b\u007bvalue}}", "n": 1.10}'}, {"payload": r'{"a": "\u007b\u007bvalue}}", "n": 1.10}'}),
        ({"payload": '["{{value}}", "{value}", "\\u0000", 1, 1]'}, {"payload": '["{{value}}", "{value}", "\\u0000", 1, 1]'}),
        ({"couponMapping": {"sealed": "x"}}, {"couponMapping": {"sealed": "x"}}),
        ({"url": "https://shop.example:443/"}, {"url": "https://shop.example:443/"}),
        ({"url": "https://[2606:4700::1111]:8443/x"}, {"url": "https://[2606:4700::1111]:8443/x"}),
        ({"isActive": False, "signingSecret": "whsec_x", "disabledReason": "mine", "disabledAt": "2026-01-01"}, {"isActive": False}),
    ],
)  # fmt: skip
def test_every_spelling_is_read(sent: dict[str, Any], shown: dict[str, Any]) -> None:
    """And shown in one; sent back it changes nothing."""
    now = put(NOTHING, **sent)
    found = shown_coupon(now.coupon)
    assert found == {**NO_WEBHOOK, **LEAST, **shown}
    assert put_coupon(now, found, KEEPING) == now
    assert sections_from(json.loads(json.dumps(stored_of(now))), "UTC") == now


def _header(key: str, value: str = "1") -> dict[str, Any]:
    return {"headers": [{"key": key, "value": value}]}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"url": None}, "url"), ({"url": "shop.example"}, "url"), ({"url": "http://shop.example/"}, "url"),
    ({"url": "https://shop.example:80/"}, "url"), ({"url": "https://shop.example:22/"}, "url"),
    ({"url": "https://u:p@shop.example/"}, "url"), ({"url": "https://@shop.example/"}, "url"),
    ({"url": "https://127.0.0.1/"}, "url"), ({"url": "https://127.1/"}, "url"), ({"url": "https://2130706433/"}, "url"),
    ({"url": "https://[::1]/"}, "url"), ({"url": "https://[::ffff:1.1.1.1]/"}, "url"), ({"url": "https://[fe80::1%25a]/"}, "url"),
    ({"url": "https://[v1.x]/"}, "url"), ({"url": "https://[::1]:443/"}, "url"), ({"url": "https://[]/"}, "url"),
    ({"url": "https://169.254.169.254/latest"}, "url"), ({"url": "https://１２７.0.0.1/"}, "url"),
    ({"url": "https://[2606:4700::1111]x/"}, "url"), ({"url": "https://a..b/"}, "url"), ({"url": "https://.shop.example/"}, "url"),
    ({"url": f"https://{'ü' * 64}.example/"}, "url"), ({"url": f"https://{'a' * 64}.example/"}, "url"), ({"url": f"https://{'a.' * 127}example/"}, "url"),
    ({"url": "https://a;b.example/"}, "url"), ({"url": "https://shop.example:65536/"}, "url"), ({"url": "https://shop.example:0/"}, "url"),
    ({"url": "https://shop.example\\@127.0.0.1/"}, "url"), ({"url": "https://shop.example/{{code}}"}, "url"),
    ({"url": f"https://shop.example/{'x' * 2048}"}, "url"), ({"cancelUrl": "http://shop.example"}, "cancelUrl"),
    ({"method": "GET"}, "method"), ({"method": "PATCH"}, "method"), ({"contentType": "text/plain"}, "contentType"),
    ({"contentType": None}, "contentType"), ({"isActive": None}, "isActive"), ({"payload": None}, "payload"),
    ({"authentication": {"type": "Digest"}}, "authentication.type"), ({"authentication": "x"}, "authentication"),
    ({"authentication": {"type": "Basic", "username": "u"}}, "authentication.password"),
    ({"authentication": {"type": "Basic", "username": "u", "password": ""}}, "authentication.password"),
    ({"authentication": {"type": "Basic", "username": "u:v", "password": "p"}}, "authentication.username"),
    ({"authentication": {"type": "Token", "password": "p"}}, "authentication.token"),
    ({"authentication": {"type": "Token", "token": "a\nb"}}, "authentication.token"),
    ({"authentication": {"type": "Token", "token": {"sealed": "x"}}}, "authentication.token"),
    ({"authentication": {"values": [{"key": "Host", "value": "x"}]}}, "authentication.values.0.key"),
    ({"authentication": {"values": [{"key": "A", "value": MASK}]}}, "authentication.values.0.value"),
    ({"authentication": {"type": "Token", "token": MASK}}, "authentication.token"),
    (_header("Host"), "headers.0.key"), (_header("content-length"), "headers.0.key"), (_header("Content-Type"), "headers.0.key"),
    (_header("Transfer-Encoding"), "headers.0.key"), (_header("Connection"), "headers.0.key"), (_header("TE"), "headers.0.key"),
    (_header("Webhook-Id"), "headers.0.key"), (_header("webhook-anything"), "headers.0.key"), (_header("a b"), "headers.0.key"),
    (_header("X\r\nY"), "headers.0.key"), (_header("X-A", "a\r\nb"), "headers.0.value"), (_header("X-A", "{{nothing}}"), "headers.0.value"),
    (_header("X-Token", MASK), "headers.0.value"), ({"headers": [{"key": "X"}]}, "headers.0.value"), ({"headers": {}}, "headers"),
    ({"queryParams": [{"key": "{{code}}", "value": "1"}]}, "queryParams.0.key"),
    ({"queryParams": [{"key": "", "value": "1"}]}, "queryParams.0.key"),
    ({"queryParams": [{"key": "q", "value": "{{ code }}"}]}, "queryParams.0.value"),
    ({"queryParams": [{"key": "q", "value": 1}]}, "queryParams.0.value"),
    ({"payload": {"{{code}}": "x"}}, "payload"), ({"payload": {"a": "{{Code}}"}}, "payload"), ({"payload": "{"}, "payload"),
    ({"payload": '{"a": {{value}}}'}, "payload"), ({"payload": {"a": ["x}}"]}}, "payload"), ({"payload": 7}, "payload"),
    ({"payload": r'{"\u007b{code}}": "x"}'}, "payload"), ({"payload": r'{"{{code}}" : 1}'}, "payload"),
    ({"payload": r'{"a": "\u007b\u007bcod}}"}'}, "payload"), ({"payload": '{"a": "{{x}}", "a": 1}'}, "payload"),
    ({"payload": r'{"a": "\ud800", "a": 1}'}, "payload"), ({"payload": '{"a": NaN}'}, "payload"), ({"payload": {"a": float("inf")}}, "payload"),
    ({"payload": '{"a": "{{ value }}"}'}, "payload"), ({"payload": [1]}, "payload"), ({"payload": '{"a": "\\ud800"}'}, "payload"), ({"payload": f'"{"x" * 10_000}"'}, "payload"), ({"payload": "[" * 9_000}, "payload"),
    ({"couponMapping": {str(n): "x" for n in range(51)}}, "couponMapping"), ({"couponMapping": {"fixed": 1}}, "couponMapping.fixed"),
    ({"platforms": [{"displayName": "A"}]}, "platforms.0.value"), ({"enableFixedRate": "true"}, "enableFixedRate"),
    ({"timeoutSeconds": 0}, "timeoutSeconds"), ({"timeoutSeconds": 31}, "timeoutSeconds"), ({"maxInFlight": 51}, "maxInFlight"),
    ({"maxInFlight": 0}, "maxInFlight"), ({"maxPerSecond": 0}, "maxPerSecond"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "place"), REFUSED, ids=[f"{place}-{n}" for n, (_, place) in enumerate(REFUSED)])  # fmt: skip
def test_what_is_wrong_is_named_by_its_place(sent: dict[str, Any], place: str) -> None:
    """And by it alone."""
    with pytest.raises(InvalidDefinition) as refused:
        put(NOTHING, **sent)
    assert refused.value.errors.keys() == {place}


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/x", "http://localhost/", "https://10.0.0.1:22/", "http://[::1]/"])  # fmt: skip
def test_addresses_may_be_anybodys_where_that_is_allowed(url: str) -> None:
    """By http too; a user name in one stays refused, since it would be shown."""
    assert coupon(put(NOTHING, PRIVATE, url=url, cancelUrl=url)).cancel_url == url
    with pytest.raises(InvalidDefinition, match="cancelUrl"):
        put(NOTHING, url=LEAST["url"], cancelUrl=url)
    with pytest.raises(InvalidDefinition, match="url"):
        put(NOTHING, PRIVATE, url="http://u:p@127.0.0.1/")


def test_mask_keeps_what_is_stored_by_its_name() -> None:
    """However the name is written, wherever in the list; of a name that is there twice, each its own."""
    values = [{"key": "X-A", "value": "a"}, {"key": "X-B", "value": "b"}]
    headers = [
        {"key": "X-Key", "value": "1"},
        {"key": "X-Plain", "value": MASK},
        {"key": "x-key", "value": "2"},
    ]
    now = put(
        NOTHING,
        authentication={"type": "Basic", "password": "p", "values": values},
        headers=headers,
    )
    assert coupon(now).headers[1].value == MASK  # no secret: a text like any other
    again = put(
        now,
        authentication={
            "type": "Basic",
            "password": MASK,
            "values": [{"key": "x-b", "value": MASK}, {"key": "X-A", "value": "new"}],
        },
        headers=[{"key": "X-KEY", "value": MASK}, {"key": "X-Key", "value": MASK}],
    )
    before, after = coupon(now), coupon(again)
    assert before.authentication is not None
    assert after.authentication is not None
    assert (
        after.authentication.password == {"sealed": "(p, None)"} == before.authentication.password
    )
    assert [each.value["sealed"] for each in after.authentication.values] == ["(b, None)", "(new, (a, None))"]  # fmt: skip
    assert [each.value["sealed"] for each in after.headers] == ["(1, None)", "(2, None)"]
    with pytest.raises(InvalidDefinition) as refused:
        put(again, headers=[{"key": "X-Key", "value": MASK}] * 3)
    assert refused.value.errors == {"headers.2.value": [NOT_STORED]}


def test_no_secret_is_left_in_what_is_stored() -> None:
    """Sealed wherever it stood: in the sections, in what is stored of them, in what is shown."""
    secrets = [f"hidden-{n}" for n in range(5)]
    now = put_coupon(
        NOTHING,
        {
            **LEAST,
            "authentication": {
                "password": secrets[0],
                "token": secrets[1],
                "values": [{"key": "X", "value": secrets[2]}],
            },
            "headers": [{"key": "Cookie", "value": secrets[3]}],
            "queryParams": [{"key": "authentication", "value": secrets[4]}],
        },
        Keeping(seal=lambda secret, before: "sealed"),
    )
    for text in (repr(now), json.dumps(stored_of(now)), write(shown_coupon(now.coupon))):
        assert "hidden" not in text


def test_switched_off_until_it_is_switched_on_again() -> None:
    """We say why and since when; sent back as it is it stays so, and any change that is active clears both."""
    from datetime import UTC, datetime

    at = datetime(2026, 11, 28, 12, tzinfo=UTC)
    now = put(NOTHING)
    off = switched_off(now, at, "gone")
    shown = shown_coupon(off.coupon)
    assert (shown["isActive"], shown["disabledAt"], shown["disabledReason"]) == (False, "2026-11-28T12:00:00Z", "gone")  # fmt: skip
    assert sections_from(json.loads(json.dumps(stored_of(off))), "UTC") == off
    assert put_coupon(off, shown, KEEPING) == off
    assert switched_off(off, at.replace(hour=13), "again") == off
    assert put(off) == now
    assert switched_off(NOTHING, at, "gone") == NOTHING


def test_file_keeps_what_it_masks_and_lists_what_falls_back() -> None:
    """Strict in names; a mask of nothing is refused by its place."""
    now = sections()
    shown = {"partner_id": 1, "coupon": shown_coupon(now.coupon)}
    same = loaded(now, shown, KEEPING)
    assert (same.sections, same.fell_back) == (now, ())
    less = loaded(now, {"partner_id": 1, "coupon": dict(LEAST)}, KEEPING)
    assert "coupon.timeoutSeconds" in less.fell_back
    for coupon_, place in (
        (shown["coupon"], "coupon.authentication.password"),
        ({**LEAST, "colour": 1}, "coupon.colour"),
        ({**LEAST, "headers": [{"key": "A", "value": "b", "c": 1}]}, "coupon.headers.0.c"),
        ([], "coupon"),
    ):
        with pytest.raises(InvalidDefinition) as refused:
            loaded(NOTHING, {"partner_id": 1, "coupon": coupon_}, KEEPING)
        assert place in refused.value.errors
