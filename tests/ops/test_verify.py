"""Plant a fault straight into the database or the topics: `verify` finds it, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from services.adapters.kafka import COUPON_ISSUED, GAME_COMPLETED, client_options
from services.adapters.postgres.pool import connect
from services.issuer.codec import event_key
from services.ops.verify.run import Report, verify
from services.runtime.settings import Settings
from tests.issuer.stand import a_game, eventually
from tests.ops.conftest import Command, CommandOn
from tests.ops.world import World, at_work, completed, send, until_settled

WRONG_CODE = "0000000000000001"
A_COUPON = "SELECT id FROM coupons WHERE game_id = 3 ORDER BY id LIMIT 1"
CLONE = """
    INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, expires_at, rule_version,
                         rule_validity_days, rule_allow_multiple, holds_single_place, code, code_prefix)
    SELECT gen_random_uuid(), {event_key}, partner_id, game_id, customer_no, issued_at, expires_at, rule_version,
           rule_validity_days, rule_allow_multiple, holds_single_place, '0000000000000000', code_prefix
    FROM coupons WHERE id = ({coupon});
"""
QUEUE_CLONE = """
    INSERT INTO outbox (topic, ce_type, ce_id, subject, key, value, refused)
    SELECT 'coupon-issued', 'coupon.issued', id || '.issued', id, 'k', '{{}}', {refused}
    FROM coupons WHERE code = '0000000000000000';
"""
DECIDE_CLONE = """
    INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset", coupon_id,
                           partition, rule_version, event_id, event_source, event_type, topic, outcome)
    SELECT '{event_key}', issued_at, issued_at, partner_id, customer_no, game_id, 0, id, 0, 1, 'unread', '/games',
           'game.completed', 'elsewhere', 'issued'
    FROM coupons WHERE code = '0000000000000000';
