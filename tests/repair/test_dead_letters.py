"""Dead letters on real servers: found, explained, tried again once each whatever is killed, given up with a trace."""

from __future__ import annotations

import base64
import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.adapters.postgres.clock import OWN_CLOCK
from services.runtime.settings import Settings
from services.sweeper.retention import forget_once
from tests.stand.commands import Command, CommandOn, Process, run_process
from tests.stand.records import completed, headers, raw

KEYS = [
    "id",
    "topic",
    "partition",
    "offset",
    "stage",
    "exception",
    "message",
    "created_at",
    "state",
]
FUTURE = timedelta(hours=1)


@pytest.fixture
def later(settings: Settings, couponry_on: CommandOn) -> Command:
    """Commands at a time when events from the future have come."""
    return couponry_on(at_last(settings))


def at_last(settings: Settings) -> Settings:
    """Two hours on."""
    return settings.model_copy(update={"allow_test_clock": True, "clock_offset_seconds": 7200})


def early(event_id: str, game: dict[str, Any]) -> ConsumerRecord:
    """An event from the future: good, but not yet."""
    return completed(event_id, at=datetime.now(UTC) + FUTURE, **game)


async def kinds(process: Process, game: dict[str, Any]) -> None:
    """Letters 1 to 5: no JSON, wrong data, from the future, no envelope, and one whose event is sent again, mended."""
    for record in (
        raw(headers("broken"), b'{"customer_id": "anna'),
        raw(headers("wrong"), b'{"partner_id": "one"}'),
        early("early", game),
        raw((("trace", bytes(range(128, 256))),), None, partition=3),
        raw(headers("mended"), b"[]"),
        completed("mended", **game),
    ):
        await process([record])


async def rows(database: asyncpg.Connection, columns: str) -> list[tuple[Any, ...]]:
    """Columns of all letters, by id."""
    return [
        tuple(row)
        for row in await database.fetch(f"SELECT {columns} FROM dead_letters ORDER BY id")
    ]


async def test_list_shows_what_the_filters_let_through(
    process: Process, game: dict[str, Any], couponry: Command, database: asyncpg.Connection
) -> None:
    """Oldest first, with the contract's fields; alternatives within a field, every field must hold."""
    await kinds(process, game)
    listed = (await couponry("dead-letters", "list", "--json")).json()
    assert [list(row) for row in listed] == [KEYS] * 5
    assert [row["stage"] for row in listed] == ["decode", "schema", "time", "decode", "schema"]
    assert {row["state"] for row in listed} == {"open"}
    between = await database.fetchval("SELECT max(created_at) FROM dead_letters")
    place = f"{listed[2]['topic']}:{listed[2]['partition']}:{listed[2]['offset']}"
    for filters, expected in (
        (["stage=schema"], [2, 5]),
        (["stage=schema", "stage=time"], [2, 3, 5]),
        (["stage=schema", "event_id=mended"], [5]),
        (["topic=game-completed", "partition=3"], [4]),
        (["topic=orders"], []),
        (["state=open"], [1, 2, 3, 4, 5]),
        (["state=discarded"], []),
        (["exception=ValueError"], [3]),
        (["message=FUTURE"], [3]),
        (["reason=tombstone"], [4]),
        (["text=\"one\""], [2]),
        (["text=tombstone"], [4]),
        ([f"id={place}"], [3]),
        (["id=1", "id=4"], [1, 4]),
        ([f"offset={listed[0]['offset']}"], [1]),
        ([f"from={between.isoformat()}"], [5]),
        ([f"to={between.isoformat()}"], [1, 2, 3, 4]),
    ):  # fmt: skip
        options = [word for one in filters for word in ("--filter", one)]
        found = (await couponry("dead-letters", "list", "--json", *options)).json()
        assert [row["id"] for row in found] == expected, filters
    assert len((await couponry("dead-letters", "list", "--json", "--limit", 2)).json()) == 2
    table = await couponry("dead-letters", "list", "--limit", 2)
    assert "decode" in table.out
    assert "there are more" in table.err


