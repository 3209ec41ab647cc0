"""Faults planted into the topics that we publish to: `verify` finds each, and says what a drained partition hides."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from schemas.topics import ALL, COUPON_ISSUED, COUPON_LIFECYCLE, ISSUANCE_DECLINED, RELAY
from services.adapters.event_keys import event_key
from services.adapters.kafka import client_options
from services.adapters.records import bounds_of, partitions_of, read_parts, side_reader
from services.insight.verify.messages import KINDS
from services.insight.verify.run import Report, verify
from services.relay.partitions import partition_of
from services.runtime.settings import Settings
from tests.stand.commands import CommandOn
from tests.stand.draining import drain
from tests.stand.issuing import a_game
from tests.stand.world import at_work, completed, send, until_settled

Headers = dict[str, bytes]
CUSTOMERS = [f"c-{n}" for n in range(12)]
UNTOLD = """
    WITH alike AS (
        SELECT c.* FROM coupons c JOIN customers USING (customer_no) WHERE customer_id = $2
    ), decided AS (
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset", coupon_id,
                               partition, rule_version, event_id, event_source, event_type, topic, outcome)
        SELECT $1, issued_at, issued_at, partner_id, customer_no, game_id, 0, '00000000-0000-7000-8000-000000000001', 0,
               rule_version, 'unread', '/games', 'game.completed', 'elsewhere', 'issued'
        FROM alike
    )
    INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, expires_at, rule_version,
                         rule_validity_days, rule_allow_multiple, holds_single_place, code)
    SELECT '00000000-0000-7000-8000-000000000001', $1, partner_id, game_id, customer_no, issued_at, expires_at,
           rule_version, rule_validity_days, rule_allow_multiple, holds_single_place, '0000000000000000'
    FROM alike
"""
"""A coupon like this customer's, of an event of its own, that was never queued."""
AGAIN = """
    WITH moved AS (UPDATE decisions SET decided_at = now() WHERE coupon_id = $1)
    UPDATE coupons SET issued_at = now(), expires_at = now() + interval '168 hours' WHERE id = $1
"""
"""The same decision, made now."""


async def published(settings: Settings, topic: str) -> list[ConsumerRecord]:
    """Every record of the topic."""
    places = await partitions_of(settings, [settings.topic(topic)])
    async with side_reader(settings) as reader:
        bounds = await bounds_of(reader, places)
        starts = {at: one.first for at, one in bounds.items()}
        ends = {at: one.end for at, one in bounds.items()}
        return [record async for some in read_parts(reader, starts, ends) for record in some]


async def say(
    settings: Settings, record: ConsumerRecord, headers: Headers | None = None, **data: Any
) -> str:
    """Once more, with other headers or other data; returns the place of it, as `verify` names it."""
    said = dict(record.headers) | (headers or {})
    value = json.dumps(json.loads(record.value) | data).encode()
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        at = await producer.send_and_wait(
            record.topic,
            value,
            key=record.key,
            partition=record.partition,
            headers=list(said.items()),
        )
    return f"{at.topic}:{at.partition}:{at.offset}"


async def verified(settings: Settings) -> Report:
    return await verify(settings, lambda _line: None)


def assert_each_is_found(lines: list[str], forgeries: list[str]) -> None:
    """Every forgery has one line of its own, which its words are in; none stands for two, and nothing else is found."""
    of = {words: [line for line in lines if words in line] for words in forgeries}
    assert {words: len(found) for words, found in of.items()} == dict.fromkeys(forgeries, 1)
    assert sorted(line for (line,) in of.values()) == sorted(lines)
    assert len(of) == len(forgeries) == len(lines)


