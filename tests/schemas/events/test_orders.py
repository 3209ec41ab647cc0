"""What an order must look like. (What a game's completion must look like is tested where it is read.)"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from schemas.events.orders import OrderCancelled, OrderPlaced, OrderRefunded

LINE = {"quantity": 1, "unit_price": "1"}
PLACED = {
    "partner_id": 1,
    "order_id": "A-1",
    "customer_id": "c",
    "currency": "EUR",
    "total": "9.90",
}
REVERSED = {"partner_id": 1, "order_id": "A-1", "customer_id": "c"}


def document(good: dict[str, Any], field: str, raw: str) -> bytes:
    """The good data with one field's JSON written as given; in a line where the field is `lines.x`."""
    outer, _, inner = field.partition(".")
    changed = {**good, outer: [{**LINE, inner: "@"}] if inner else "@"}
    return json.dumps(changed).replace('"@"', raw).encode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("0", "0"),
        ("0.0", "0.0"),
        ("19.99", "19.99"),
        ("1e2", "100"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ('"19.990"', "19.990"),
        ('"12345678901234567890.12"', "12345678901234567890.12"),
        ('"007"', "7"),
    ],
)
def test_amount_is_read_exactly(raw: str, expected: str) -> None:
    """Strings keep every digit; numbers mean their shortest decimal."""
    placed = OrderPlaced.model_validate_json(document(PLACED, "total", raw))
    assert placed.total == Decimal(expected)


@pytest.mark.parametrize(
    "raw",
    ["null", "true", "[]", "-0.01", "-1", "NaN", "Infinity", "1e400", "1e99", '""', '" 1"', '"1 "',
     '"+1"', '"-1"', '"1_000"', '"1,5"', '"1."', '".5"', '"1e5"', '"NaN"', '"Infinity"', '"٣"',
     '"0x1"', '"' + "9" * 39 + '"'],
)  # fmt: skip
@pytest.mark.parametrize("field", ["total", "lines.unit_price"])
def test_amount_refuses(field: str, raw: str) -> None:
    """Whatever is no plain decimal from 0 up with at most 38 digits."""
    with pytest.raises(ValidationError):
        OrderPlaced.model_validate_json(document(PLACED, field, raw))


@pytest.mark.parametrize(
    ("field", "raw"),
    [
        ("partner_id", "1.0"),
        ("partner_id", '"1"'),
        ("partner_id", str(2**63)),
        ("order_id", '""'),
        ("order_id", "7"),
        ("order_id", json.dumps("x" * 129)),
        ("order_id", r'"a\u0000"'),
        ("customer_id", '""'),
        ("shop_id", "0"),
        ("shop_id", "true"),
        ("currency", "null"),
        ("currency", '"eur"'),
        ("currency", '"EURO"'),
        ("currency", r'"EUR\n"'),
        ("coupon_codes", "null"),
        ("coupon_codes", '"ABCD"'),
        ("coupon_codes", "[1]"),
        ("coupon_codes", r'["\u0000"]'),
        ("coupon_codes", json.dumps(["A"] * 21)),
        ("coupon_codes", json.dumps(["A" * 256])),
        ("lines", "null"),
        ("lines", "{}"),
        ("lines", "[null]"),
        ("lines.product_id", "1.5"),
        ("lines.sku", "5"),
        ("lines.sku", r'"\u0000"'),
        ("lines.collection_ids", "null"),
        ("lines.collection_ids", "[1.5]"),
        ("lines.collection_ids", "[null]"),
        ("lines.quantity", "0"),
        ("lines.quantity", "1.0"),
        ("lines.quantity", "null"),
    ],
)
def test_order_placed_refuses(field: str, raw: str) -> None:
    """One wrong field makes the whole order unreadable, and the error names that field."""
    with pytest.raises(ValidationError) as caught:
        OrderPlaced.model_validate_json(document(PLACED, field, raw))
    assert caught.value.errors()[0]["loc"][0] == field.partition(".")[0]


@pytest.mark.parametrize("field", sorted(PLACED))
def test_order_placed_requires(field: str) -> None:
    """Partner, order, customer, currency and total; all else may be absent."""
    placed = OrderPlaced.model_validate_json(json.dumps(PLACED))
    assert (placed.shop_id, placed.coupon_codes, placed.lines) == (None, (), ())
    with pytest.raises(ValidationError):
        OrderPlaced.model_validate_json(json.dumps({k: v for k, v in PLACED.items() if k != field}))


def test_order_placed_takes_what_the_contract_allows() -> None:
    """Twenty codes, however wrong, and lines with and without a product."""
    lines = [{**LINE, "product_id": 7, "collection_ids": [3, "coffee"]}, {**LINE, "sku": None}]
    placed = OrderPlaced.model_validate_json(
        json.dumps({**PLACED, "coupon_codes": ["", "no code"] * 10, "lines": lines, "extra": {}})
    )
    assert len(placed.coupon_codes) == 20
    assert placed.lines[0].collection_ids == (3, "coffee")
    assert placed.lines[1].product_id is None


def test_wrong_lines_are_reported_once() -> None:
    """Reading stops at the first wrong line, however many follow."""
    with pytest.raises(ValidationError) as caught:
        OrderPlaced.model_validate_json(
            json.dumps({**PLACED, "lines": [{**LINE, "quantity": 0}] * 999})
        )
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(
    ("model", "field", "raw", "valid"),
    [
        (OrderCancelled, "x", "1", True),
        (OrderCancelled, "order_id", "1", False),
        (OrderRefunded, "x", "1", True),
        (OrderRefunded, "refunded_total", "null", True),
        (OrderRefunded, "refunded_total", "4.95", True),
        (OrderRefunded, "refunded_total", '"4.95"', True),
        (OrderRefunded, "refunded_total", "-1", False),
        (OrderRefunded, "refunded_total", "true", False),
        (OrderRefunded, "customer_id", '""', False),
    ],
)
def test_reversal_names_its_order(
    model: type[BaseModel], field: str, raw: str, valid: bool
) -> None:
    """Cancellations and refunds name the order; a refund may say how much."""
    text = document(REVERSED, field, raw)
    if valid:
        model.model_validate_json(text)
    else:
        with pytest.raises(ValidationError):
            model.model_validate_json(text)
