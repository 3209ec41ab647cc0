"""What is sent to a partner's own coupon system: placeholders become a coupon's texts, each once, and all of it signed.

A text is escaped for where it stands: in the payload for JSON, in the query as a query, in a header as visible ASCII.
The payload is JSON: a placeholder is one however it is spelled there, and what has none goes out as it is written.
What looks like a placeholder in a customer's id stays as it is: only what the partner has written is expanded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, assert_never
from urllib.parse import quote

from services.domain.exact import text_or_none
from services.domain.terms import Terms, TermsType
from services.domain.webhooks.signing import signed
from services.domain.webhooks.webhook import Webhook

MASK: Final = "***"
SECRET_WORDS: Final = ("auth", "key", "token", "secret", "password", "signature", "cookie")
"""A header or parameter whose name has one of these is shown to nobody, as a webhook's `secret_headers` are."""
USER_AGENT: Final = "couponry"
_SHORTEST_MASKED: Final = 4
"""Of a secret that is looked for in what comes back: shorter ones are in any text."""
_TYPE_WORDS: Final = {
    TermsType.FIXED: "fixed",
    TermsType.PERCENTAGE: "percentage",
    TermsType.FREE_PRODUCT: "freeProduct",
    TermsType.FREE_SHIPPING: "freeShipping",
    TermsType.CUSTOM: "custom",
}
_OTHER_NAMES: Final = {"amount": "value", "discount_type": "type"}
_placeholder = re.compile(r"\{\{([A-Za-z_]+)\}\}")
_literal = re.compile(r'"(?:[^"\\]|\\.)*"')
_to_escape = re.compile(r'["\\\x00-\x1f]')
_escape = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))")
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCoupon:
    """What is told of a coupon. `code` is as the customer would show it; without `expires_at` it never ends."""

    coupon_id: str
    customer_id: str
    code: str
    terms: Terms
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A request as it goes out; `shown_url`, `shown_headers` have `***` for every secret."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    shown_url: str
    shown_headers: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]

    def shown(self) -> dict[str, Any]:
        """For people to read, without secrets: {method, url, headers {name: value}, body}."""
        return {
            "method": self.method,
            "url": self.shown_url,
            "headers": dict(self.shown_headers),
            "body": self.body.decode(),
        }

    def without_secrets(self, text: str) -> str:
        """A text that came back, which may say what we have sent."""
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return text


def rendered(
    webhook: Webhook,
    coupon: SentCoupon,
    *,
    id: str,
    at: datetime,
    url: str | None = None,
    is_test: bool = False,
) -> Rendered:
    """The request about this coupon. `id` is its `webhook-id`, `at` its timestamp; `url` in place of the webhook's."""
    values = texts_of(coupon, webhook.mapping)
    body = _literal.sub(lambda found: _in_payload(found[0], values), webhook.payload).encode()
    query = [(name, _expanded(value, values, str)) for name, value in webhook.query]
    own = [(name, _header(value, values)) for name, value in webhook.headers]
    names_us = any(name.lower() == "user-agent" for name, _ in own)
    headers = [
        ("Content-Type", webhook.content_type),
        *([] if names_us else [("User-Agent", USER_AGENT)]),
        *own,
        *signed(webhook.signing_keys, id=id, at=at, body=body),
        *([("webhook-test", "true")] if is_test else []),
    ]
    target = url or webhook.url
    return Rendered(
        method=webhook.method,
        url=_with_query(target, query),
        headers=tuple(headers),
        body=body,
        shown_url=_with_query(target, _masked(query)),
        shown_headers=tuple(_masked(headers, webhook.secret_headers)),
        secrets=_secrets(_hidden(own, webhook.secret_headers), _hidden(query)),
    )


