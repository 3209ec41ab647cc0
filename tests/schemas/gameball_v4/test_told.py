"""What partners tell over HTTP of customers, events and orders: what it becomes, what is refused, and that it is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.definitions import InvalidDefinition
from schemas.events.customers import OURS
from schemas.gameball_v4.told import (
    Happening,
    customer_happening,
    event_happening,
    order_happening,
)
from services.domain.arrival import Incoming
from services.domain.events import CustomerDid, OrderPlaced
from services.issuer.codec import read_record
from tests.stand.records import raw

Read = Callable[[Mapping[str, Any]], Happening]


def customer(sent: Mapping[str, Any]) -> Happening:
    return customer_happening(sent, 7)


def event(sent: Mapping[str, Any]) -> Happening:
    return event_happening(sent, 7)


def order(sent: Mapping[str, Any]) -> Happening:
    return order_happening(sent, 7, "EUR")


ANNA: dict[str, Any] = {"customerId": "anna"}
EMPTY: dict[str, Any] = {"orderId": "1", **ANNA, "totalPrice": 5}
PLACED: dict[str, Any] = {
    "partner_id": 7, "order_id": "1", "customer_id": "anna", "shop_id": None, "currency": "EUR", "total": "5",
    "paid_total": None, "shipping": None, "channel": None, "coupon_codes": [], "lines": [],
}  # fmt: skip
LINE: dict[str, Any] = {"quantity": 1, "price": 2}
ITEM: dict[str, Any] = {
    "product_id": None,
    "sku": None,
    "collection_ids": [],
    "quantity": 1,
    "unit_price": "2",
}

KINDS: dict[Read, tuple[str, str]] = {
    customer: ("customers", "customer.created"),
    event: ("customers", "customer.event"),
    order: ("orders", "order.placed"),
}

ATTRIBUTES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"Tags": ["vip", "new"]}, {"tags": ["vip", "new"]}),
    ({"tags": None}, {"tags": None}),
    ({"dateOfBirth": "1990-02-28"}, {"birthday": "1990-02-28"}),
    ({"dateOfBirth": "1990-02-28T23:00:00.000Z"}, {"birthday": "1990-02-28"}),
    ({"dateOfBirth": None, "preferredLanguage": "lt"}, {"birthday": None, "locale": "lt"}),
    ({"custom": {"Size": Decimal("1.5"), "of": [1, None]}}, {"attributes": {"Size": 1.5, "of": [1, None]}}),
    ({"FirstName": "Anna", "address": {"city": "x"}}, {"attributes": {"firstName": "Anna"}}),
    ({"size": 1, "custom": {"size": 2}}, {"attributes": {"size": 2}}),
    ({"custom": None}, {"attributes": None}),
]  # fmt: skip
LINES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"quantity": Decimal("2.0"), "price": Decimal("-0.5"), "title": "Bread"}, {"quantity": 2, "unit_price": "-0.5"}),
    ({"productId": 12, "sku": "s"}, {"product_id": 12, "sku": "s"}),
    ({"productId": "12"}, {"product_id": 12}),
    ({"productId": Decimal("12.0"), "collection": [Decimal("7.0")]}, {"product_id": 12, "collection_ids": ["7"]}),
    ({"productId": "012"}, {"sku": "012"}),
    ({"productId": "p-12"}, {"sku": "p-12"}),
    ({"productId": "p-12", "sku": "s"}, {"sku": "s"}),
    ({"productId": 0}, {"sku": "0"}),
    ({"productId": str(2**63)}, {"sku": str(2**63)}),
    ({"collection": [7, "Bread"]}, {"collection_ids": ["7", "Bread"]}),
    ({"collection": 7}, {"collection_ids": ["7"]}),
    ({"collection": None}, {}),
]  # fmt: skip

MAPPED: list[tuple[Read, dict[str, Any], dict[str, Any]]] = [
    (customer, ANNA, {}),
    (customer, {"CustomerId": "anna", "email": "anna@cafe.test", "customerAttributes": None}, {}),
    (customer, ANNA | {"referrerCode": "jonas"}, {"referred_by": "jonas"}),
    *((customer, ANNA | {"customerAttributes": told}, becomes) for told, becomes in ATTRIBUTES),
    (event, ANNA | {"events": {"Visit": {"Shop": 1}}}, {"name": "Visit", "metadata": {"Shop": 1}}),
    (event, ANNA | {"events": {"visit": None}}, {"name": "visit", "metadata": {}}),
    (order, EMPTY, {}),
    (order, EMPTY | {"currency": "USD", "channel": "web", "shopId": Decimal("3.0")}, {"currency": "USD", "channel": "web", "shop_id": 3}),
    (order, EMPTY | {"totalPaid": Decimal("4.50"), "shipping": 2}, {"paid_total": "4.50", "shipping": "2"}),
    (order, EMPTY | {"totalPrice": None, "totalPaid": Decimal("4.50")}, {"total": "4.50", "paid_total": "4.50"}),
    (order, EMPTY | {"shipping": 2, "totalShipping": 2}, {"shipping": "2"}),
    (order, EMPTY | {"shipping": 2, "totalShipping": None}, {"shipping": "2"}),
    (order, EMPTY | {"totalPrice": Decimal("0.1234567890123456789")}, {"total": "0.1234567890123456789"}),
    (order, EMPTY | {"redeemedCoupons": ["A", "b"]}, {"coupon_codes": ["A", "b"]}),
    *((order, EMPTY | {"lineItems": [LINE | told]}, {"lines": [ITEM | becomes]}) for told, becomes in LINES),
]  # fmt: skip


@pytest.mark.parametrize(("of", "sent", "becomes"), MAPPED)
def test_told_becomes(of: Read, sent: dict[str, Any], becomes: dict[str, Any]) -> None:
    """Its names are the topic's; what nobody knows is left out, and what was not given stays out."""
    begins = PLACED if of is order else {"partner_id": 7, "customer_id": "anna"}
    happening = of(sent)
    assert json.loads(happening.value) == begins | becomes
    assert happening.customer_id == "anna"
    assert (happening.topic, happening.type) == KINDS[of]


