"""`status`: what waits, what died, how fast it goes, and whether all of that is well."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition

from schemas.topics import INCOMING
from services.adapters.postgres.pool import connect
from services.insight.status.figures import figures
from services.insight.status.shown import show
from services.runtime.settings import PREFIX, Settings
from tests.stand.commands import Command, CommandOn, couponry_process
from tests.stand.webhooks import a_webhook
from tests.stand.world import World, commit, completed, send

NOBODY_THERE = "127.0.0.1:1"


async def test_status_of_a_system_at_rest(world: World, couponry_on: CommandOn) -> None:
    """Every partition of all incoming topics, no lag, an empty outbox, the letters there are."""
    now = (await couponry_on(world.settings)("status", "--json")).json()
    prefix = world.settings.topic_prefix
    places = [(part["topic"], part["partition"]) for part in now["lag"]]
    assert places == [(prefix + topic, number) for topic in sorted(INCOMING) for number in range(4)]
    assert (now["total_lag"], now["lag_per_second"], now["paused"]) == (0, 0, [])
    assert sum(part["end"] for part in now["lag"]) == 35
    assert now["outbox"] == {"depth": 0, "oldest_age_seconds": 0}
    assert now["unpublishable"] == 0
    assert now["dead_letters"] == {
        "open": 3,
        "decided": 0,
        "already_decided": 0,
        "discarded": 0,
    }
    assert now["open_dead_letters"]["by_stage"] == {"decode": 1, "header": 1, "schema": 1}
    assert now["versions"].keys() == {"couponry", "schema", "schema_missing", "postgres", "redis"}
    assert all(now["versions"][name] for name in ("couponry", "schema", "postgres", "redis"))
    assert now["servers"] == {"kafka": None, "postgres": None, "redis": None}
    (problem,) = now["problems"]
    assert problem["what"].startswith("3 dead letters open, the oldest for ")


async def test_status_of_a_new_system_is_that_all_is_well(
    topics: Settings, couponry: Command
) -> None:
    """The first line says so, and so does the JSON."""
    assert topics.topic_prefix
    assert (await couponry("status")).out.startswith("all is well\n")
    now = (await couponry("status", "--json")).json()
    assert (now["ok"], now["problems"]) == (True, [])


async def test_status_counts_what_waits(topics: Settings, couponry: Command) -> None:
    """Records nobody has read are lag; queued rows are depth with an age; refused ones stand apart."""
    await send(topics, [completed(f"e{n}", "ona", 1, 1) for n in range(5)])
    connection = await connect(topics, "test")
    await connection.execute(
        """
        INSERT INTO outbox (topic, ce_type, ce_id, value, queued_at, refused)
        SELECT 'coupon-issued', 'coupon.issued', n, '{}', now() - interval '90 s', CASE WHEN n = 3 THEN 'too large' END
        FROM generate_series(1, 3) AS n;
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
                               partition, event_id, event_source, event_type, topic, outcome, reason)
        SELECT gen_random_uuid(), now() - n * interval '0.1 s', now(), 1, 1, 1, 0, 0, 'e' || n, 's', 't', 't',
               'declined', 'game_ended'
        FROM generate_series(1, 1000) AS n
        """
    )
    await connection.close()
    now = (await couponry("status", "--json")).json()
    assert now["total_lag"] == 5
    assert {part["committed"] for part in now["lag"]} == {None}
    assert (now["outbox"]["depth"], now["unpublishable"]) == (2, 1)
    assert 90 <= now["outbox"]["oldest_age_seconds"] < 180
    assert 0 < now["decisions_per_second"] <= 10
    assert now["unpublishable_reason"] == "too large"
    told = (await couponry("status")).out.splitlines()
    assert told[0] == "3 problems"
    assert told[1].strip().startswith("5 records waiting and no issuer connected")
    assert "too large" in told[2]
    assert told[3].strip().startswith("2 events waiting to be published")
    assert "no relay connected" in told[3]


async def test_status_sees_where_the_lag_is_going(topics: Settings, capsys: Any) -> None:
    """Records that come while it looks make the lag grow, by a number and in words."""
    looking = asyncio.create_task(figures(topics, 1.0))
    while not looking.done():
        await send(topics, [completed("e", "ona", 1, 1)])
    now = await looking
    assert now["lag_per_second"] > 0
    assert now["lag_per_second"] == max(part["per_second"] for part in now["lag"])
    show(now, [])
    assert f"↑ grows by {now['lag_per_second']:,.0f}/s" in capsys.readouterr().out


async def test_status_sees_what_the_brake_holds(
    topics: Settings,
    couponry: Command,
    database: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A partition is paused when the records before its next one are mostly open letters, and only then."""
    await send(topics, [completed(f"e{n}", "ona", 1, 1) for n in range(5)])
    busy = [part for part in (await figures(topics))["lag"] if part["lag"]]
    place = TopicPartition(busy[0]["topic"], busy[0]["partition"])
    await commit(topics, {place: 3})
    await database.execute(
        """
        INSERT INTO dead_letters (topic, partition, "offset", record_time, stage, exception, message)
        SELECT $1, $2, n, now(), 'schema', 'SchemaError', 'data' FROM generate_series(0, 2) AS n
        """,
        place.topic,
        place.partition,
    )
    monkeypatch.setenv(f"{PREFIX}DEAD_LETTER_LIMIT", "3")
    now = (await couponry("status", "--json")).json()
    assert now["paused"] == [{"topic": place.topic, "partition": place.partition, "open": 3}]
    told = (await couponry("status")).out
    assert f"{place.topic}:{place.partition} is paused" in told.splitlines()[1]
    assert "“A bad deploy filled the dead letters”" in told.splitlines()[1]
    monkeypatch.setenv(f"{PREFIX}DEAD_LETTER_LIMIT", "4")
    assert (await couponry("status", "--json")).json()["paused"] == []


