"""Replay on real servers: what it finds, what it decides anew, what it leaves alone, and how it goes on after a kill."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from schemas.topics import GAME_COMPLETED
from services.adapters.kafka import client_options
from services.adapters.postgres.pool import connect
from services.adapters.records import group_offsets
from services.repair.replay.run import LiveTraffic
from services.runtime.settings import Settings
from services.terminal.pace import Pace
from tests.stand.commands import Command, CommandOn, run_process
from tests.stand.feed import feed
from tests.stand.issuing import a_game, a_partner
from tests.stand.records import again, completed, poison
from tests.stand.waiting import eventually
from tests.stand.world import World

EMPTY = "TRUNCATE decisions, coupons, coupon_history, outbox, dead_letters, customers, dead_letter_actions"
CONTENTS = ("decisions", "coupons", "coupon_history", "outbox", "dead_letters", "customers")
OUTCOMES = ("newly_issued", "newly_declined", "newly_recorded", "already_decided", "dead")


async def contents(settings: Settings) -> list[list[asyncpg.Record]]:
    """Every row of the tables that deciding writes to."""
    connection = await connect(settings, "test")
    found = [await connection.fetch(f"SELECT * FROM {name} ORDER BY 1, 2") for name in CONTENTS]
    await connection.close()
    return found


async def emptied(settings: Settings) -> Settings:
    """The same database as if nothing had ever been decided."""
    owner = await connect(settings, "test", role=None)
    await owner.execute(EMPTY)
    await owner.close()
    return settings


async def answers(settings: Settings) -> list[tuple[Any, ...]]:
    """What was decided of each event."""
    connection = await connect(settings, "test")
    query = 'SELECT event_id, event_source, outcome, reason, topic, partition, "offset" FROM decisions ORDER BY 1, 2'
    found = [tuple(row) for row in await connection.fetch(query)]
    await connection.close()
    return found


async def test_replay_of_what_is_decided_changes_nothing(
    copied: Settings, couponry_on: CommandOn
) -> None:
    """Read = already decided + dead; not a row differs, nothing is queued, the group stays where it is."""
    before = await contents(copied), await group_offsets(copied, copied.consumer_group)
    result = await couponry_on(copied)("replay", "--topic", GAME_COMPLETED, "--json")
    report = result.json()
    assert report["read"] == report["already_decided"] + report["dead"] > 30
    assert report["dead"] == 3
    assert {report[name] for name in (*OUTCOMES[:3], "new_coupons", "new_messages")} == {0}
    assert report["new_dead_letters"] == 0
    assert report["unchanged"].startswith("0 new coupons, 0 new messages.")
    assert (report["missing"], report["dry_run"]) == ([], False)
    assert (await contents(copied), await group_offsets(copied, copied.consumer_group)) == before


async def test_replay_decides_what_is_new_as_its_dry_run_said(
    world: World, copied: Settings, couponry_on: CommandOn
) -> None:
    """From an empty database: the dry run writes nothing, the run agrees with it, and with what was decided live."""
    settings = await emptied(copied)
    couponry = couponry_on(settings)
    topic = settings.topic(GAME_COMPLETED)  # the prefixed name will do, too
    foretold = (await couponry("replay", "--topic", topic, "--dry-run", "--json")).json()
    assert not any(await contents(settings))
    assert (await couponry("replay", "--topic", topic, "--resume")).code == 2

    report = (await couponry("replay", "--topic", topic, "--json", "--reason", "restored")).json()
    assert report["read"] == sum(report[name] for name in OUTCOMES)
    assert report["declined"] == {
        "active_coupon_exists": 5, "game_not_found": 1, "result_lost": 1,
    }  # fmt: skip
    own = {"dry_run", "operation", "resumed", "unchanged"}
    assert {k: v for k, v in report.items() if k not in own} == {
        k: v for k, v in foretold.items() if k not in own
    }
    assert foretold["unchanged"].startswith("Nothing was written.")
    assert await answers(settings) == await answers(world.settings)
    connection = await connect(settings, "test")
    assert await connection.fetchval("SELECT count(*) FROM outbox") == report["new_messages"]
    assert await connection.fetchval("SELECT count(*) FROM coupons") == report["new_coupons"]
    assert await connection.fetchval("SELECT reason FROM operations") == "restored"
    await connection.close()
    told = (await couponry("replay", "--topic", topic)).out
    assert f"already decided   {report['read'] - 3}" in told


async def test_replay_reads_the_range_it_is_told(copied: Settings, couponry_on: CommandOn) -> None:
    """Partitions, offsets and arrival times, the end of each not included."""
    couponry = couponry_on(copied)

    async def read(*options: object) -> int:
        result = await couponry(
            "replay", "--topic", GAME_COMPLETED, "--dry-run", "--json", *options
        )
        return int(result.json()["read"])

    everything = await read()
    by_partition = [await read("--partition", number) for number in range(4)]
    assert sum(by_partition) == everything
    assert await read("--partition", 0, "--partition", 1) == sum(by_partition[:2])
    longest = max(range(4), key=lambda number: by_partition[number])
    assert await read("--partition", longest, "--from-offset", 2, "--to-offset", 5) == 3
    assert await read("--partition", longest, "--from-offset", 10**6) == 0

    connection = await connect(copied, "test")
    decided = await connection.fetchval("SELECT min(decided_at) FROM decisions")
    await connection.close()
    start, end = (decided + timedelta(minutes=minutes) for minutes in (-60, 60))
    assert await read("--from", start.isoformat(), "--to", end.isoformat()) == everything
    assert await read("--to", start.isoformat()) == 0
    assert await read("--from", end.isoformat()) == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ((), "--topic"),
        (("--topic", "coupon-issued"), "coupon-issued"),
        (("--topic", "frobnicate"), "game-completed or orders"),
        (("--topic", GAME_COMPLETED, "--from", "yesterday"), "RFC 3339"),
        (("--topic", GAME_COMPLETED, "--from", "2026-05-01T09:30:00"), "RFC 3339"),
        (
            (
                "--topic",
                GAME_COMPLETED,
                "--from",
                "2026-05-02T00:00:00Z",
                "--to",
                "2026-05-01T00:00:00Z",
            ),
            "--from",
        ),
        (("--topic", GAME_COMPLETED, "--partition", "4"), "partitions 0 to 3"),
        (("--topic", GAME_COMPLETED, "--from-offset", "1"), "one --partition"),
        (("--topic", GAME_COMPLETED, "--rate", "-1"), "--rate"),
        (("--resume",), "interrupted"),
        (("--resume", "--partition", "1"), "--topic"),
        (("--topic", GAME_COMPLETED, "--resume", "--dry-run"), "--resume"),
    ],
)
async def test_replay_refuses_in_one_line(
    copied: Settings, couponry_on: CommandOn, options: Sequence[str], named: str
) -> None:
    """A topic, a time, a partition or options that make no sense: exit 2, and what is wrong."""
    result = await couponry_on(copied)("replay", *options)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert named in result.err


async def committed(settings: Settings, offsets: Mapping[int, int]) -> None:
    """As if the live group had come so far in the partitions, and then stopped."""
    topic = settings.topic(GAME_COMPLETED)
    group = {"group_id": settings.consumer_group, "enable_auto_commit": False}
    async with AIOKafkaConsumer(**client_options(settings), **group) as consumer:
        consumer.assign([TopicPartition(topic, partition) for partition in offsets])
        await consumer.commit({TopicPartition(topic, n): at for n, at in offsets.items()})


async def test_replay_decides_nothing_before_the_live_group_does(
    topics: Settings, couponry: Command
) -> None:
    """It ends where the group stands, also where that is not yet begun; the rest is named, and read when asked for."""
    await feed(topics, poison(6), partition=1)
    await feed(topics, poison(3), partition=2)
    await committed(topics, {1: 4})
    arguments = ("replay", "--topic", GAME_COMPLETED, "--json")
    for more, read in (
        (("--dry-run",), 4),
        ((), 4),
        (("--partition", "1", "--from-offset", "2"), 2),
        (("--partition", "1", "--from-offset", "5"), 0),
    ):
        result = await couponry(*arguments, *more)
        assert result.json()["read"] == read, more
        assert result.json()["left_to_live"][0] == {
            "partition": 1, "from_offset": 4 if read else 5, "to_offset": 6,
        }  # fmt: skip
        assert "to before 6 are left to the live group" in result.err
    result = await couponry(*arguments, "--partition", "2")
    assert (result.json()["read"], len(result.json()["left_to_live"])) == (0, 1)
    inside = await couponry(
        *arguments, "--partition", "1", "--from-offset", "1", "--to-offset", "4"
    )
    assert (inside.json()["read"], inside.json()["left_to_live"]) == (3, [])

    report = (await couponry(*arguments, "--beyond-live")).json()
    assert (report["read"], report["left_to_live"]) == (9, [])


async def test_replay_says_what_the_topic_keeps_no_more(
    topics: Settings, couponry: Command
) -> None:
    """Records that retention took away are named by offset and time, and the rest is read."""
    start = datetime.now(UTC) - timedelta(hours=1)
    await feed(topics, poison(10), partition=2)
    admin = AIOKafkaAdminClient(**client_options(topics))
    await admin.start()
    partition = TopicPartition(topics.topic(GAME_COMPLETED), 2)
    await admin.delete_records({partition: RecordsToDelete(before_offset=4)})
    await admin.close()
    arguments = ("replay", "--topic", GAME_COMPLETED, "--dry-run", "--json")

    result = await couponry(*arguments)
    (gap,) = result.json()["missing"]
    assert gap | {"to": None} == {
        "partition": 2, "from_offset": 0, "to_offset": 4, "from": None, "to": None,
    }  # fmt: skip
    assert "partition 2: offsets from 0 to before 4 are no longer kept" in result.err
    assert (result.json()["read"], result.json()["new_dead_letters"]) == (6, 6)

    (gap,) = (await couponry(*arguments, "--from", start.isoformat())).json()["missing"]
    assert gap["from"] == start.isoformat(timespec="microseconds")[:-6] + "Z"
    assert (gap["from_offset"], gap["to_offset"]) == (None, 4)
    assert start.isoformat() < gap["to"]
    (gap,) = (
        await couponry(*arguments, "--partition", 2, "--from-offset", 1, "--to-offset", 3)
    ).json()["missing"]
    assert (gap["from_offset"], gap["to_offset"]) == (1, 3)
    for options in (
        ("--from", gap["to"]),
        ("--partition", 2, "--from-offset", 4),
        ("--partition", 1),
    ):
        assert (await couponry(*arguments, *options)).json()["missing"] == [], options


async def test_replay_goes_on_after_a_kill_and_counts_every_record_once(
    topics: Settings, couponry: Command
) -> None:
    """Killed after a commit, resumed and killed again, resumed: each event is decided once, and the report is whole."""
    connection = await connect(topics, "test")
    partner_id = await a_partner(connection)
    game_id = await a_game(connection, partner_id, allow_multiple_active_coupons=True)
    events = [
        completed(f"e-{n}", f"c-{n % 7}", partner_id=partner_id, game_id=game_id)
        for n in range(120)
    ]
    await feed(topics, [*events, *poison(5), *(again(event) for event in events[::10])])
    crash = {"COUPONRY_ALLOW_CRASH_POINTS": "1", "COUPONRY_BATCH_MAX_RECORDS": "15"}
    arguments = ("replay", "--topic", GAME_COMPLETED, "--json", "--rate", "0")
    for point, more in (("issuer.after_commit:3", ()), ("issuer.after_record:2", ("--resume",))):
        result = run_process(topics, *arguments, *more, COUPONRY_CRASH_AT=point, **crash)
        assert result.code == -signal.SIGKILL, result.err

    report = (await couponry("replay", "--resume", "--json")).json()
    assert report["resumed"]
    assert report | {"missing": [], "unchanged": "", "topic": "", "operation": 0} == {
        "left_to_live": [],
        "read": 137, "already_decided": 12, "newly_issued": 120, "newly_declined": 0,
        "newly_recorded": 0, "dead": 5, "passed_over": 0, "dry_run": False, "declined": {}, "new_coupons": 120,
        "new_messages": 125, "new_dead_letters": 5, "missing": [], "unchanged": "", "topic": "",
        "operation": 0, "resumed": True,
    }  # fmt: skip
    assert await connection.fetchval("SELECT count(*) FROM decisions") == 120
    assert await connection.fetchval("SELECT count(*) FROM operations") == 1
    assert (await couponry("replay", "--resume")).code == 2
    await connection.close()


async def test_replay_closes_the_letter_of_an_event_it_decides(
    topics: Settings, couponry_on: CommandOn
) -> None:
    """An event from the future dies, and is decided when its time has come; explain shows both."""
    connection = await connect(topics, "test")
    partner_id = await a_partner(connection)
    game_id = await a_game(connection, partner_id)
    at = datetime.now(UTC) + timedelta(hours=1)
    await feed(topics, [completed("early", partner_id=partner_id, game_id=game_id, at=at)])
    arguments = ("replay", "--topic", GAME_COMPLETED, "--json")
    assert (await couponry_on(topics)(*arguments)).json()["new_dead_letters"] == 1

    later = topics.model_copy(update={"allow_test_clock": True, "clock_offset_seconds": 7200})
    couponry = couponry_on(later)
    assert (await couponry(*arguments, "--dry-run")).json()["newly_issued"] == 1
    assert (await couponry(*arguments)).json()["newly_issued"] == 1
    answer = (await couponry("explain", "early", "--json")).json()
    assert answer["outcome"] == "issued"
    assert [(one["stage"], one["state"]) for one in answer["dead_letters"]] == [("time", "decided")]
    await connection.close()


async def test_pace_keeps_to_its_rate_and_makes_no_bursts() -> None:
    """So many a second on average, and after a break no more than a moment's worth at once."""
    pace = Pace(500)
    for _ in range(2):
        began = time.monotonic()
        for _ in range(20):
            await pace.take(10)
        assert time.monotonic() - began >= 0.15
        await asyncio.sleep(0.5)  # the break itself
    pace.per_second = None
    began = time.monotonic()
    await pace.take(10**9)
    await pace.take(10**9)
    assert time.monotonic() - began < 10


async def test_live_traffic_is_told_from_the_replays_own(settings: Settings) -> None:
    """Somebody is assumed to be at work until a second has shown otherwise; one's own decisions do not count."""
    connection = await connect(settings, "test")
    live = LiveTraffic(connection)

    async def decide(count: int) -> None:
        for _ in range(count):
            await connection.fetchval("SELECT nextval('decisions_seq_seq')")

    async def is_alone() -> bool:
        return not await live.is_there(5)

    await decide(1)
    assert await live.is_there(0)
    await decide(5)
    await eventually(is_alone, "the replay's own five do not count")
    await decide(1)
    await eventually(lambda: live.is_there(5), "somebody else has decided")
    await connection.close()
