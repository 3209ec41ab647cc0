"""Orders and what becomes of them, from the record to the rules: lines, money, and what was refunded so far."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.arrival import Incoming
from services.domain.events import Cause, Event, OrderLine, OrderPlaced, OrderReversed
from services.domain.exact import text_of
from services.issuer.codec import read_record
from services.issuer.unreadable import Poison
from tests.issuer.poison_corpus import headers
from tests.stand.records import raw

PLACED, CANCELLED, REFUNDED = "order.placed", "order.cancelled", "order.refunded"
ORDER: dict[str, Any] = {"partner_id": 1, "order_id": "A-1", "customer_id": "anna"}
BOUGHT = ORDER | {"currency": "EUR", "total": "24.90"}


def answer(type_: str, data: dict[str, Any], written: str = "") -> Incoming | Poison:
    """Of the data as JSON, where `@` stands what is written here."""
    value = json.dumps(data).replace('"@"', written).encode()
    found = read_record(raw(headers(type=type_.encode()), value))
    assert isinstance(found, Incoming | Poison)
    return found


def read(type_: str, data: dict[str, Any], written: str = "") -> Event:
    found = answer(type_, data, written)
    assert isinstance(found, Incoming), found
    return found.event


def placed(**more: Any) -> OrderPlaced:
    fields: dict[str, Any] = {
        "cause": Cause(source="/games/test", id="poison-1", type=PLACED),
        "occurred_at": datetime(2026, 5, 1, 9, 30, tzinfo=UTC),
        "shop_id": None,
        "coupon_codes": (),
        "product_ids": frozenset(),
        "currency": "EUR",
        "total": Decimal("24.90"),
    }
    return OrderPlaced(**ORDER, **fields | more)


LINES = [
    {"product_id": 7, "sku": "LATTE-L", "collection_ids": [3, "coffee"], "quantity": 2, "unit_price": "4.95"},
    {"sku": "MUFFIN", "collection_ids": None, "quantity": 1, "unit_price": 15},
    {"product_id": None, "sku": None, "quantity": 1, "unit_price": -1.5},
]  # fmt: skip


def test_everything_of_an_order_is_read() -> None:
    """Ids of lines are texts, as rules name them; those the games ask for stay numbers, and SKUs where there is none."""
    told = {
        "shop_id": 4, "coupon_codes": ["CAFE"], "paid_total": 22.4, "shipping": "3.00", "channel": "web", "lines": LINES,
    }  # fmt: skip
    assert read(PLACED, BOUGHT | told) == placed(
        shop_id=4,
        coupon_codes=("CAFE",),
        product_ids=frozenset({7}),
        skus=frozenset({"MUFFIN"}),
        paid_total=Decimal("22.4"),
        shipping=Decimal("3.00"),
        channel="web",
        lines=(
            OrderLine(
                product_id="7", sku="LATTE-L", collection_ids=("3", "coffee"), quantity=2,
                unit_price=Decimal("4.95"),
            ),
            OrderLine(sku="MUFFIN", unit_price=Decimal(15)),
            OrderLine(unit_price=Decimal("-1.5")),
        ),
    )  # fmt: skip


def test_what_an_order_does_not_say_has_its_default() -> None:
    """Left out or null: no shipping, and nothing known of what was paid and where."""
    nulls = dict.fromkeys(("shop_id", "paid_total", "shipping", "channel", "lines", "coupon_codes"))
    assert read(PLACED, BOUGHT) == read(PLACED, BOUGHT | nulls) == placed()


@pytest.mark.parametrize(
    ("type_", "data", "refunded"),
    [
        (CANCELLED, {}, None),
        (CANCELLED, {"refunded_total": "4.95"}, None),
        (REFUNDED, {}, None),
        (REFUNDED, {"refunded_total": None}, None),
        (REFUNDED, {"refunded_total": "4.95"}, Decimal("4.95")),
        (REFUNDED, {"refunded_total": -4.95}, Decimal("4.95")),
        (REFUNDED, {"refunded_total": 0}, Decimal(0)),
        (REFUNDED, {"refunded_total": "-0.00"}, Decimal(0)),
    ],
)
def test_reversal_says_how_much_was_refunded(
    type_: str, data: dict[str, Any], refunded: Decimal | None
) -> None:
    """Its size, not its sign; without one, and of a cancellation, the whole order."""
    assert read(type_, ORDER | data) == OrderReversed(
        cause=Cause(source="/games/test", id="poison-1", type=type_),
        occurred_at=datetime(2026, 5, 1, 9, 30, tzinfo=UTC),
        **ORDER,
        refunded_total=refunded,
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"shipping": -1}, "data.shipping: must not be below 0"),
        ({"paid_total": "-0.01"}, "data.paid_total: must not be below 0"),
        ({"shipping": True},
         ("data.shipping: must be a number, or a string of an optional sign, digits, an optional fraction and an "
          "optional exponent")),
        ({"paid_total": "9" * 39}, "data.paid_total: must have at most 38 digits"),
        ({"shipping": "1e31"}, "data.shipping: must have an exponent from -30 to 30"),
        ({"channel": 1}, "data.channel: Input should be a valid string"),
        ({"channel": "x" * 256}, "data.channel: String should have at most 255 characters"),
    ],
)  # fmt: skip
def test_wrong_money_is_refused(data: dict[str, Any], message: str) -> None:
    """With what it must be."""
    found = answer(PLACED, BOUGHT | data)
    assert isinstance(found, Poison)
    assert (found.stage, found.message) == ("schema", message)


@given(
    units=st.integers(0, 10**18 - 1),
    places=st.integers(0, 6),
    as_text=st.booleans(),
    name=st.sampled_from(["total", "paid_total", "shipping"]),
)
def test_money_never_passes_through_a_float(
    units: int, places: int, as_text: bool, name: str
) -> None:
    """Any amount of up to 18 digits is the amount that was written, as a text and as a number."""
    amount = Decimal(units).scaleb(-places)
    written = f'"{amount:f}"' if as_text else f"{amount:f}"
    event = read(PLACED, BOUGHT | {name: "@"}, written)
    got = getattr(event, name)
    assert isinstance(got, Decimal)
    assert text_of(got) == text_of(amount)