async def test_status_knows_who_is_connected_and_what_is_overdue(
    topics: Settings, couponry: Command, database: asyncpg.Connection
) -> None:
    """Sessions by process; coupons, points, birthdays that are due and not swept; operations that were cut off."""
    assert topics.topic_prefix
    await database.execute(
        """
        INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, expires_at, rule_version,
                             rule_validity_days, rule_allow_multiple, holds_single_place, code)
        SELECT gen_random_uuid(), gen_random_uuid(), 1, 1, 1, at, at + interval '24 h', 1, 1, true, false,
               '0000000000000000'
        FROM (SELECT clock_timestamp() - interval '27 h' AS at) AS issued;
        INSERT INTO lots (customer_no, number, partner_id, source_kind, source_id, earned_at, expires_at, notice_at, amount,
                          remaining, expired)
        SELECT 1, n, 1, 'order', 'o-1', at - interval '60 d', at, at + least(n - 2, 0) * interval '1 d', 5, n % 3, 0
        FROM generate_series(1, 3) AS n, (SELECT clock_timestamp() - interval '5 h' AS at) AS ended;
        INSERT INTO profiles (customer_no, partner_id, tags, attributes, bonus_cards, birthday, birthday_at)
        VALUES (1, 1, '{}', '{}', '{}', '1990-01-01', clock_timestamp() - interval '7 h'),
               (2, 1, '{}', '{}', '{}', '1990-01-01', clock_timestamp() + interval '7 h');
        INSERT INTO operations (command, actor, request) VALUES ('redrive', 'anna@till', '{}');
        UPDATE counting SET noted_at = clock_timestamp() - interval '5 min'
        """
    )
    issuer = await connect(topics, "couponry-issuer")
    waiting = await connect(topics, "couponry-relay-lock")
    now = (await couponry("status", "--json")).json()
    await issuer.close()
    await waiting.close()
    assert now["sessions"] == {"issuer": 1, "relay": 1, "sweeper": 0, "webhooks": 0, "api": 0}
    assert (now["sweeper"]["overdue"], now["operations"][0]["is_running"]) == (1, False)
    assert 3 * 3600 <= now["sweeper"]["overdue_seconds"] < 3 * 3600 + 60
    assert (now["sweeper"]["overdue_lots"], now["sweeper"]["overdue_birthdays"]) == (2, 1)
    told = (await couponry("status")).out
    assert "1 coupon due and not swept, the first for 3 hours" in told
    assert "2 lots due and not swept, the first for 29 hours" in told
    assert "1 birthday due and not swept, the first for 7 hours" in told
    assert "overdue birthdays             1, since 7 hours" in told
    assert "go on with `couponry dead-letters redrive --resume`" in told
    assert "sweeper last seen             5 minutes ago" in told