def test_order_of_no_currency_has_none() -> None:
    """Where neither the order nor the program names one: the code of ISO 4217 for that."""
    assert json.loads(order_happening(EMPTY, 7, None).value)["currency"] == "XXX"


NO_DATES: list[Any] = [5, "1990", "1990-02-30", "1990-02-28 or so", "0000-01-01"]
NO_EVENTS: list[Any] = [{}, {"a": {}, "b": {}}, [], "visit", {"": {}}, {"a" * 101: {}}]
NO_OBJECTS: list[Any] = [[], "", 0, False, "x"]
NO_AMOUNTS: list[Any] = [-1, "5", None, True, Decimal("1E+99999999"), 10**38]

REFUSED: list[tuple[Read, dict[str, Any], set[str]]] = [
    (customer, {}, {"customerId"}),
    *((customer, {"customerId": wrong}, {"customerId"}) for wrong in (None, 5, "", " a", "a\n", "a" * 129, "a\0", "\ud800")),
    (customer, ANNA | {"customerAttributes": 5}, {"customerAttributes"}),
    (customer, ANNA | {"customerAttributes": {"tags": ["a" * 65]}}, {"customerAttributes.tags.0"}),
    (customer, ANNA | {"customerAttributes": {"tags": ["a"] * 51}}, {"customerAttributes.tags"}),
    *(
        (customer, ANNA | {"customerAttributes": {"dateOfBirth": wrong}}, {"customerAttributes.dateOfBirth"})
        for wrong in NO_DATES
    ),
    (customer, ANNA | {"customerAttributes": {"custom": {"a": {}, "b": 1}}}, {"customerAttributes.custom.a"}),
    (customer, ANNA | {"customerAttributes": {"a": [[]], "b": [[]], "custom": {"b": [[]]}}},
     {"customerAttributes.a", "customerAttributes.custom.b"}),
    *(
        (customer, ANNA | {"customerAttributes": {"size": 1, "custom": wrong}}, {"customerAttributes.custom"})
        for wrong in NO_OBJECTS
    ),
    (customer, ANNA | {"customerAttributes": {"custom": {"a": Decimal("1E+38")}}}, {"customerAttributes.custom.a"}),
    (customer, ANNA | {"customerAttributes": {"custom": {str(i): i for i in range(51)}}}, {"customerAttributes.custom"}),
    (customer, ANNA | {"referrerCode": ""}, {"referrerCode"}),
    (event, ANNA, {"events"}),
    *((event, ANNA | {"events": wrong}, {"events"}) for wrong in NO_EVENTS),
    *((event, ANNA | {"events": {name: {}}}, {f"events.{name}"}) for name in OURS),
    (event, ANNA | {"events": {"a": 5}}, {"events.a"}),
    (event, ANNA | {"events": {"a": {"b": [[]], "c": "\0"}}}, {"events.a.b", "events.a.c"}),
    (event, ANNA | {"events": {"a": {"b": [0] * 1_001}}}, {"events.a.b"}),
    (order, {}, {"orderId", "customerId", "totalPrice"}),
    *((order, EMPTY | {"orderId": wrong}, {"orderId"}) for wrong in (5, "", "a" * 129)),
    *((order, EMPTY | {"totalPrice": wrong}, {"totalPrice"}) for wrong in NO_AMOUNTS),
    *((order, EMPTY | {"currency": wrong}, {"currency"}) for wrong in ("eur", "EURO", 5)),
    (order, EMPTY | {"shipping": 1, "totalShipping": 2}, {"totalShipping"}),
    (order, EMPTY | {"shipping": -1}, {"shipping"}),
    *((order, EMPTY | {"totalPrice": None, "totalPaid": wrong}, {"totalPaid"}) for wrong in (-1, "5", True)),
    (order, EMPTY | {"shopId": 0, "channel": "a" * 256}, {"shopId", "channel"}),
    (order, EMPTY | {"redeemedCoupons": ["a"] * 21}, {"redeemedCoupons"}),
    (order, EMPTY | {"redeemedCoupons": [5]}, {"redeemedCoupons.0"}),
    (order, EMPTY | {"lineItems": [LINE, {}]}, {"lineItems.1.quantity", "lineItems.1.price"}),
    *((order, EMPTY | {"lineItems": [LINE | {"quantity": wrong}]}, {"lineItems.0.quantity"}) for wrong in (0, Decimal("1.5"), "1")),
    (order, EMPTY | {"lineItems": [LINE | {"productId": "", "sku": 5}]}, {"lineItems.0.productId", "lineItems.0.sku"}),
    (order, EMPTY | {"lineItems": [LINE | {"collection": [{}]}]}, {"lineItems.0.collection"}),
]  # fmt: skip


