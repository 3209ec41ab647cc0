"""What customers tell of themselves and do, from the record to the rules: what is read, and what is refused, and how."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.events import customers
from schemas.topics import CUSTOMERS, FOLLOW_UPS
from services.domain.arrival import Incoming
from services.domain.events import (
    Birthday,
    Cause,
    CustomerDescribed,
    CustomerDid,
    Event,
    PointsRedeemRequested,
    ReferralCompleted,
    Told,
    UndoRequested,
)
from services.domain.triggers import OURS
from services.issuer.codec import read_record
from services.issuer.unreadable import Poison
from tests.issuer.poison_corpus import STRUCTURED, event, headers
from tests.stand.records import raw

CREATED, UPDATED, DID = "customer.created", "customer.updated", "customer.event"
REDEEM, UNDO = "points.redeem-requested", "points.undo-requested"
REFERRED, BIRTHDAY = "referral.completed", "customer.birthday"
COUPON = "019a5c3e-7d10-7a4b-9c0d-2b6f0c1e8a55"
WHO = {"partner_id": 1, "customer_id": "anna"}
GOOD: dict[str, dict[str, Any]] = {
    CREATED: WHO,
    UPDATED: WHO,
    DID: WHO | {"name": "visit"},
    REDEEM: WHO | {"rule_id": 7},
    UNDO: WHO | {"coupon_id": COUPON},
    REFERRED: WHO | {"friend_id": "bert"},
    BIRTHDAY: WHO | {"year": 2026},
}


def document(fields: dict[str, Any], written: str = "") -> bytes:
    """The fields as JSON, where `@` stands what is written here."""
    return json.dumps(fields).replace('"@"', written).encode()


def record(type_: str, value: bytes, *, structured: bool = False) -> ConsumerRecord:
    """An event of this type on its topic, whatever its data."""
    topic = FOLLOW_UPS if type_ in (REFERRED, BIRTHDAY) else CUSTOMERS
    if structured:
        whole = event(type=type_, data="@").replace(b'"@"', value)
        return replace(raw(STRUCTURED, whole), topic=topic)
    return replace(raw(headers(type=type_.encode()), value), topic=topic)


def read(type_: str, value: bytes) -> Event:
    """The event, the same in both modes."""
    binary, structured = (
        read_record(record(type_, value, structured=mode)) for mode in (False, True)
    )
    assert isinstance(binary, Incoming), binary
    assert isinstance(structured, Incoming), structured
    assert binary.event == structured.event
    return binary.event


def refusal(type_: str, value: bytes) -> tuple[str, str]:
    """Stage and message, the same in both modes."""
    binary, structured = (
        read_record(record(type_, value, structured=mode)) for mode in (False, True)
    )
    assert isinstance(binary, Poison), binary
    assert isinstance(structured, Poison), structured
    assert binary.stage == structured.stage
    return binary.stage, binary.message


def event_of(type_: str) -> dict[str, Any]:
    """What is the same in all of them here."""
    return {
        "cause": Cause(source="/games/test", id="poison-1", type=type_),
        "occurred_at": datetime(2026, 5, 1, 9, 30, tzinfo=UTC),
        **WHO,
    }


ALL_OF_IT = {
    "tags": ["vip", "vip", "staff"], "birthday": "1992-02-29", "locale": "lt-LT",
    "attributes": {"city": "Vilnius", "age": 31}, "referred_by": "bert",
}  # fmt: skip
EVERYTHING = Told(
    tags=frozenset({"vip", "staff"}),
    birthday=date(1992, 2, 29),
    locale="lt-LT",
    attributes={"city": "Vilnius", "age": 31},
    given=frozenset({"tags", "birthday", "locale", "attributes"}),
)
NOTHING_MORE = {"tags": None, "birthday": None, "locale": None, "attributes": None}
MIXED: dict[str, Any] = {"n": 7, "t": "x", "b": True, "z": None, "l": [1, "a", False, None]}


@pytest.mark.parametrize(
    ("type_", "data", "expected"),
    [
        (CREATED, {}, CustomerDescribed(**event_of(CREATED), registers=True, told=Told())),
        (
            CREATED, ALL_OF_IT,
            CustomerDescribed(
                **event_of(CREATED), registers=True, told=EVERYTHING, referred_by="bert"
            ),
        ),
        # Who is there already was brought by nobody.
        (
            UPDATED, ALL_OF_IT,
            CustomerDescribed(**event_of(UPDATED), registers=False, told=EVERYTHING),
        ),
        # What is left out stays; null says that there is none.
        (
            UPDATED, {"tags": ["vip"]},
            CustomerDescribed(
                **event_of(UPDATED), registers=False,
                told=Told(tags=frozenset({"vip"}), given=frozenset({"tags"})),
            ),
        ),
        (
            UPDATED, NOTHING_MORE,
            CustomerDescribed(
                **event_of(UPDATED), registers=False, told=Told(given=frozenset(NOTHING_MORE))
            ),
        ),
        (DID, {}, CustomerDid(**event_of(DID), name="visit", metadata={})),
        (DID, {"metadata": None}, CustomerDid(**event_of(DID), name="visit", metadata={})),
        (
            DID, {"metadata": MIXED, "name": "Visit "},
            CustomerDid(
                **event_of(DID), name="Visit ", metadata=MIXED | {"l": (1, "a", False, None)}
            ),
        ),
        (REDEEM, {}, PointsRedeemRequested(**event_of(REDEEM), rule_id=7)),
        (REDEEM, {"points": None}, PointsRedeemRequested(**event_of(REDEEM), rule_id=7)),
        (REDEEM, {"points": 333}, PointsRedeemRequested(**event_of(REDEEM), rule_id=7, points=333)),
        (UNDO, {}, UndoRequested(**event_of(UNDO), coupon_id=COUPON)),
        (UNDO, {"coupon_id": COUPON.upper()}, UndoRequested(**event_of(UNDO), coupon_id=COUPON)),
        (REFERRED, {}, ReferralCompleted(**event_of(REFERRED), friend_id="bert")),
        (BIRTHDAY, {}, Birthday(**event_of(BIRTHDAY), year=2026)),
    ],
)  # fmt: skip
def test_event_is_read(type_: str, data: dict[str, Any], expected: Event) -> None:
    """In either mode, and with members that nobody knows."""
    assert read(type_, document(GOOD[type_] | data | {"later": {"x": 1}})) == expected


TEXT_64, TEXT_100 = "ž" * 64, "ž" * 100


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        (CREATED, {"tags": [TEXT_64] * 50}),
        (CREATED, {"tags": ["x"]}),
        (CREATED, {"birthday": "0001-01-01"}),
        (CREATED, {"referred_by": "b" * 128}),
        (CREATED, {"attributes": {str(number): number for number in range(50)}}),
        (DID, {"name": TEXT_100}),
        (DID, {"name": "Sign_Up"}),
        (DID, {"metadata": {TEXT_100: "x" * 10_000, "": ["x"] * 1_000}}),
        (REDEEM, {"rule_id": 2**63 - 1, "points": 10**12}),
        (REDEEM, {"points": 0}),
        (BIRTHDAY, {"year": 9999}),
    ],
)
def test_limits_are_inside(type_: str, data: dict[str, Any]) -> None:
    """The outermost that is still right."""
    read(type_, document(GOOD[type_] | data))


DAY = "data.birthday: must be a date that there is, as YYYY-MM-DD"
NO_SCALAR = "must be a text of at most 10000 characters without NUL, a number, true, false or null"
ENDS = "must not begin or end with white space, nor contain NUL"
TOO_LONG_NUMBER = "data.metadata.x: must be a number of at most 38 digits"


@pytest.mark.parametrize(
    ("type_", "data", "message"),
    [
        (CREATED, {"partner_id": None}, "data.partner_id: Input should be a valid integer"),
        (CREATED, {"partner_id": "1"}, "data.partner_id: Input should be a valid integer"),
        (CREATED, {"customer_id": None}, "data.customer_id: Input should be a valid string"),
        (CREATED, {"customer_id": " a"}, f"data.customer_id: {ENDS}"),
        (CREATED, {"referred_by": "a "}, f"data.referred_by: {ENDS}"),
        (CREATED, {"referred_by": "a" * 129},
         "data.referred_by: String should have at most 128 characters"),
        (CREATED, {"referred_by": 7}, "data.referred_by: Input should be a valid string"),
        (CREATED, {"tags": ["x"] * 51},
         "data.tags: Array should have at most 50 items after validation, not 51"),
        (CREATED, {"tags": "vip"}, "data.tags: Input should be a valid array"),
        (UPDATED, {"tags": ["x", ""]}, "data.tags.1: String should have at least 1 character"),
        (UPDATED, {"tags": ["x" * 65]}, "data.tags.0: String should have at most 64 characters"),
        (UPDATED, {"tags": [1]}, "data.tags.0: Input should be a valid string"),
        (UPDATED, {"tags": [None]}, "data.tags.0: Input should be a valid string"),
        (UPDATED, {"birthday": "1992-2-3"}, DAY),
        (UPDATED, {"birthday": "1991-02-29"}, DAY),
        (UPDATED, {"birthday": "1992-W09-6"}, DAY),
        (UPDATED, {"birthday": "19920229"}, DAY),
        (UPDATED, {"birthday": "1992-02-29T00:00:00Z"}, DAY),
        (UPDATED, {"birthday": 699_321_600}, DAY),
        (UPDATED, {"birthday": ""}, DAY),
        (UPDATED, {"locale": ""}, "data.locale: String should have at least 1 character"),
        (UPDATED, {"attributes": []}, "data.attributes: Input should be an object"),
        (UPDATED, {"attributes": {"home": {"city": "x"}}}, f"data.attributes.home: {NO_SCALAR}"),
        (UPDATED, {"attributes": {str(number): 1 for number in range(51)}},
         "data.attributes: Object should have at most 50 items after validation, not more"),
        (DID, {"name": None}, "data.name: Input should be a valid string"),
        (DID, {"name": ""}, "data.name: String should have at least 1 character"),
        (DID, {"name": "x" * 101}, "data.name: String should have at most 100 characters"),
        (DID, {"metadata": {"x": "x" * 10_001}}, f"data.metadata.x: {NO_SCALAR}"),
        (DID, {"metadata": {"x": "a\0b"}}, f"data.metadata.x: {NO_SCALAR}"),
        (DID, {"metadata": {"x": [["a"]]}}, f"data.metadata.x: {NO_SCALAR}"),
        (DID, {"metadata": {"x": ["a"] * 1_001}}, "data.metadata.x: must be a list of at most 1000"),
        (DID, {"metadata": {"x": 10**38}}, TOO_LONG_NUMBER),
        (DID, {"metadata": {"x": -(10**38)}}, TOO_LONG_NUMBER),
        (DID, {"metadata": {"x": [1e300]}},
         "data.metadata.x: must have an exponent from -30 to 30"),
        (REDEEM, {"rule_id": None}, "data.rule_id: Input should be a valid integer"),
        (REDEEM, {"rule_id": "7"}, "data.rule_id: Input should be a valid integer"),
        (REDEEM, {"rule_id": 0}, "data.rule_id: Input should be greater than or equal to 1"),
        (REDEEM, {"points": -1}, "data.points: Input should be greater than or equal to 0"),
        (REDEEM, {"points": 10**12 + 1},
         "data.points: Input should be less than or equal to 1000000000000"),
        (REDEEM, {"points": 100.0}, "data.points: Input should be a valid integer"),
        (REDEEM, {"points": True}, "data.points: Input should be a valid integer"),
        (UNDO, {"coupon_id": None}, "data.coupon_id: UUID input should be a string, bytes or UUID object"),
        (REFERRED, {"friend_id": None}, "data.friend_id: Input should be a valid string"),
        (BIRTHDAY, {"year": 0}, "data.year: Input should be greater than or equal to 1"),
        (BIRTHDAY, {"year": 10_000}, "data.year: Input should be less than or equal to 9999"),
        (BIRTHDAY, {"year": "2026"}, "data.year: Input should be a valid integer"),
    ],
)  # fmt: skip
def test_wrong_data_are_refused(type_: str, data: dict[str, Any], message: str) -> None:
    """By the first field that is wrong, and what it must be."""
    assert refusal(type_, document(GOOD[type_] | data)) == ("schema", message)


@pytest.mark.parametrize("name", sorted(OURS))
def test_name_that_is_ours_is_refused(name: str) -> None:
    """Registrations, orders, games and birthdays are told by events of their own, to whose names nobody adds."""
    stage, message = refusal(DID, document(GOOD[DID] | {"name": name}))
    assert stage == "schema"
    assert message == (
        f"data.name: {name!r} is told by events of its own: sign_up, place_order, game_completed, birthday are "
        "reserved, give it another name"
    )
    assert set(customers.OURS) == OURS


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("7", 7),
        ("-9223372036854775807", 1 - 2**63),
        ("9223372036854775808", Decimal(2**63)),
        ("9" * 38, Decimal("9" * 38)),
        ("0.1", Decimal("0.1")),
        ("-0.0", Decimal(0)),
        ("1.10", Decimal("1.1")),
        ("0.1234567890123456789", Decimal("0.1234567890123456789")),
        ("12345678901234567.25", Decimal("12345678901234567.25")),
        ("1e5", Decimal(100_000)),
        ("1.0E7", Decimal(10_000_000)),
        ("25e-2", Decimal("0.25")),
        ('"1e5"', "1e5"),
        ('"12345678901234567.25"', "12345678901234567.25"),
    ],
)
@pytest.mark.parametrize("type_", [CREATED, UPDATED, DID])
def test_number_is_exact_as_it_is_written(type_: str, written: str, expected: Any) -> None:
    """Also in a list, and where there are more digits than a double has; a text stays a text."""
    name = "metadata" if type_ == DID else "attributes"
    got = read(type_, document(GOOD[type_] | {name: {"x": "@", "l": ["@"]}}, written))
    if isinstance(got, CustomerDid):
        members = got.metadata
    else:
        assert isinstance(got, CustomerDescribed)
        members = got.told.attributes
    assert members == {"x": expected, "l": (expected,)}
    assert type(members["x"]) is type(expected)


@pytest.mark.parametrize("written", ["1.5", "1e5", "1234567890123456789.25"])
@pytest.mark.parametrize(
    ("type_", "name"),
    [
        (CREATED, "customer_id"),
        (CREATED, "referred_by"),
        (CREATED, "locale"),
        (CREATED, "partner_id"),
        (CREATED, "birthday"),
        (CREATED, "tags"),
        (DID, "name"),
        (DID, "customer_id"),
        (REFERRED, "friend_id"),
        (BIRTHDAY, "year"),
    ],
)
def test_number_is_no_text_however_it_is_written(type_: str, name: str, written: str) -> None:
    """What asks for a text, or for a whole number, takes none; with a number beside that is read once more, too."""
    beside = (
        {} if type_ in (REFERRED, BIRTHDAY) else {"metadata": {"x": "@"}, "attributes": {"x": "@"}}
    )
    value = "@" if name != "tags" else ["@"]
    assert refusal(type_, document(GOOD[type_] | beside | {name: value}, written))[0] == "schema"


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", "1.", "01", "+1", "1e", "0x1"])
def test_what_is_no_number_of_json_is_no_json(written: str) -> None:
    """Not even where anything may stand."""
    assert refusal(DID, document(GOOD[DID] | {"metadata": {"x": "@"}}, written))[0] == "decode"


@given(
    digits=st.integers(-(10**38) + 1, 10**38 - 1),
    exponent=st.integers(-30, 30),
    sign=st.sampled_from(["e", "E"]),
)
@example(digits=1, exponent=-7, sign="e")
def test_any_number_within_the_limits_is_exact(digits: int, exponent: int, sign: str) -> None:
    """Whatever its digits and its exponent."""
    written = f"{digits}{sign}{exponent}"
    got = read(DID, document(GOOD[DID] | {"metadata": {"x": "@"}}, written))
    assert isinstance(got, CustomerDid)
    assert got.metadata == {"x": Decimal(written)}


NUMBERS = st.one_of(
    st.integers().map(str),
    st.from_regex(
        r"-?(0|[1-9][0-9]{0,400})(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,30})?", fullmatch=True
    ),
)


@given(written=NUMBERS, type_=st.sampled_from([CREATED, DID]), known=st.booleans())
@example(written="9" * 4_300, type_=DID, known=False)
@example(written="9" * 4_301, type_=DID, known=True)
@example(written="1e-999999999", type_=DID, known=True)
@example(written="0e999999999999999999999", type_=DID, known=True)
def test_reading_never_raises_whatever_the_number(written: str, type_: str, known: bool) -> None:
    """Exact or refused where it counts; where nobody looks it may be anything."""
    name = ("metadata" if type_ == DID else "attributes") if known else "unknown"
    answer = read_record(record(type_, document(GOOD[type_] | {name: {"x": "@"}}, written)))
    assert isinstance(answer, Incoming | Poison)