@pytest.fixture
async def game_id(topics: Settings, database: asyncpg.Connection, partner_id: int) -> int:
    """Everybody has won it, and the first has lost it once; all of it is published."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    async with at_work(topics):
        await send(topics, (completed(f"e-{who}", who, partner_id, game_id) for who in CUSTOMERS))
        await send(topics, [completed("lost", CUSTOMERS[0], partner_id, game_id, result="lost")])
        await until_settled(topics)
    return game_id


def test_every_message_is_held_against_the_database() -> None:
    """Each type of ours is of a kind, on the topic that carries it; what partners tell over HTTP is theirs."""
    carried = {(one.name, type_) for one in ALL if one.owner == RELAY for type_ in one.types}
    assert carried == {(kind.topic, type_) for kind in KINDS for type_ in kind.types}


async def test_verify_finds_messages_that_nobody_sent(topics: Settings, game_id: int) -> None:
    """A second time, under another name, with another content; a step and a decline that never were: each is found."""
    coupons = await published(topics, COUPON_ISSUED)
    (declined,) = await published(topics, ISSUANCE_DECLINED)
    assert (await verified(topics)).violations == []
    first, second, third, fourth, fifth, *_ = coupons
    id_ = json.loads(fourth.value)["coupon_id"]
    step: Headers = {"ce_id": f"{id_}.1.redeemed".encode(), "ce_type": b"coupon.redeemed"}
    coupon = json.loads(fifth.value)
    issued = coupon["cause"]
    # Of the very event, its customer and its instant: were it told of an earlier one, it might be of before a failover.
    decline = {
        "customer_id": coupon["customer_id"],
        "cause": issued,
        "decided_at": coupon["issued_at"],
    }
    forgeries: tuple[tuple[ConsumerRecord, Headers, dict[str, Any], str], ...] = (
        (first, {}, {}, f"coupon.issued of coupon {json.loads(first.value)['coupon_id']} was published 2 times"),
        (second, {"ce_id": b"mine"}, {}, "with the ce_id 'mine', which is none of ours"),
        (third, {}, {"game_id": game_id + 1, "expires_at": None}, ": game, end"),
        (replace(fourth, topic=topics.topic(COUPON_LIFECYCLE)), step, {"status": "redeemed", "at": "2026"}, "which the database does not know"),
        (declined, {"ce_id": f"{event_key(issued['source'], issued['id'])}.declined.{game_id}".encode()}, decline, "outcome (issued)"),
    )  # fmt: skip
    for record, headers, data, _ in forgeries:
        await say(topics, record, headers, **data)
    found = (await verified(topics)).violations
    assert {one.invariant for one in found} == {"I3"}
    assert_each_is_found([one.detail for one in found], [words for *_, words in forgeries])


async def test_verify_lets_operators_tell_again(topics: Settings, game_id: int) -> None:
    """What is marked as republished may come as often as somebody likes, as long as it says the same."""
    record, *_ = await published(topics, COUPON_ISSUED)
    for _ in range(2):
        await say(topics, record, {"couponry_republished": b"true"})
    report = await verified(topics)
    assert (report.violations, report.notes) == ([], [])
    await say(topics, record, {"couponry_republished": b"true"}, customer_id="nobody")
    assert [one.detail[-10:] for one in (await verified(topics)).violations] == [": customer"]


async def test_verify_takes_a_database_that_went_back_for_what_it_is(
    topics: Settings, game_id: int, owner: asyncpg.Connection
) -> None:
    """Decided again later than it was published, a message is no fault, nor is one that was published again with it."""
    first, second, *_ = await published(topics, COUPON_ISSUED)
    await say(topics, second)
    assert len((await verified(topics)).violations) == 1
    await owner.execute(AGAIN, json.loads(first.value)["coupon_id"])
    report = await verified(topics)
    assert report.violations == []
    assert [note.partition(",")[0] for note in report.notes] == [
        "1 messages were published again",
        "1 messages tell of decisions that were made again since",
    ]


async def test_verify_checks_what_a_drained_partition_leaves(
    topics: Settings, game_id: int, owner: asyncpg.Connection, couponry_on: CommandOn
) -> None:
    """Of one partition everything is gone: its customers are not checked, which is said, and all others are."""
    drained = partition_of(CUSTOMERS[0].encode(), 4)
    for topic in (COUPON_ISSUED, COUPON_LIFECYCLE, ISSUANCE_DECLINED):
        await drain(topics, topic, drained)
    here = [who for who in CUSTOMERS if partition_of(who.encode(), 4) == drained]
    report = await verified(topics)
    assert report.violations == []
    issued, declined = (topics.topic(topic) for topic in (COUPON_ISSUED, ISSUANCE_DECLINED))
    assert report.unchecked == [
        f"{issued}:{drained} keeps nothing: {len(here)} messages that belong there were not looked for",
        f"{declined} keeps nothing so old, its beginning is gone from partitions {drained}: 1 messages were not looked for",
    ]
    told_before = report.unchecked
    told = await couponry_on(topics)("verify")
    assert told.code == 0
    assert f"not checked: {report.unchecked[0]}" in told.out
    assert (await couponry_on(topics)("verify", "--json")).json()["unchecked"] == report.unchecked

    await owner.execute(UNTOLD, event_key("/games", "unread"), CUSTOMERS[0])
    report = await verified(topics)
    assert report.violations == []
    assert report.unchecked != told_before
    elsewhere = next(who for who in CUSTOMERS if who not in here)
    for table in ("coupons", "decisions"):
        await owner.execute(
            f"UPDATE {table} SET customer_no = (SELECT customer_no FROM customers WHERE customer_id = $2) WHERE event_key = $1",
            event_key("/games", "unread"),
            elsewhere,
        )
    report = await verified(topics)
    assert [one.detail[36 + 7 :] for one in report.violations] == [
        " has no coupon.issued, neither published nor queued"
    ]
    assert report.unchecked == told_before