@pytest.mark.parametrize(
    ("variable", "address", "what", "unknown"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", NOBODY_THERE, "Kafka is away", "total_lag"),
        ("REDIS_URL", f"redis://{NOBODY_THERE}/0", "Redis is away", None),
    ],
)
async def test_status_shows_the_rest_when_a_server_is_away(
    topics: Settings,
    couponry: Command,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    address: str,
    what: str,
    unknown: str | None,
) -> None:
    """The verdict says which one, with its setting; the exit code is 0, because it could look."""
    assert topics.topic_prefix
    monkeypatch.setenv(PREFIX + variable, address)
    now = (await couponry("status", "--json")).json()
    (problem,) = now["problems"]
    assert problem["what"].startswith(what)
    assert PREFIX + variable in problem["what"]
    assert now["outbox"]["depth"] == 0
    assert unknown is None or (now[unknown], now["paused"], now["lag"]) == (None, None, [])
    assert what in (await couponry("status")).out.splitlines()[1]


async def test_status_needs_postgres(
    topics: Settings, couponry: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it next to nothing is known: one line, exit 2."""
    assert topics.topic_prefix
    monkeypatch.setenv(f"{PREFIX}POSTGRES_DSN", f"postgresql://nobody@{NOBODY_THERE}/nowhere")
    result = await couponry("status")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_watch_goes_on_until_interrupted(topics: Settings, options: tuple[str, ...]) -> None:
    """One look after the other, one document a line with --json; Ctrl-C ends it without a word."""
    process = couponry_process(topics, "status", "--watch", "0", *options)
    assert process.stdout
    seen = 0
    for line in process.stdout:
        seen += json.loads(line)["ok"] if options else line == "all is well\n"
        if seen == 2:
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "")


def test_watch_outlasts_postgres(topics: Settings) -> None:
    """While Postgres is away that is what it says, and it goes on."""
    away = topics.model_copy(update={"postgres_dsn": f"postgresql://nobody@{NOBODY_THERE}/nowhere"})
    process = couponry_process(away, "status", "--watch=0", "--json")
    assert process.stdout
    for _ in range(2):
        document = json.loads(process.stdout.readline())
        assert not document["ok"]
        assert "cannot use Postgres" in document["problems"][0]["what"]
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "")


async def test_status_counts_what_partners_systems_do_not_take(
    topics: Settings, couponry: Command, database: asyncpg.Connection, partner_id: int
) -> None:
    """What waits, is held, fails again and again, or was given up within a day; no coupon whose own end came first."""
    await a_webhook(database, partner_id, topics)
    await database.execute(
        """
        INSERT INTO deliveries (coupon_id, kind, partner_id, customer_no, at, type, status, is_next, due_at, attempts, tries)
        SELECT gen_random_uuid(), 'issued', $1, n, now(), 'fixed', status, status = 'pending', now() - due, attempts, attempts
        FROM (VALUES (1, 'pending', interval '90 s', 0), (2, 'pending', '-1 h', 4), (3, 'pending', '-1 h', 3), (4, 'held', '9 h', 0),
                     (5, 'dead', '23 h', 3), (6, 'dead', '25 h', 3), (7, 'dead', '1 h', 1))
            AS told (n, status, due, attempts)
        """,
        partner_id,
    )
    await database.execute(
        """
        INSERT INTO delivery_attempts (coupon_id, kind, number, partner_id, at, status, error, duration_ms)
        SELECT coupon_id, kind, attempts, partner_id, now(), status_of.code, status_of.error, 1
        FROM deliveries JOIN (VALUES (2, 503, 'status'), (3, 500, 'status'), (5, 404, 'status'), (6, 404, 'status'),
                                     (7, NULL, 'coupon_expired')) AS status_of (n, code, error) ON customer_no = n
        """
    )
    (part,) = (await couponry("status", "--json")).json()["deliveries"]
    assert 90 <= part.pop("overdue_seconds") < 150
    assert part == {
        "partner_id": partner_id, "pending": 3, "held": 1, "failing": 1, "error": "status 503", "dead": 1,
        "dead_error": "status 404",
    }  # fmt: skip
    shown = (await couponry("status")).out
    assert f"deliveries of partner {partner_id}" in shown
    assert "3 to be told, 1 held, 1 given up within a day" in shown
    assert ", and no webhooks process connected: start `couponry webhooks`" in shown