async def test_show_decodes_what_it_can_and_explains_the_error(
    process: Process, game: dict[str, Any], couponry: Command
) -> None:
    """JSON as JSON, text as text, anything else as base64; what it means, and how it would read today."""
    await kinds(process, game)
    broken, wrong, early_, bare, _ = [
        (await couponry("dead-letters", "show", number, "--json")).json() for number in range(1, 6)
    ]
    assert list(broken)[: len(KEYS)] == KEYS
    assert broken["value"] == {"bytes": 21, "text": '{"customer_id": "anna'}
    assert broken["headers"][1] == {"name": "ce_id", "bytes": 6, "text": "broken"}
    assert wrong["value"]["json"] == {"partner_id": "one"}
    assert "the message names the field" in wrong["explained"]
    assert wrong["reads_now"].startswith("schema: data.partner_id")
    assert (early_["reads_now"], early_["attempts"], early_["actions"]) == ("as an event", 1, [])
    assert "producer's clock is ahead" in early_["explained"]
    assert (bare["value"], bare["event_id"]) == (None, None)
    (trace,) = bare["headers"]
    assert base64.b64decode(trace["base64"]) == bytes(range(128, 256))
    place = f"game-completed:{bare['partition']}:{bare['offset']}"
    assert (await couponry("dead-letters", "show", place, "--json")).json() == bare
    told = (await couponry("dead-letters", "show", 2)).out
    assert "header ce_id" in told
    assert '{"partner_id": "one"}' in told


async def test_show_prints_values_that_json_cannot(process: Process, couponry: Command) -> None:
    """Lone surrogates, numbers that are none, endless nesting: shown as text."""
    values = [b'"\\ud800"', b"NaN", b"[" * 100_000, b"", b'{"a": 1e999}']
    await process([raw(headers(f"odd-{n}"), value) for n, value in enumerate(values)])
    for number, value in enumerate(values, start=1):
        shown = (await couponry("dead-letters", "show", number, "--json")).json()["value"]
        assert shown["text"] == value.decode()
        assert "json" not in shown


async def test_redrive_settles_each_letter_by_what_became_of_its_event(
    process: Process, game: dict[str, Any], later: Command, database: asyncpg.Connection
) -> None:
    """Decided now, decided meanwhile, dead again: counted on the same row, with no second record; then nothing is left."""
    await kinds(process, game)
    published = await database.fetchval(
        "SELECT count(*) FROM outbox WHERE dead_letter_id IS NOT NULL"
    )
    before = await rows(database, "*")
    foretold = (await later("dead-letters", "redrive", "--dry-run", "--json")).json()
    assert (
        await rows(database, "*"),
        await database.fetchval("SELECT count(*) FROM operations"),
    ) == (before, 0)

    report = (await later("dead-letters", "redrive", "--json", "--reason", "clock mended")).json()
    assert report | {"operation": 0} == foretold | {
        "dry_run": False,
        "operation": 0,
        "resumed": False,
    }
    assert report | {"operation": 0} == {
        "matched": 5, "decided": 1, "already_decided": 1, "dead": 3, "dry_run": False,
        "newly_issued": 1, "newly_declined": 0, "newly_recorded": 0, "declined": {},
        "operation": 0, "resumed": False,
    }  # fmt: skip
    assert await rows(database, "state, attempts") == [
        ("open", 2), ("open", 2), ("decided", 2), ("open", 2), ("already_decided", 1),
    ]  # fmt: skip
    letters = await database.fetchval(
        "SELECT count(*) FROM outbox WHERE dead_letter_id IS NOT NULL"
    )
    assert letters == published == 5
    answer = (await later("explain", "early", "--json")).json()
    assert (answer["outcome"], answer["dead_letters"][0]["state"]) == ("issued", "decided")

    again = (await later("dead-letters", "redrive", "--json", "--filter", "stage=time")).json()
    assert again["matched"] == 0
    (action,) = (await later("dead-letters", "show", 3, "--json")).json()["actions"]
    assert (action["command"], action["outcome"], action["reason"]) == (
        "redrive",
        "decided",
        "clock mended",
    )


