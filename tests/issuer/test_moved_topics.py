"""What stands in a topic and what the database knows drift apart: a topic made anew, a database that went back."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer

from schemas.topics import GAME_COMPLETED
from services.adapters.kafka import admin_client, client_options, ensure_topics
from services.adapters.postgres.pool import connect
from services.runtime.settings import Settings
from tests.stand.commands import CommandOn
from tests.stand.feed import feed, finished
from tests.stand.issuing import a_game, audit, count, letters, outcomes
from tests.stand.processes import issuer
from tests.stand.records import completed, headers, raw
from tests.stand.waiting import eventually


async def make_anew(topics: Settings) -> None:
    """Delete the topic, and make one of the same name."""
    async with admin_client(topics) as admin:
        await admin.delete_topics([topics.topic(GAME_COMPLETED)])

        async def is_gone() -> bool:
            return topics.topic(GAME_COMPLETED) not in await admin.list_topics()

        await eventually(is_gone, "the topic is gone")
    await ensure_topics(topics)


async def test_topic_made_anew_keeps_both_records_of_a_place(
    topics: Settings, database: asyncpg.Connection, partner_id: int, couponry_on: CommandOn
) -> None:
    """Poison at an offset, and other poison there in the new topic: two letters and two messages, each by its number."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    good: dict[str, Any] = {"partner_id": partner_id, "game_id": game_id}
    first = [raw(headers("p-1"), b"first"), *(completed(f"a-{n}", **good) for n in range(9))]
    async with issuer(topics) as running:
        await feed(topics, first, partition=0)
        await finished(topics)
        await make_anew(topics)
        await feed(topics, [raw(headers("p-2"), b"second"), completed("b-1", **good)], partition=0)
        await eventually(lambda: _decided(database, "b-1"), "the new topic is read", seconds=60)
        await finished(topics)
        assert await running.stopped() == 0
    kept = await letters(database)
    assert [letter["value"] for letter in kept] == [b"first", b"second"]
    assert await count(database, "decisions") == 10
    await audit(database)
    couponry = couponry_on(topics)
    listed = (await couponry("dead-letters", "list", "--json")).json()
    assert {(letter["topic"], letter["offset"]) for letter in listed} == {
        (topics.topic(GAME_COMPLETED), 0)
    }
    newest = (await couponry("dead-letters", "show", f"{GAME_COMPLETED}:0:0", "--json")).json()
    assert newest["id"] == kept[1]["id"]
    # The old topic's letters are not charged to the new one: the brake counts by place.
    open_ = "SELECT count(*) FROM dead_letters WHERE topic = $1 AND state = 'open'"
    assert await database.fetchval(open_, topics.topic(GAME_COMPLETED)) == 1


async def _decided(database: asyncpg.Connection, event_id: str) -> bool:
    return bool(
        await database.fetchval("SELECT count(*) FROM decisions WHERE event_id = $1", event_id)
    )


async def test_what_a_standby_did_not_have_is_decided_again(
    topics: Settings, database: asyncpg.Connection, partner_id: int, couponry_on: CommandOn
) -> None:
    """The database goes back behind what Kafka has as read: it is read again, and the coupons are the same ones."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    good: dict[str, Any] = {"partner_id": partner_id, "game_id": game_id}
    codes = "SELECT id::text, code FROM coupons ORDER BY id"
    async with issuer(topics) as running:
        await feed(topics, [completed(f"kept-{n}", f"c-{n}", **good) for n in range(20)])
        await finished(topics)
        await eventually(running.is_ready, "it is idle")
        owner = await connect(topics, "test", role=None)
        await owner.execute("CREATE TABLE next_offsets_then AS SELECT * FROM next_offsets")
        await feed(topics, [completed(f"lost-{n}", f"c-{n}", **good) for n in range(20)])
        await finished(topics)
        before = await database.fetch(codes)
        # As on a standby that has not heard of the last of it; its sessions are new ones.
        for statement in (
            "DELETE FROM outbox WHERE subject IN (SELECT coupon_id::text FROM decisions WHERE event_id LIKE 'lost-%')",
            "DELETE FROM coupons WHERE event_key IN (SELECT event_key FROM decisions WHERE event_id LIKE 'lost-%')",
            "DELETE FROM decisions WHERE event_id LIKE 'lost-%'",
            "DELETE FROM next_offsets",
            "INSERT INTO next_offsets SELECT * FROM next_offsets_then",
            "DROP TABLE next_offsets_then",
        ):
            await owner.execute(statement)
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'couponry-issuer' AND datname = current_database()"
        )
        await owner.close()
        await feed(topics, [completed("next", "c-1", **good)])
        await eventually(
            lambda: _all_of(database, 41), "what was lost is decided again", seconds=60
        )
        assert await running.stopped() == 0
    assert len(await outcomes(database)) == 41
    after = [tuple(row) for row in await database.fetch(codes)]
    assert set(map(tuple, before)) < set(after)
    await audit(database)
    assert (await couponry_on(topics)("verify", "--json")).json()["violations"] == []


async def _all_of(database: asyncpg.Connection, number: int) -> bool:
    return await count(database, "decisions") == number


async def test_markers_of_transactions_are_no_records(
    topics: Settings, database: asyncpg.Connection, partner_id: int, couponry_on: CommandOn
) -> None:
    """A transactional producer commits, and one aborts; then silence: nothing waits, for ever. An open one is named."""
    game_id = await a_game(database, partner_id)
    record = completed("e-1", partner_id=partner_id, game_id=game_id)
    topic = topics.topic(GAME_COMPLETED)
    couponry = couponry_on(topics)
    async with (
        issuer(topics) as running,
        AIOKafkaProducer(
            **client_options(topics), transactional_id=f"{topics.topic_prefix}games"
        ) as producer,
    ):
        for commits in (True, False):
            await producer.begin_transaction()
            for partition in range(4):
                await producer.send_and_wait(
                    topic,
                    record.value,
                    record.key,
                    partition=partition,
                    headers=list(record.headers),
                )
            await (producer.commit_transaction() if commits else producer.abort_transaction())
        await eventually(lambda: _decided(database, "e-1"), "the committed ones are decided")
        await eventually(running.is_ready, "it is idle")

        async def is_well() -> bool:
            status = await couponry("status", "--json")
            return all(part["lag"] == 0 for part in json.loads(status.out)["lag"])

        await eventually(is_well, "nothing waits")
        await producer.begin_transaction()
        await producer.send_and_wait(
            topic, record.value, record.key, partition=2, headers=list(record.headers)
        )
        status = await couponry("status")
        assert f"an open transaction holds {topic}:2" in status.out
        await producer.abort_transaction()