def texts_of(coupon: SentCoupon, mapping: Mapping[str, str]) -> dict[str, str]:
    """By placeholder. Amounts without zeros at their end; what there is none of is empty, or 0 for no value at all."""
    terms = coupon.terms
    word = _TYPE_WORDS[terms.type]
    texts = {
        "playerUniqueId": coupon.customer_id,
        "value": _value(terms),
        "code": coupon.code,
        "type": mapping.get(word, word),
        "currency": terms.currency or "",
        "couponId": coupon.coupon_id,
        "expiryDate": "" if coupon.expires_at is None else _moment(coupon.expires_at),
        "minOrderValue": text_or_none(terms.min_order_value) or "",
        "capping": text_or_none(terms.capping) or "",
        "usageLimit": str(terms.usage_limit),
    }
    return texts | {name: texts[same] for name, same in _OTHER_NAMES.items()}


def is_secret(name: str) -> bool:
    """Whether a header or parameter of this name holds what is shown to nobody."""
    return any(word in name.lower() for word in SECRET_WORDS)


def _value(terms: Terms) -> str:
    match terms.type:
        case TermsType.PERCENTAGE | TermsType.FIXED:
            return text_or_none(terms.value) or ""
        case TermsType.FREE_PRODUCT | TermsType.FREE_SHIPPING | TermsType.CUSTOM:
            return "0"
        case _:
            assert_never(terms.type)


def _moment(at: datetime) -> str:
    """In UTC with `Z`; whole seconds without decimals."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _expanded(template: str, values: Mapping[str, str], escaped: Callable[[str], str]) -> str:
    """With each placeholder once; a word in double braces that is none stays."""

    def text(found: re.Match[str]) -> str:
        value = values.get(found[1])
        return found[0] if value is None else escaped(value)

    return _placeholder.sub(text, template)


def _in_payload(literal: str, values: Mapping[str, str]) -> str:
    """The text of a JSON document, with its quotes; written anew if a placeholder is spelled in escapes."""
    if "\\" in literal:
        text = _read(literal)
        if _placeholder.search(text):
            return f'"{_json(_expanded(text, values, str))}"'
    return _expanded(literal, values, _json)


def _read(literal: str) -> str:
    """What a text of a JSON document says."""
    units = _escape.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2]),
        literal[1:-1],
    )
    return units.encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )  # two halves are one sign


def _json(value: str) -> str:
    """As it stands between the quotes of a JSON string."""
    return _to_escape.sub(lambda found: _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}", value)


def _header(template: str, values: Mapping[str, str]) -> str:
    """Visible ASCII: the rest of its UTF-8 in percent. Spaces that the partner has written stay."""
    expanded = _expanded(template, values, lambda value: _percent(value, but=""))
    return _percent(expanded, but=" ")


def _percent(text: str, *, but: str) -> str:
    return "".join(
        sign
        if "!" <= sign <= "~" or sign in but
        else "".join(f"%{byte:02X}" for byte in sign.encode())
        for sign in text
    )


def _with_query(url: str, query: list[tuple[str, str]]) -> str:
    """Behind a query that the address has already. What follows a `#` is nothing that is sent."""
    base = url.partition("#")[0]
    if not query:
        return base
    pairs = "&".join(f"{quote(name, safe='')}={_quoted(value)}" for name, value in query)
    joint = "?" if "?" not in base else "" if base.endswith(("?", "&")) else "&"
    return f"{base}{joint}{pairs}"


def _quoted(value: str) -> str:
    return quote(value, safe="*")


def _masked(pairs: list[tuple[str, str]], more: Collection[str] = ()) -> list[tuple[str, str]]:
    return [(name, MASK if _hides(name, more) else value) for name, value in pairs]


def _hidden(pairs: list[tuple[str, str]], more: Collection[str] = ()) -> list[str]:
    return [value for name, value in pairs if _hides(name, more)]


def _hides(name: str, more: Collection[str]) -> bool:
    return is_secret(name) or name.lower() in more


def _secrets(headers: list[str], query: list[str]) -> tuple[str, ...]:
    """What must not be shown in what comes back, as it was sent or as the partner wrote it; the longest first.

    Of `Basic x` also `x` alone.
    """
    written = [*headers, *(value.rpartition(" ")[2] for value in headers), *query]
    found = {
        text
        for value in (*written, *map(_quoted, query))
        for text in (value, _json(value))
        if len(text) >= _SHORTEST_MASKED
    }
    return tuple(sorted(found, key=len, reverse=True))
