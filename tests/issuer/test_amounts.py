"""Money with more digits than a double has, and everything that stands beside it in the same document."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import types
from services.issuer.codec import read_record
from services.issuer.event_types import TYPES
from services.issuer.unreadable import Poison
from tests.issuer.poison_corpus import headers
from tests.stand.records import raw

LONG = "1234567890123456789.25"
LINE = {"quantity": 1, "unit_price": "@"}
PLACED = {
    "partner_id": 1, "order_id": "o", "customer_id": "c", "currency": "EUR", "total": "1", "coupon_codes": ["x"],
    "lines": [LINE | {"unit_price": "1", "sku": "s", "collection_ids": ["k"]}],
}  # fmt: skip
REFUNDED = {"partner_id": 1, "order_id": "o", "customer_id": "c"}


def document(fields: dict[str, Any], number: str) -> bytes:
    """The fields as JSON, where `@` stands the number as it is written here."""
    return json.dumps(fields).replace('"@"', number).encode()


@pytest.mark.parametrize(
    ("type_", "fields", "read"),
    [
        (types.ORDER_PLACED, PLACED | {"total": "@"}, lambda data: data.total),
        (types.ORDER_PLACED, PLACED | {"lines": [LINE]}, lambda data: data.lines[0].unit_price),
        (types.ORDER_PLACED, PLACED | {"paid_total": "@"}, lambda data: data.paid_total),
        (types.ORDER_PLACED, PLACED | {"shipping": "@"}, lambda data: data.shipping),
        (types.ORDER_REFUNDED, REFUNDED | {"refunded_total": "@"}, lambda data: data.refunded_total),
    ],
    ids=["total", "unit_price", "paid_total", "shipping", "refunded_total"],
)  # fmt: skip
def test_amount_keeps_the_digits_of_a_number(type_: str, fields: dict[str, Any], read: Any) -> None:
    """Whatever the mode."""
    assert read(TYPES[type_].binary(document(fields, LONG))) == Decimal(LONG)
    assert read(TYPES[type_].structured(document({"data": fields}, LONG)).data) == Decimal(LONG)


@pytest.mark.parametrize("number", ["1.5", "1e5", LONG])
@pytest.mark.parametrize(
    "changes",
    [
        {"order_id": "@"},
        {"customer_id": "@"},
        {"currency": "@"},
        {"channel": "@"},
        {"coupon_codes": ["@"]},
        {"partner_id": "@"},
        {"lines": [LINE | {"unit_price": "1", "sku": "@"}]},
        {"lines": [LINE | {"unit_price": "1", "quantity": "@"}]},
        {"lines": [LINE | {"unit_price": "1", "collection_ids": ["@"]}]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_number_is_no_text_however_it_is_written(changes: dict[str, Any], number: str) -> None:
    """Nor is it one where another number of the document has many digits, or an exponent."""
    value = document(PLACED | {"total": "@"} | changes, number)
    answer = read_record(raw(headers(type=types.ORDER_PLACED.encode()), value))
    assert isinstance(answer, Poison), answer
    assert answer.stage == "schema"
