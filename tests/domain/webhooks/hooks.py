"""A webhook and a coupon to render, any part of them changed."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from services.domain.terms import Terms, TermsType
from services.domain.webhooks.rendering import SentCoupon
from services.domain.webhooks.webhook import Webhook

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
PAYLOAD = '{"customerId":"{{playerUniqueId}}","amount":"{{value}}","code":"{{code}}"}'
KEY = b"k" * 32


def a_webhook(**changed: Any) -> Webhook:
    """The seed's payload, sent by POST."""
    fields: dict[str, Any] = {
        "partner_id": 1,
        "url": "https://shop.example/coupons",
        "method": "POST",
        "content_type": "application/json",
        "headers": (),
        "query": (),
        "payload": PAYLOAD,
        "mapping": {},
        "sends": frozenset({TermsType.FIXED}),
        "platforms": (),
        "is_active": True,
        "signing_keys": (KEY,),
    }
    return Webhook(**fields | changed)


def some_terms(**changed: Any) -> Terms:
    """A fixed amount of 50."""
    fields: dict[str, Any] = {"type": TermsType.FIXED, "value": Decimal("50.00")}
    return Terms(**fields | changed)


def a_coupon(**changed: Any) -> SentCoupon:
    """The seed's: worth 50, for CUS_12345."""
    fields: dict[str, Any] = {
        "coupon_id": "0198c0de-7a3b-7c11-8e57-3f0a5b9d2c41",
        "customer_id": "CUS_12345",
        "code": "50EGPOFF",
        "terms": some_terms(),
        "expires_at": None,
    }
    return SentCoupon(**fields | changed)