async def test_redrive_tries_what_the_filter_lets_through(
    process: Process, game: dict[str, Any], couponry: Command, database: asyncpg.Connection
) -> None:
    """By filter, by number and by place; an event that is still early stays a letter of the same stage."""
    await kinds(process, game)
    for options in (
        ("--filter", "stage=time"),
        (3,),
        ("--filter", "id=3", "--filter", "stage=schema"),
    ):
        await couponry("dead-letters", "redrive", *options)
    place = await database.fetchval(
        "SELECT topic || ':0:' || \"offset\" FROM dead_letters WHERE id = 3"
    )
    report = (await couponry("dead-letters", "redrive", place, "--json")).json()
    assert (report["matched"], report["dead"]) == (1, 1)
    assert await rows(database, "stage, attempts") == [
        ("decode", 1), ("schema", 1), ("time", 4), ("decode", 1), ("schema", 1),
    ]  # fmt: skip


async def test_redrive_of_an_event_that_died_twice_decides_it_once(
    process: Process, game: dict[str, Any], later: Command, database: asyncpg.Connection
) -> None:
    """Two letters of one event, side by side: one is decided, the other already."""
    first = early("twice", game)
    await process([first, raw(first.headers, first.value)])
    report = (await later("dead-letters", "redrive", "--json")).json()
    assert (report["decided"], report["already_decided"]) == (1, 1)
    assert await rows(database, "state") == [("decided",), ("already_decided",)]


async def test_discard_keeps_the_row_and_says_who_and_why(
    process: Process, game: dict[str, Any], later: Command, database: asyncpg.Connection
) -> None:
    """Discarded letters are left alone by both commands, until one is asked for by its number."""
    await kinds(process, game)
    dry = (
        await later("dead-letters", "discard", "--dry-run", "--json", "--filter", "stage=schema")
    ).json()
    assert (dry["matched"], dry["discarded"]) == (2, 0)
    assert {state for (state,) in await rows(database, "state")} == {"open"}
    done = (
        await later(
            "dead-letters", "discard", 3, "--filter", "stage=time", "--json", "--reason", "not ours"
        )
    ).json()
    assert (done["discarded"], done["dry_run"]) == (1, False)
    assert (await later("dead-letters", "discard", 3)).out == "0 letters discarded\n"
    assert (await later("dead-letters", "redrive", "--filter", "stage=time", "--json")).json()[
        "matched"
    ] == 0
    shown = (await later("dead-letters", "show", 3, "--json")).json()
    assert (shown["state"], shown["actions"][0]["outcome"]) == ("discarded", "discarded")
    assert shown["actions"][0]["reason"] == "not ours"

    assert (await later("dead-letters", "redrive", 3, "--json")).json()["decided"] == 1
    shown = (await later("dead-letters", "show", 3, "--json")).json()
    assert (shown["state"], len(shown["actions"])) == ("decided", 2)
    assert "not ours" in (await later("dead-letters", "show", 3)).out


async def test_letter_whose_bytes_are_gone_is_not_tried_again(
    process: Process,
    game: dict[str, Any],
    later: Command,
    database: asyncpg.Connection,
    settings: Settings,
) -> None:
    """By its id it is refused in one line that says what to do, by a filter passed over; the others are tried."""
    await kinds(process, game)
    await later("dead-letters", "discard", 3, 5)
    await database.execute("DELETE FROM outbox")
    await database.execute(
        "UPDATE dead_letters SET closed_at = now() - interval '91 days' WHERE id = 3"
    )
    await forget_once(database, settings, OWN_CLOCK)

    for words in (("redrive", 3), ("redrive", 3, "--dry-run"), ("redrive", 3, 5)):
        refused = await later("dead-letters", *words)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert "dead letter 3 cannot be tried again" in refused.err
        assert "couponry replay" in refused.err
    assert (await database.fetchval("SELECT count(*) FROM operations")) == 1  # the discard

    tried = await later("dead-letters", "redrive", "--filter", "state=discarded", "--json")
    assert (tried.json()["matched"], tried.json()["already_decided"]) == (1, 1)
    assert "1 letters passed over" in tried.err
    shown = (await later("dead-letters", "show", 3, "--json")).json()
    assert (shown["stage"], shown["event_id"], shown["value"], shown["headers"]) == (
        "time",
        "early",
        None,
        [],
    )
    assert "is gone" in shown["reads_now"]
    assert shown["emptied_at"] > shown["closed_at"]


