"""What an order must look like. (What a game's completion must look like is tested where it is read.)"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from schemas.events import types
from schemas.events.orders import OrderCancelled, OrderPlaced, OrderRefunded
from services.issuer.event_types import TYPES

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
        ('"-0.00"', "0"),
        ('"0E-8"', "0"),
        ('"+1"', "1"),
        ('"1e5"', "100000"),
        ('"2.5E-3"', "0.0025"),
        ("-0.0", "0"),
        ('"' + "9" * 38 + '"', "9" * 38),
        ('"1e30"', "1e30"),
        ('"1e-30"', "1e-30"),
    ],
)
def test_amount_is_read_exactly(raw: str, expected: str) -> None:
    """Strings keep every digit; numbers mean their shortest decimal."""
    placed = OrderPlaced.model_validate_json(document(PLACED, "total", raw))
    assert placed.total == Decimal(expected)


@pytest.mark.parametrize(
    "raw",
    ["null", "true", "[]", "NaN", "Infinity", "1e400", "1e99", '""', '" 1"', '"1 "', '"1_000"', '"1,5"', '"1."',
     '".5"', '"e5"', '"1e"', '"--1"', '"NaN"', '"Infinity"', '"٣"', '"0x1"', '"' + "9" * 39 + '"', '"1e31"', '"1e-31"',
     '"1e' + "9" * 5_000 + '"'],
)  # fmt: skip
@pytest.mark.parametrize("field", ["total", "lines.unit_price"])
def test_amount_refuses(field: str, raw: str) -> None:
    """Whatever is no decimal with at most 38 digits and an exponent within 30."""
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
        ("coupon_codes", '"ABCD"'),
        ("coupon_codes", "[1]"),
        ("coupon_codes", r'["\u0000"]'),
        ("coupon_codes", json.dumps(["A"] * 21)),
        ("lines", "{}"),
        ("lines", "[null]"),
        ("lines.product_id", "1.5"),
        ("lines.sku", "5"),
        ("lines.sku", r'"\u0000"'),
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


@pytest.mark.parametrize("raw", ["-0.01", "-1", '"-1"', '"-1e-30"'])
def test_total_is_not_negative_where_a_price_may_be(raw: str) -> None:
    """A line below 0 is a discount; an order below 0 is none, and of a refund the size counts."""
    with pytest.raises(ValidationError):
        OrderPlaced.model_validate_json(document(PLACED, "total", raw))
    placed = OrderPlaced.model_validate_json(document(PLACED, "lines.unit_price", raw))
    assert placed.lines
    assert placed.lines[0].unit_price == Decimal(raw.strip('"'))
    assert OrderRefunded.model_validate_json(document(REVERSED, "refunded_total", raw))


@given(
    st.sampled_from(["", "+", "-"]),
    st.integers(0, 10**20 - 1),
    st.none() | st.text("0123456789", min_size=1, max_size=18),
    st.none() | st.integers(-30, 30),
)
def test_amount_is_any_decimal_as_it_is_written(
    sign: str, whole: int, fraction: str | None, exponent: int | None
) -> None:
    """As a string or, where JSON has such a number, as one: every digit of it."""
    text = f"{sign}{whole}"
    text += "" if fraction is None else f".{fraction}"
    text += "" if exponent is None else f"e{exponent}"
    raws = [f'"{text}"'] if sign == "+" else [f'"{text}"', text]
    for raw in raws:
        read = TYPES[types.ORDER_PLACED].binary(document(PLACED, "lines.unit_price", raw))
        assert read.lines[0].unit_price == Decimal(text)


@pytest.mark.parametrize("field", ["coupon_codes", "lines", "lines.collection_ids"])
def test_null_is_the_empty_list(field: str) -> None:
    """Whichever list it is."""
    assert OrderPlaced.model_validate_json(document(PLACED, field, "null"))


@pytest.mark.parametrize("field", sorted(PLACED.keys() - {"customer_id"}))
def test_order_placed_requires(field: str) -> None:
    """Partner, order, currency and total; all else may be absent, the customer too."""
    placed = OrderPlaced.model_validate_json(json.dumps(PLACED))
    assert (placed.shop_id, placed.coupon_codes, placed.lines) == (None, (), ())
    with pytest.raises(ValidationError):
        OrderPlaced.model_validate_json(json.dumps({k: v for k, v in PLACED.items() if k != field}))


def test_order_placed_takes_what_the_contract_allows() -> None:
    """Twenty codes, however wrong, and lines with and without a product."""
    lines = [{**LINE, "product_id": 7, "collection_ids": [3, "coffee"]}, {**LINE, "sku": None}]
    placed = OrderPlaced.model_validate_json(
        json.dumps(
            {**PLACED, "coupon_codes": ["", "no code" * 99] * 10, "lines": lines, "extra": {}}
        )
    )
    assert placed.coupon_codes is not None
    assert placed.lines is not None
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
        (OrderRefunded, "refunded_total", "-1", True),
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
