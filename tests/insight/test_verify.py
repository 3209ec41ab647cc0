"""Plant a fault straight into the database or the topics: `verify` finds it, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.topics import COUPON_ISSUED, GAME_COMPLETED, ISSUANCE_DECLINED
from services.adapters.kafka import client_options
from services.adapters.postgres.clock import OWN_CLOCK
from services.adapters.postgres.pool import connect
from services.insight.verify.run import Report, verify
from services.runtime.settings import Settings
from services.sweeper.retention import forget_once
from tests.insight.faults import A_COUPON, FAULTS
from tests.stand.commands import Command, CommandOn
from tests.stand.draining import drain
from tests.stand.issuing import a_game
from tests.stand.waiting import eventually
from tests.stand.world import World, at_work, completed, send, until_settled

OUT = (COUPON_ISSUED, ISSUANCE_DECLINED)
"""What the world has published to."""


def _quiet(_line: str) -> None:
    pass


def _found(report: Report) -> list[tuple[str, str]]:
    return [(one.invariant, one.detail) for one in report.violations]


async def test_verify_holds_on_a_system_at_rest(world: World, couponry_on: CommandOn) -> None:
    """What really happened breaks nothing: repeats, refusals and poison included."""
    report = (await couponry_on(world.settings)("verify", "--json")).json()
    assert report["violations"] == []
    assert report["ok"] is True
    assert report["checked"] > 100


@pytest.fixture
async def owner(copied: Settings) -> AsyncIterator[asyncpg.Connection]:
    """May do to the copy what no worker may."""
    connection = await connect(copied, "test", role=None)
    yield connection
    await connection.close()


@pytest.mark.parametrize("fault", FAULTS)
async def test_verify_finds_a_fault(
    copied: Settings, owner: asyncpg.Connection, fault: str
) -> None:
    """Each fault is found under its invariant, as often as it is there, and nothing else is."""
    statements, expected = FAULTS[fault]
    await owner.execute(statements)
    found = _found(await verify(copied, _quiet))
    assert len(found) == len(expected), found
    for (invariant, words), (found_invariant, detail) in zip(expected, found, strict=True):
        assert found_invariant == invariant, found
        assert words in detail


async def test_verify_holds_after_letters_were_emptied(
    copied: Settings, owner: asyncpg.Connection
) -> None:
    """What became of a record is known by its letter's place, which stays when what the record said goes."""
    before = await verify(copied, _quiet)
    assert before.ok
    await owner.execute("UPDATE dead_letters SET state = 'discarded' WHERE state = 'open'")
    await owner.execute("UPDATE dead_letters SET closed_at = now() - interval '91 days'")
    await forget_once(owner, copied, OWN_CLOCK)
    assert (
        await owner.fetchval("SELECT count(*) FROM dead_letters WHERE emptied_at IS NOT NULL") >= 3
    )
    after = await verify(copied, _quiet)
    assert (_found(after), after.checked) == ([], before.checked)


async def test_verify_reports_as_the_contract_says(
    copied: Settings, owner: asyncpg.Connection, couponry_on: CommandOn
) -> None:
    """A violation is exit 1, in the shape of the contract; in words it is a row of a table."""
    await owner.execute("DELETE FROM decisions WHERE event_id = 'lost'")
    couponry = couponry_on(copied)
    result = await couponry("verify", "--json")
    assert result.code == 1
    assert '"ok": false' in result.out
    assert '"violations": [{"invariant": "I4", "detail": "record ' in result.out
    told = await couponry("verify")
    assert told.code == 1
    assert "VIOLATED" in told.out


async def test_verify_lets_an_issue_follow_at_the_instant_of_the_redemption(
    copied: Settings, owner: asyncpg.Connection
) -> None:
    """Intervals are half-open: the customer may get the next coupon when the one before is used, not sooner."""
    await owner.execute(
        """
        UPDATE coupons SET rule_allow_multiple = false WHERE game_id = 2;
        UPDATE game_versions SET rules = rules || '{"allow_multiple_active_coupons": false}' WHERE game_id = 2;
        CREATE TEMPORARY TABLE times AS
            SELECT id, lead(issued_at) OVER (PARTITION BY customer_no ORDER BY issued_at, id) AS next_at
            FROM coupons WHERE game_id = 2;
        UPDATE coupons SET status = 'redeemed', redeemed_at = next_at, steps = 1
            FROM times WHERE times.id = coupons.id AND next_at IS NOT NULL;
        INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)
            SELECT id, 1, 1, next_at, 'redeemed', 'active', 'redeemed', 'test' FROM times WHERE next_at IS NOT NULL;
        INSERT INTO outbox (topic, ce_type, ce_id, subject, key, value)
            SELECT 'coupon-lifecycle', 'coupon.redeemed', id || '.1.redeemed', id, 'k', '{}'
            FROM times WHERE next_at IS NOT NULL
        """
    )
    assert _found(await verify(copied, _quiet)) == []
    await owner.execute(
        """
        UPDATE coupon_history SET at = at + interval '1 microsecond'
        WHERE coupon_id = (SELECT coupon_id FROM coupon_history LIMIT 1)
        """
    )
    assert [invariant for invariant, _ in _found(await verify(copied, _quiet))] == ["I1"]