KILLS = [
    ("issuer.after_record:2", "issuer.after_commit:2"),
    ("redrive.after_decision:2", "redrive.after_portion:3"),
    ("issuer.after_unlock", "redrive.after_decision"),
]


@pytest.mark.parametrize("points", KILLS)
async def test_redrive_killed_twice_handles_each_letter_once(
    process: Process,
    game: dict[str, Any],
    settings: Settings,
    later: Command,
    database: asyncpg.Connection,
    points: Sequence[str],
) -> None:
    """Whatever moment it is killed at, and resumed: one decision per event, one try per letter, and the counts fit."""
    good = [early(f"e-{n}", game) for n in range(90)]
    bad = [raw(headers(f"bad-{n}"), b"no JSON") for n in range(30)]
    meanwhile = [raw(headers(f"m-{n}"), b"{}") for n in range(15)]
    await process(
        [
            one
            for n in range(90)
            for one in (*good[n : n + 1], *bad[n : n + 1], *meanwhile[n : n + 1])
        ]
    )
    await process([completed(f"m-{n}", **game) for n in range(15)])
    crash = {"COUPONRY_ALLOW_CRASH_POINTS": "1", "COUPONRY_BATCH_MAX_RECORDS": "20"}
    for point, more in zip(points, ((), ("--resume",)), strict=True):
        result = run_process(
            at_last(settings), "dead-letters", "redrive", "--rate", "0", *more,
            COUPONRY_CRASH_AT=point, **crash,
        )  # fmt: skip
        assert result.code == -signal.SIGKILL, result.err
    report = (await later("dead-letters", "redrive", "--resume", "--json")).json()

    assert await database.fetchval("SELECT count(*) FROM decisions WHERE event_id LIKE 'e-%'") == 90
    found = await rows(database, "event_id, state, attempts")
    tried = {(id_, state, attempts) for id_, state, attempts in found if id_.startswith("bad")}
    assert tried == {(f"bad-{n}", "open", 2) for n in range(30)}
    assert {state for id_, state, _ in found if id_.startswith("m")} == {"already_decided"}
    decided = [state for id_, state, _ in found if id_.startswith("e")]
    assert set(decided) == {"decided"}
    assert (report["matched"], report["dead"], report["already_decided"]) == (135, 30, 15)
    assert (report["decided"], report["newly_issued"], report["resumed"]) == (90, 90, True)
    assert await database.fetchval("SELECT count(*) FROM dead_letter_actions") == 135
    assert (
        await database.fetchval("SELECT count(*) FROM outbox WHERE dead_letter_id IS NOT NULL")
        == 135
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("list", "--filter", "stage"), "field=value"),
        (("list", "--filter", "colour=red"), "colour=red"),
        (("list", "--filter", "stage=late"), "stage is one of header"),
        (("list", "--filter", "state=gone"), "already_decided"),
        (("list", "--filter", "partition=x"), "number"),
        (("list", "--filter", "from=today"), "RFC 3339"),
        (("list", "--filter", "id=7"), "dead letter 7 does not exist"),
        (("show", "x"), "topic:partition:offset"),
        (("show", "99"), "dead letter 99 does not exist"),
        (("show", "999999999999999999"), "does not exist"),
        (("show", "game-completed:0:99"), "does not exist"),
        (("redrive", "7"), "dead letter 7 does not exist"),
        (("redrive", "--resume"), "interrupted"),
        (("discard", "--resume", "--dry-run"), "--resume"),
        (("discard", "7"), "dead letter 7 does not exist"),
    ],
)
async def test_dead_letters_refuses_in_one_line(
    couponry: Command, arguments: Sequence[str], named: str
) -> None:
    """What is unknown or makes no sense: exit 2, and what is wrong."""
    result = await couponry("dead-letters", *arguments)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert named in result.err