@pytest.mark.parametrize(("of", "sent", "places"), REFUSED)
def test_told_wrongly_is_refused(of: Read, sent: dict[str, Any], places: set[str]) -> None:
    """Every place by its path, in the names that were sent."""
    with pytest.raises(InvalidDefinition) as refused:
        of(sent)
    assert refused.value.errors.keys() == places


numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
scalars = st.one_of(
    st.none(), st.booleans(), numbers, st.text(max_size=4),
    st.sampled_from([
        0, 2**63, 10**37, 10**38, Decimal("1E-38"), Decimal("1E-37"), Decimal("1E+37"), Decimal("-0.0"), "\0", "\ud800",
        "a\n", "2026-02-29", "2026-01-01T00:00:00Z", "EUR", "12", "x" * 10_001,
    ]),
)  # fmt: skip
values = scalars | st.lists(scalars, max_size=3)
members = st.dictionaries(st.text(max_size=3), values, max_size=3)


def told_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object that may have any of these."""
    return st.fixed_dictionaries({}, optional=fields)


def good(usual: Any) -> st.SearchStrategy[Any]:
    """Mostly what is meant, so that the whole is accepted often enough."""
    return st.just(usual) | st.just(usual) | st.just(usual) | scalars


customers = st.fixed_dictionaries(
    {"customerId": good("anna")},
    optional={
        "customerAttributes": told_of(
            tags=st.lists(good("vip"), max_size=2),
            dateOfBirth=good("1990-01-01"),
            preferredLanguage=good("lt"),
            custom=members,
            size=values,
        ),
        "referrerCode": good("jonas"),
    },
)
events = st.fixed_dictionaries(
    {
        "customerId": good("anna"),
        "events": st.dictionaries(st.text(max_size=3) | st.just("visit"), members, max_size=2),
    }
)
lines = st.fixed_dictionaries(
    {"quantity": good(1), "price": numbers | good(1)},
    optional={
        "productId": good("12"),
        "sku": good("s"),
        "collection": values,
    },
)
orders = st.fixed_dictionaries(
    {"customerId": good("anna"), "orderId": good("1"), "totalPrice": numbers | good(5)},
    optional={
        "totalPaid": numbers,
        "shipping": numbers,
        "currency": good("EUR"),
        "channel": good("web"),
        "shopId": good(1),
        "redeemedCoupons": st.lists(good("CODE"), max_size=2),
        "lineItems": st.lists(lines, max_size=2),
    },
)
anything = st.one_of(
    st.tuples(st.just(customer), customers),
    st.tuples(st.just(event), events),
    st.tuples(st.just(order), orders),
)


@settings(max_examples=500)
@given(told=anything)
def test_told_is_never_a_dead_letter(told: tuple[Read, dict[str, Any]]) -> None:
    """Whatever is accepted here is read off its topic, and every number of it says the same."""
    of, sent = told
    try:
        happening = of(sent)
    except InvalidDefinition:
        return
    names = {"specversion": "1.0", "id": "1", "source": "/couponry/http/7", "type": happening.type}
    headers = names | {"time": "2026-03-01T00:00:00Z"}
    record = raw(
        tuple((f"ce_{name}", text.encode()) for name, text in headers.items()),
        happening.value.encode(),
    )
    found = read_record(replace(record, topic=happening.topic))
    assert isinstance(found, Incoming), found
    match found.event:
        case OrderPlaced() as placed:
            price = sent["totalPrice"]
            assert placed.total == (sent["totalPaid"] if price is None else price)
            assert [line.unit_price for line in placed.lines] == [
                line["price"] for line in sent.get("lineItems", ())
            ]
        case CustomerDid() as did:
            ((name, metadata),) = sent["events"].items()
            listed = {
                member: tuple(each) if isinstance(each, list) else each
                for member, each in metadata.items()
            }
            assert (did.name, did.metadata) == (name, listed)
        case _:
            assert found.event.customer_id == sent["customerId"]
