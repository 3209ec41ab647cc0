"""Records that concern nobody: orders of no customer and ignored types. No letter, no brake, and accounted for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.domain.arrival import Incoming
from services.issuer.codec import PassedOver, Reason, read_record
from services.issuer.pipeline import Pipeline
from services.issuer.unreadable import Poison
from services.runtime.settings import PREFIX, Settings, SettingsError, read_settings
from tests.issuer.poison_corpus import STRUCTURED, Headers, event, headers, value
from tests.stand.commands import CommandOn
from tests.stand.feed import feed, finished
from tests.stand.issuing import count
from tests.stand.processes import issuer
from tests.stand.records import raw

IGNORED = "order.updated"
ORDER = {"partner_id": 1, "order_id": "o-1", "currency": "EUR", "total": "1"}


def told(type_: str, n: int = 1) -> Headers:
    """Good headers of an event of that type."""
    return headers(type=type_.encode(), id=f"e-{n}".encode())


def order(type_: str = "order.placed", n: int = 1, **changes: Any) -> ConsumerRecord:
    return raw(told(type_, n), json.dumps({**ORDER, **changes}).encode())


@pytest.mark.parametrize("type_", ["order.placed", "order.cancelled", "order.refunded"])
@pytest.mark.parametrize("changes", [{}, {"customer_id": None}])
def test_order_of_nobody_is_passed_over(type_: str, changes: dict[str, Any]) -> None:
    """Whether the customer is null or left out, in both modes."""
    nobody = PassedOver(reason=Reason.NO_CUSTOMER, type=type_)
    assert read_record(order(type_, **changes)) == nobody
    assert read_record(raw(STRUCTURED, event(type=type_, data={**ORDER, **changes}))) == nobody


@pytest.mark.parametrize("content", [b"no JSON", b"", None, b"\xff"])
def test_ignored_type_is_passed_over_unread(content: bytes | None) -> None:
    """Whatever its data and the rest of its headers are."""
    record = raw((("ce_type", IGNORED.encode()),), content)
    assert read_record(record, {IGNORED}) == PassedOver(reason=Reason.IGNORED_TYPE, type=IGNORED)


def test_ignored_type_of_a_structured_event_is_passed_over() -> None:
    """Its type stands in its value."""
    record = raw(STRUCTURED, event(type=IGNORED, data=7))
    assert isinstance(read_record(record, {IGNORED}), PassedOver)


@pytest.mark.parametrize(
    "changes", [{"time": "now"}, {"specversion": "0.3"}, {"id": None}, {"source": ""}, {"datacontenttype": "text/xml"}]
)  # fmt: skip
def test_ignored_type_of_a_structured_event_is_all_that_is_read_of_it(
    changes: dict[str, Any],
) -> None:
    """Whatever else is wrong with its envelope."""
    record = raw(STRUCTURED, event(type=IGNORED, **changes))
    assert read_record(record, {IGNORED}) == PassedOver(reason=Reason.IGNORED_TYPE, type=IGNORED)


def test_ignored_type_in_a_copied_header_costs_no_event() -> None:
    """In structured mode the value says the type; a type that comes twice is a letter, whichever comes last."""
    copied = (("ce_type", IGNORED.encode()), *STRUCTURED)
    assert isinstance(read_record(raw(copied, event()), {IGNORED}), Incoming)
    ignored = ("ce_type", IGNORED.encode())
    for twice in ((*headers(), ignored), (ignored, *headers())):
        answer = read_record(raw(twice, value()), {IGNORED})
        assert isinstance(answer, Poison)
        assert answer.message == "ce_type: comes 2 times"
    again = (*told(IGNORED), ("x", b"1"), ("x", b"2"))
    assert isinstance(read_record(raw(again, None), {IGNORED}), PassedOver)


def test_known_types_cannot_be_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said at once, and the setting reads a list."""
    monkeypatch.setenv(f"{PREFIX}IGNORED_TYPES", " order.updated, order.viewed ,")
    assert read_settings().ignored_types == {"order.updated", "order.viewed"}
    monkeypatch.setenv(f"{PREFIX}IGNORED_TYPES", "order.updated,order.placed")
    with pytest.raises(
        SettingsError, match=r"IGNORED_TYPES: order.placed is a type that is decided"
    ):
        read_settings()


async def test_batch_of_nobodys_records_leaves_nothing(
    database: asyncpg.Connection, pipeline: Pipeline
) -> None:
    """No letter, no decision, no message; met again they are not counted again."""
    records = [order(n=n) for n in range(3)]
    for _ in range(2):
        report = await pipeline.process(records)
        assert (report.passed_over, report.already_decided, report.letters) == (3, 0, [])
    for table in ("decisions", "dead_letters", "outbox"):
        assert await count(database, table) == 0
    rows = await database.fetch("SELECT * FROM passed_over")
    assert [(row["first_offset"], row["last_offset"]) for row in rows] == [
        (records[0].offset, records[2].offset)
    ]


async def test_what_concerns_nobody_is_accounted_for(
    topics: Settings, database: asyncpg.Connection, couponry_on: CommandOn
) -> None:
    """By the issuer's counter, by `verify` and by `replay`, also when the setting is gone; the brake does not feel it."""
    records: Sequence[ConsumerRecord] = [
        record for n in range(4) for record in (order(n=n), order(IGNORED, n=100 + n))
    ]
    async with issuer(topics, ignored_types=IGNORED, dead_letter_limit=1) as running:
        await feed(topics, records)
        await finished(topics)
        assert await running.metric("couponry_passed_over_total") == len(records)
        assert await running.metric("couponry_paused_partitions") == 0
    assert await count(database, "dead_letters") == 0
    couponry = couponry_on(topics)
    report = (await couponry("verify", "--json")).json()
    assert (report["ok"], report["passed_over"]) == (True, len(records))
    replay = ("replay", "--topic", "game-completed", "--json")
    report = (await couponry(*replay)).json()
    assert (report["read"], report["passed_over"], report["dead"]) == (len(records), 4, 4)
