"""A trace that an event names goes out on all that it causes, and is in `explain` and in the log."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

import asyncpg
import pytest

from schemas.topics import (
    COUPON_ISSUED,
    COUPON_LIFECYCLE,
    DEAD_LETTERS,
    ISSUANCE_DECLINED,
    ORDERS,
)
from services.domain.coupons.codes import display
from services.issuer.pipeline import Pipeline
from services.runtime.logs import JsonLines
from services.runtime.settings import Settings
from tests.relay.stand import published
from tests.stand.commands import Command
from tests.stand.issuing import a_game
from tests.stand.records import completed as a_record
from tests.stand.world import Message, at_work, completed, headers, send, until_settled


def trace(number: int) -> str:
    """A valid one for each number."""
    return f"00-{number:032x}-{number:016x}-01"


def traced(message: Message, number: int, name: str = "traceparent") -> Message:
    """The same with a trace."""
    key, some, value = message
    return key, [*some, (name, trace(number).encode())], value


async def traces_on(settings: Settings, topic: str) -> dict[str, tuple[str | None, ...]]:
    """By `ce_type` and customer (of dead letters by `ce_id`): both headers of each record."""
    found: dict[str, tuple[str | None, ...]] = {}
    for record in await published(settings, topic):
        named = {name: value.decode() for name, value in record.headers}
        who = named["ce_id"] if topic == DEAD_LETTERS else f"{named['ce_type']} {record.key.decode()}"  # fmt: skip
        found[who] = (named.get("ce_traceparent"), named.get("traceparent"))
    return found


def lines(caplog: pytest.LogCaptureFixture, word: str) -> Iterable[Any]:
    """The log's lines that contain a word, as they are written."""
    written = (JsonLines("issuer").format(record) for record in caplog.records)
    return [json.loads(line) for line in written if word in line]


async def test_trace_goes_out_on_all_that_an_event_causes(
    topics: Settings,
    database: asyncpg.Connection,
    partner_id: int,
    couponry: Command,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of a completion, a declined one, an order with what time had done before it, and a bad record; none without."""
    caplog.set_level(logging.INFO)
    game = await a_game(database, partner_id)
    both = "ce_traceparent"
    async with at_work(topics):
        await send(topics, [
            traced(completed("first", "anna", partner_id, game), 1, both),
            completed("plain", "jonas", partner_id, game),
            traced(completed("again", "anna", partner_id, game), 2),
            traced(("ona", headers("bad"), b"{"), 3),
            traced(("ona", headers("worse"), b"["), 4),
        ])  # fmt: skip
        await until_settled(topics)
        code = await database.fetchval("SELECT c.code FROM coupons c JOIN customers USING (customer_no) WHERE customer_id = 'anna'")  # fmt: skip
        order = {"partner_id": partner_id, "order_id": "o-1", "customer_id": "anna", "currency": "EUR",
                 "total": "9.90", "coupon_codes": [display(code)]}  # fmt: skip
        placed = [(n, b"order.placed" if n == "ce_type" else v) for n, v in headers("order")]
        await send(topics, [traced(("anna", placed, json.dumps(order).encode()), 5)], ORDERS)
        await until_settled(topics)
    later = {"clock_offset_seconds": 8 * 86_400.0, "allow_test_clock": True}
    async with at_work(topics.model_copy(update=later)):
        await send(topics, [traced(completed("late", "jonas", partner_id, game), 6)])
        await until_settled(topics)

    same = {number: (trace(number), trace(number)) for number in range(1, 7)}
    assert await traces_on(topics, ISSUANCE_DECLINED) == {"issuance.declined anna": same[2]}
    assert await traces_on(topics, COUPON_LIFECYCLE) == {
        "coupon.redeemed anna": same[5], "coupon.expired jonas": same[6],
    }  # fmt: skip
    assert await traces_on(topics, DEAD_LETTERS) == {
        "bad": (None, trace(3)), "worse": (None, trace(4)),
    }  # fmt: skip
    issued = [
        dict(record.headers).get("traceparent") for record in await published(topics, COUPON_ISSUED)
    ]
    assert Counter(issued) == Counter([None, trace(1).encode(), trace(6).encode()])

    for event_id, expected in (
        ("first", trace(1)), ("plain", None), ("again", trace(2)), ("bad", trace(3)), ("order", trace(5)),
    ):  # fmt: skip
        answer: Any = (await couponry("explain", "--json", event_id)).json()
        told = (await couponry("explain", event_id)).out
        assert (answer["traceparent"], (expected or "trace") in told) == (expected, expected is not None)  # fmt: skip

    named = [one for line in lines(caplog, "dead letter") for one in line.get("traceparents", [line["traceparent"]])]  # fmt: skip
    assert sorted(named) == [trace(3), trace(4)]

    await couponry("republish", "--json")
    async with at_work(topics):
        await until_settled(topics)
    again = [dict(record.headers) for record in await published(topics, COUPON_ISSUED)]
    republished = {one.get("traceparent") for one in again if "couponry_republished" in one}
    assert republished == {trace(1).encode(), None}


async def test_trace_stays_with_what_waits_and_with_what_comes_again(
    database: asyncpg.Connection,
    pipeline: Pipeline,
    partner_id: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log names it when a record waits; the decision, when it is made, has it; a repeat's own changes nothing."""
    caplog.set_level(logging.INFO)
    game = await a_game(database, partner_id, start_date="2020-01-01")
    await database.execute("UPDATE partners SET time_zone = 'Mars' WHERE id = $1", partner_id)
    first = a_record("first", partner_id=partner_id, game_id=game)
    first.headers = (*first.headers, ("traceparent", trace(1).encode()))
    await pipeline.process([first])
    (line,) = lines(caplog, "wait")
    assert line["traceparent"] == trace(1)

    await database.execute("UPDATE partners SET time_zone = 'UTC' WHERE id = $1", partner_id)
    await pipeline.again(await database.fetch("SELECT * FROM waiting_records"))
    first.headers = (*first.headers[:-1], ("traceparent", trace(2).encode()))
    await pipeline.process([first])
    for table in ("decisions", "outbox"):
        found = await database.fetch(f"SELECT traceparent FROM {table}")
        assert (table, [row["traceparent"] for row in found]) == (table, [trace(1)])