async def test_verify_counts_what_it_does_not_name(
    copied: Settings, owner: asyncpg.Connection
) -> None:
    """Of very many violations of one invariant a hundred are named, the others counted."""
    await owner.execute(
        """
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
                               partition, event_id, event_source, event_type, topic, outcome, reason)
        SELECT gen_random_uuid(), now(), now(), 1, 1, 1, 0, 0, 'e' || n, 's', 't', 't', 'declined', 'game_ended'
        FROM generate_series(1, 1234) AS n
        """
    )
    found = _found(await verify(copied, _quiet))
    assert len(found) == 101
    assert ("I2", "and 1,134 more") in found


async def test_verify_finds_records_that_were_passed_over(topics: Settings) -> None:
    """Offsets committed over records that nobody decided: each of them is named."""
    await send(topics, [completed(f"e{n}", "ona", 1, 1) for n in range(3)])
    partition = await _partition_of_the_records(topics)
    consumer = AIOKafkaConsumer(
        **client_options(topics), group_id=topics.consumer_group, enable_auto_commit=False
    )
    await consumer.start()
    consumer.assign([partition])
    await consumer.commit({partition: 2})
    await consumer.stop()
    found = _found(await verify(topics, _quiet))
    expected = [
        f"record {partition.topic}:{partition.partition}:{offset} is neither" for offset in (0, 1)
    ]
    assert [invariant for invariant, _ in found] == ["I4", "I4"]
    for (_, detail), words in zip(found, expected, strict=True):
        assert detail.startswith(words)


async def _partition_of_the_records(settings: Settings) -> TopicPartition:
    consumer = AIOKafkaConsumer(**client_options(settings))
    await consumer.start()
    partitions = [TopicPartition(settings.topic(GAME_COMPLETED), number) for number in range(4)]
    ends = await consumer.end_offsets(partitions)
    await consumer.stop()
    return max(partitions, key=lambda partition: ends[partition])


async def test_verify_asks_only_for_what_is_retained(copied: Settings, topics: Settings) -> None:
    """Coupons older than anything the topic keeps are not missed; newer ones are."""
    connection = await connect(copied, "test", role=None)
    await connection.execute("UPDATE dead_letters SET topic = 'elsewhere'")
    await connection.close()
    emptied = copied.model_copy(update={"topic_prefix": topics.topic_prefix})
    assert {invariant for invariant, _ in _found(await verify(emptied, _quiet))} == {"I3"}

    for topic in OUT:
        await send_to_each_partition(emptied, topic)
    assert {invariant for invariant, _ in _found(await verify(emptied, _quiet))} == {"I3"}
    for topic in OUT:
        await drain(emptied, topic, *range(4))
    report = await verify(emptied, _quiet)
    assert _found(report) == []
    assert len(report.unchecked) == 2

    connection = await connect(copied, "test", role=None)
    await connection.execute(
        f"UPDATE coupons SET issued_at = now() + interval '2 hours' WHERE id = ({A_COUPON})"
    )
    await connection.close()
    await send_to_each_partition(emptied, COUPON_ISSUED)
    found = _found(await verify(emptied, _quiet))
    assert len(found) == 1, found
    assert "neither published nor queued" in found[0][1]


async def send_to_each_partition(settings: Settings, topic: str) -> None:
    """A record that is none of ours, in every partition of the topic."""
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    for number in range(4):
        await producer.send_and_wait(settings.topic(topic), b"x", partition=number)
    await producer.stop()


@pytest.mark.slow
async def test_verify_holds_beside_traffic(topics: Settings, couponry: Command) -> None:
    """While events are decided and published, what is in flight is no violation."""
    partner = (await couponry("partners", "add", "Busy", "--json")).json()["id"]
    connection = await connect(topics, "test")
    games = [
        await a_game(connection, partner),
        await a_game(connection, partner, allow_multiple_active_coupons=True),
    ]
    async with at_work(topics):
        await send(
            topics,
            (completed(f"e{n}", f"c{n % 50}", partner, games[n % 2]) for n in range(6_000)),
        )
        decided = "SELECT count(*) FROM decisions"
        await eventually(lambda: connection.fetchval(decided), "the first events are decided")
        for _ in range(4):
            assert _found(await verify(topics, _quiet)) == []
        await until_settled(topics)
    assert _found(await verify(topics, _quiet)) == []
    assert await connection.fetchval(decided) == 6_000
    await connection.close()
