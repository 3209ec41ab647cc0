"""What is sent to a partner's system: every placeholder as a text, escaped for its place, expanded once, and signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.gameball_v4 import placeholders, webhook_values
from schemas.gameball_v4.placeholders import PLACEHOLDERS
from services.domain.terms import TermsType
from services.domain.webhooks.rendering import (
    MASK,
    SECRET_WORDS,
    Rendered,
    rendered,
    texts_of,
)
from tests.domain.webhooks.hooks import AT, KEY, PAYLOAD, a_coupon, a_webhook, some_terms

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


def sent(coupon: Any = None, **webhook: Any) -> Rendered:
    """The request about a coupon."""
    return rendered(a_webhook(**webhook), coupon or a_coupon(), id="issued_1", at=AT)


def test_default_payload_is_the_seeds_example() -> None:
    """Example 40: values are texts, whatever they are."""
    assert sent().body == b'{"customerId":"CUS_12345","amount":"50","code":"50EGPOFF"}'


@pytest.mark.parametrize(
    ("placeholder", "terms", "text"),
    [
        ("value", {"value": Decimal("12.50")}, "12.5"),
        ("value", {"type": TermsType.PERCENTAGE, "value": Decimal(15)}, "15"),
        ("value", {"type": TermsType.FREE_SHIPPING, "value": None}, "0"),
        ("value", {"type": TermsType.FREE_PRODUCT, "value": None}, "0"),
        ("amount", {"value": Decimal("1E+2")}, "100"),
        ("type", {}, "fixed"),
        ("type", {"type": TermsType.PERCENTAGE}, "percent"),
        ("discount_type", {"type": TermsType.FREE_PRODUCT}, "freeProduct"),
        ("type", {"type": TermsType.FREE_SHIPPING}, "freeShipping"),
        ("currency", {"currency": "EGP"}, "EGP"),
        ("currency", {}, ""),
        ("minOrderValue", {"min_order_value": Decimal("20.10")}, "20.1"),
        ("minOrderValue", {}, ""),
        ("capping", {"capping": Decimal(5)}, "5"),
        ("usageLimit", {"usage_limit": 3}, "3"),
    ],
)
def test_placeholder_is_a_text(placeholder: str, terms: dict[str, Any], text: str) -> None:
    """A row for each that terms make; of what there is none it is empty."""
    coupon = a_coupon(terms=some_terms(**terms))
    body = sent(
        coupon, payload=f'{{"it":"{{{{{placeholder}}}}}"}}', mapping={"percentage": "percent"}
    ).body
    assert json.loads(body) == {"it": text}


def test_end_of_a_coupon_is_in_utc_without_needless_decimals() -> None:
    """And a coupon that never ends has none."""
    payload = '{"end":"{{expiryDate}}"}'
    ending = a_coupon(expires_at=AT + timedelta(microseconds=5))
    assert json.loads(sent(ending, payload=payload).body) == {"end": "2026-11-28T12:00:00.000005Z"}
    assert json.loads(sent(a_coupon(expires_at=AT), payload=payload).body) == {
        "end": "2026-11-28T12:00:00Z"
    }
    assert json.loads(sent(payload=payload).body) == {"end": ""}


def test_every_placeholder_has_a_text() -> None:
    """What may be set as one is one, and nothing else is."""
    assert set(texts_of(a_coupon(), {})) == set(PLACEHOLDERS)
    assert sent(payload='{"a":"{{other}} {{ code }}"}').body == b'{"a":"{{other}} {{ code }}"}'


@given(customer=texts, code=texts)
def test_any_text_stays_itself_in_payload_query_and_header(customer: str, code: str) -> None:
    """Read again as JSON, as a query and as a header it is what it was: nothing breaks out, and nothing is expanded twice."""
    coupon = a_coupon(customer_id=customer, code=code)
    got = sent(
        coupon,
        payload=PAYLOAD,
        query=(("who", "{{playerUniqueId}}"), ("co de", "x {{code}}")),
        headers=(("X-Who", "a {{playerUniqueId}}"),),
    )
    assert json.loads(got.body) == {"customerId": customer, "amount": "50", "code": code}
    query = parse_qsl(urlsplit(got.url).query, keep_blank_values=True, strict_parsing=True)
    assert query == [("who", customer), ("co de", f"x {code}")]
    header = dict(got.headers)["X-Who"]
    assert header.isascii()
    assert header.isprintable()
    assert " " not in header[2:]


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (r'{"a":"\u007b\u007bcode}}"}', '{"a":"50EGPOFF"}'),
        (r'{"a":"{{co\u0064e\u007D\u007D"}', '{"a":"50EGPOFF"}'),
        (r'{"a\n":"\"{\u007bplayerUniqueId}}\\"}', r'{"a\n":"\"CUS_\"1\"\\"}'),
        (r'{"a":"\\{{code}}", "b": "\u007bcode}"}', r'{"a":"\\50EGPOFF", "b": "\u007bcode}"}'),
        (r'{"a":"\\u007b{code}"}', r'{"a":"\\u007b{code}"}'),
        ('{"a":"{{code}}", "a": [1.10, {"b": 9' + "0" * 40 + '}]}\n', '{"a":"50EGPOFF", "a": [1.10, {"b": 9' + "0" * 40 + '}]}\n'),
    ],
)  # fmt: skip
def test_placeholder_is_one_however_json_spells_it(payload: str, body: str) -> None:
    """What is set as one is sent as one; numbers, blanks, names and texts without one go out as they are written."""
    placeholders.check_payload(payload)
    assert sent(a_coupon(customer_id='CUS_"1"'), payload=payload).body.decode() == body


pieces = st.sampled_from(
    ["{{code}}", "{{value}}", "{", "}", '"', "\\", "/", "\n", "é", "\U0001f600", "x", "u007b"]
)


@given(st.lists(pieces, max_size=6).map("".join), st.data())
def test_what_is_judged_is_what_is_sent(text: str, data: st.DataObject) -> None:
    """In any spelling of a JSON text: it is refused, or every placeholder of it is sent as what it stands for."""
    signs = [
        "".join(f"\\u{unit:04x}" for unit in struct.unpack(f">{len(raw) // 2}H", raw))
        if data.draw(st.booleans())
        else json.dumps(sign, ensure_ascii=False)[1:-1]
        for sign in text
        for raw in [sign.encode("utf-16-be")]
    ]
    payload = f'{{"a": "{"".join(signs)}"}}'
    try:
        placeholders.check_payload(payload)
    except ValueError:
        left = text.replace("{{code}}", " ").replace("{{value}}", " ")
        assert "{{" in left or "}}" in left
        return
    meant = text.replace("{{code}}", "50EGPOFF").replace("{{value}}", "50")
    assert json.loads(sent(payload=payload).body) == {"a": meant}


def test_value_that_looks_like_a_placeholder_stays() -> None:
    """A customer who is called {{code}} learns no code."""
    body = sent(a_coupon(customer_id="{{code}}")).body
    assert json.loads(body)["customerId"] == "{{code}}"


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("https://a.example/x", "https://a.example/x?k=v%20%26"),
        ("https://a.example/x?one=1", "https://a.example/x?one=1&k=v%20%26"),
        ("https://a.example/x?", "https://a.example/x?k=v%20%26"),
        ("https://a.example/x#part", "https://a.example/x?k=v%20%26"),
    ],
)
def test_query_goes_behind_what_the_address_has(url: str, whole: str) -> None:
    """And before a fragment, which is never sent."""
    assert sent(url=url, query=(("k", "v &"),)).url == whole


def test_header_outside_visible_ascii_is_in_percent() -> None:
    """Of what the partner wrote spaces stay; of a value they do not."""
    got = sent(a_coupon(customer_id="ü x"), headers=(("X-A", "Ä b {{playerUniqueId}}"),))
    assert dict(got.headers)["X-A"] == "%C3%84 b %C3%BC%20x"


def test_partner_may_say_by_which_name_we_come() -> None:
    """Its own User-Agent is there alone."""
    own = sent(headers=(("user-agent", "Shop {{currency}}/1"),)).headers
    for headers, name in ((sent().headers, "couponry"), (own, "Shop /1")):
        assert [text for key, text in headers if key.lower() == "user-agent"] == [name]


def test_every_key_signs_as_standard_webhooks_has_it() -> None:
    """`v1,` and base64 of HMAC-SHA256 over id, timestamp and body, the newest key first."""
    got = sent(signing_keys=(KEY, b"o" * 32))
    headers = dict(got.headers)
    content = b"issued_1." + headers["webhook-timestamp"].encode() + b"." + got.body
    assert headers["webhook-timestamp"] == str(int(AT.timestamp()))
    assert headers["webhook-signature"] == " ".join(
        "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        for key in (KEY, b"o" * 32)
    )


def test_what_is_shown_has_no_secret() -> None:
    """Neither in headers nor in the query, nor in what a receiver sends back of them."""
    got = sent(
        headers=(("Authorization", "Basic c2VjcmV0"), ("X-Client", "plain")),
        query=(("api_key", "s3cret"), ("who", "me")),
    )
    shown = f"{got.shown_url} {got.shown_headers}"
    assert not [secret for secret in ("c2VjcmV0", "s3cret", "v1,") if secret in shown]
    assert "plain" in shown
    assert "who=me" in shown
    assert got.shown_url.count(MASK) == 1
    assert (
        got.without_secrets("you sent Basic c2VjcmV0, c2VjcmV0 and s3cret")
        == "you sent ***, *** and ***"
    )
    assert dict(got.headers)["Authorization"] == "Basic c2VjcmV0"


def test_header_of_authentication_is_shown_to_nobody() -> None:
    """Whatever it is called, neither as it was sent nor in what a receiver sends back of it."""
    got = sent(
        headers=(("X-Shop", "sh0pword"), ("X-B", "plain")), secret_headers=frozenset({"x-shop"})
    )
    assert dict(got.shown_headers)["X-Shop"] == MASK
    assert dict(got.shown_headers)["X-B"] == "plain"
    assert got.without_secrets("sh0pword of plain") == "*** of plain"


def test_secret_is_known_again_in_the_spelling_in_which_it_was_sent() -> None:
    """A receiver says which address it does not know, or quotes a header in JSON."""
    got = sent(query=(("api_key", "a b+c/d"),), headers=(("X-Token", 'q"t\\x'),))
    assert (
        got.without_secrets(f"no {got.url} here")
        == "no https://shop.example/coupons?api_key=*** here"
    )
    assert got.without_secrets(json.dumps({"x": 'q"t\\x'})) == '{"x": "***"}'


def test_secrets_are_called_alike_where_they_are_set_and_where_they_are_sent() -> None:
    """One list of words in two packages that may not know each other."""
    assert SECRET_WORDS == webhook_values._SECRET_WORDS


def test_test_says_that_it_is_one() -> None:
    """And nothing else does."""
    told = rendered(a_webhook(), a_coupon(), id="test_1", at=AT, is_test=True)
    assert dict(told.headers)["webhook-test"] == "true"
    assert "webhook-test" not in dict(sent().headers)