"""

FAULTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "two active under the single rule": (
        """
        UPDATE coupons SET rule_allow_multiple = false
            WHERE game_id = 2 AND customer_no = (SELECT customer_no FROM customers WHERE customer_id = 'jonas');
        UPDATE game_versions SET rules = rules || '{"allow_multiple_active_coupons": false}' WHERE game_id = 2;
        UPDATE coupons SET rule_version = 2 WHERE game_id = 2 AND rule_allow_multiple;
        INSERT INTO game_versions SELECT game_id, 2, partner_id, rules || '{"allow_multiple_active_coupons": true}'
            FROM game_versions WHERE game_id = 2
        """,
        [("I1", "became active at")],
    ),
    "reinstated beside another active one": (
        """
        CREATE TEMPORARY TABLE pair AS
            SELECT (array_agg(c.id ORDER BY issued_at, c.id))[1] AS id, max(issued_at) AS next_at
            FROM coupons c JOIN customers USING (customer_no) WHERE game_id = 2 AND customer_id = 'jonas';
        UPDATE coupons SET steps = 2, holds_single_place = true FROM pair WHERE pair.id = coupons.id;
        INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)
            SELECT id, 1, 1, next_at, 'redeemed', 'active', 'redeemed', 'test' FROM pair
            UNION ALL
            SELECT id, 2, 1, next_at + interval '1 second', 'reinstated', 'redeemed', 'active', 'test' FROM pair
        """,
        [("I1", "became active at")],
    ),
    "the index of the single rule is gone": (
        "DROP INDEX customer_holds_one_active_coupon_per_single_game",
        [("I1", "lacks its constraint customer_holds_one_active_coupon_per_single_game")],
    ),
    "an event decided again under another key": (
        """
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
                               partition, event_id, event_source, event_type, topic, outcome, reason)
        SELECT gen_random_uuid(), decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
               partition, event_id, event_source, event_type, topic, outcome, reason
        FROM decisions WHERE event_id = 'lost'
        """,
        [("I2", "event lost of /games stands under the key")],
    ),
    "an event decided twice without the constraint": (
        """
        ALTER TABLE decisions DROP CONSTRAINT an_event_is_decided_once;
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
                               partition, event_id, event_source, event_type, topic, outcome, reason)
        SELECT event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
               partition, event_id, event_source, event_type, topic, outcome, reason
        FROM decisions WHERE event_id = 'lost'
        """,
        [("I2", "an_event_is_decided_once"), ("I2", "event lost of /games has 2 decisions")],
    ),
    "a second coupon of one decision": (
        CLONE.format(event_key="event_key", coupon=A_COUPON) + QUEUE_CLONE.format(refused="NULL"),
        [("I2", "is not the coupon that its decision issued")],
    ),
    "a coupon without decision": (
        CLONE.format(event_key="gen_random_uuid()", coupon=A_COUPON)
        + QUEUE_CLONE.format(refused="NULL"),
        [("I3", "has no decision")],
    ),
    "a decision whose coupon is gone": (
        f"DELETE FROM coupons WHERE id = ({A_COUPON})",
        [("I3", "which does not exist")],
    ),
    "an expiry that was moved": (
        f"""
        ALTER TABLE coupons DROP CONSTRAINT expiry_follows_from_the_rule;
        UPDATE coupons SET expires_at = issued_at + interval '1 hour' WHERE id = ({A_COUPON})
        """,
        [("I3", "expiry_follows_from_the_rule"), ("I3", "expires at another instant")],
    ),
    "a constraint that nobody validated": (
        """
        ALTER TABLE coupons DROP CONSTRAINT expiry_follows_from_the_rule;
        ALTER TABLE coupons ADD CONSTRAINT expiry_follows_from_the_rule CHECK (issued_at IS NOT NULL) NOT VALID
        """,
        [("I3", "lacks its constraint expiry_follows_from_the_rule")],
    ),
    "another rule than its game had": (
        f"""
        UPDATE coupons SET rule_validity_days = 8, expires_at = issued_at + interval '192 hours'
        WHERE id = ({A_COUPON})
        """,
        [("I3", "stores another rule than version 1")],
    ),
    "a rule of a version that never was": (
        f"UPDATE coupons SET rule_version = 77 WHERE id = ({A_COUPON})",
        [("I3", "version 77 of game 3")],
    ),
    "a coupon in another customer's hands": (
        f"""
        UPDATE coupons SET customer_no = (SELECT max(customer_no) FROM customers)
        WHERE id = ({A_COUPON})
        """,
        [("I3", "belongs to another customer")],
    ),
    "a coupon nobody was told of": (
        CLONE.format(event_key="'{event_key}'", coupon=A_COUPON) + DECIDE_CLONE,
        [("I3", "neither published nor queued")],
    ),
    "a coupon whose event was refused": (
        CLONE.format(event_key="'{event_key}'", coupon=A_COUPON)
        + DECIDE_CLONE
        + QUEUE_CLONE.format(refused="'too large'"),
        [("I3", "neither published nor queued")],
    ),
    "a decision that vanished": (
        "DELETE FROM decisions WHERE event_id = 'lost'",
        [("I4", "game-completed:")],
    ),
    "a repeat whose decision vanished": (
        "DELETE FROM decisions WHERE event_id = 'ona-many-1'",
        [("I3", "has no decision"), ("I4", "game-completed:"), ("I4", "game-completed:")],
    ),
    "a dead letter that vanished": (
        "DELETE FROM dead_letters WHERE event_id = 'bad-json'",
        [("I4", "game-completed:")],
    ),
    "a code whose check symbol is wrong": (
        f"UPDATE coupons SET code = '{WRONG_CODE}' WHERE id = ({A_COUPON})",
        [("I6", f"has the code {WRONG_CODE}")],
    ),
    "a code of two coupons": (
        f"""
        ALTER TABLE coupons DROP CONSTRAINT code_is_unique;
        UPDATE coupons SET code = '0000000000000000' WHERE game_id = 3 AND id IN ({A_COUPON.replace("LIMIT 1", "LIMIT 2")})
        """,
        [("I6", "code_is_unique"), ("I6", "code 0000000000000000 belongs to 2 coupons")],
    ),
    "a prefix the game never had": (
        f"UPDATE coupons SET code_prefix = 'MINE' WHERE id = ({A_COUPON})",
        [("I6", 'the prefix "MINE" instead of ""')],
    ),
}


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
    await owner.execute(
        statements.replace("{event_key}", event_key("/games", "unread")).replace("{{}}", "{}")
    )
    found = _found(await verify(copied, _quiet))
    assert len(found) == len(expected), found
    for (invariant, words), (found_invariant, detail) in zip(expected, found, strict=True):
        assert found_invariant == invariant, found
        assert words in detail


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
            SELECT id, 1, 1, next_at, 'redeemed', 'active', 'redeemed', 'test' FROM times WHERE next_at IS NOT NULL
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
    place = await _place_of_the_records(topics)
    consumer = AIOKafkaConsumer(
        **client_options(topics), group_id=topics.consumer_group, enable_auto_commit=False
    )
    await consumer.start()
    consumer.assign([place])
    await consumer.commit({place: 2})
    await consumer.stop()
    found = _found(await verify(topics, _quiet))
    expected = [f"record {place.topic}:{place.partition}:{offset} is neither" for offset in (0, 1)]
    assert [invariant for invariant, _ in found] == ["I4", "I4"]
    for (_, detail), words in zip(found, expected, strict=True):
        assert detail.startswith(words)


async def _place_of_the_records(settings: Settings) -> TopicPartition:
    consumer = AIOKafkaConsumer(**client_options(settings))
    await consumer.start()
    places = [TopicPartition(settings.topic(GAME_COMPLETED), number) for number in range(4)]
    ends = await consumer.end_offsets(places)
    await consumer.stop()
    return max(places, key=lambda place: ends[place])


async def test_verify_asks_only_for_what_is_retained(copied: Settings, topics: Settings) -> None:
    """Coupons older than anything the topic keeps are not missed; newer ones are."""
    connection = await connect(copied, "test", role=None)
    await connection.execute("UPDATE dead_letters SET topic = 'elsewhere'")
    await connection.close()
    emptied = copied.model_copy(update={"topic_prefix": topics.topic_prefix})
    assert {invariant for invariant, _ in _found(await verify(emptied, _quiet))} == {"I3"}

    await send_to_each_partition(emptied)
    assert {invariant for invariant, _ in _found(await verify(emptied, _quiet))} == {"I3"}
    admin = AIOKafkaAdminClient(**client_options(emptied))
    await admin.start()
    places = [TopicPartition(emptied.topic(COUPON_ISSUED), number) for number in range(4)]
    await admin.delete_records({place: RecordsToDelete(before_offset=1) for place in places})
    await admin.close()
    assert _found(await verify(emptied, _quiet)) == []

    connection = await connect(copied, "test", role=None)
    await connection.execute(
        f"UPDATE coupons SET issued_at = now() + interval '2 hours' WHERE id = ({A_COUPON})"
    )
    await connection.close()
    await send_to_each_partition(emptied)
    found = _found(await verify(emptied, _quiet))
    assert len(found) == 1, found
    assert "neither published nor queued" in found[0][1]


async def send_to_each_partition(settings: Settings) -> None:
    """A record that is none of ours, in every partition of `coupon-issued`."""
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    for number in range(4):
        await producer.send_and_wait(settings.topic(COUPON_ISSUED), b"x", partition=number)
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
