"""A batch that unpacks to a gigabyte, or to nothing, on a real topic: letters without bytes, and all goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from schemas.topics import GAME_COMPLETED
from services.fetching.batches import MOST_RECORDS
from services.fetching.unpacking import GZIP, ZSTD
from services.runtime.settings import Settings
from tests.stand.batches import batch, packed, produce, record, zeros
from tests.stand.commands import Command
from tests.stand.feed import feed, finished
from tests.stand.issuing import a_game, letters, outcomes
from tests.stand.processes import ServiceProcess, issuer
from tests.stand.records import completed

BYTES_EACH = 240 * 1024 * 1024
"""Four of these are what gzip makes the megabyte of that a broker takes."""
MOST_HELD_MB = 400


def peak_mb(process: ServiceProcess) -> int:
    """The most memory that a process has held so far."""
    status = Path(f"/proc/{process.process.pid}/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


@pytest.mark.parametrize("codec", [GZIP, ZSTD], ids=["gzip", "zstd"])
async def test_batch_that_unpacks_to_a_gigabyte_costs_only_its_own_records(
    topics: Settings,
    database: asyncpg.Connection,
    partner_id: int,
    couponry: Command,
    codec: int,
) -> None:
    """The issuer's memory stays bounded, neighbours are decided, each lost record is a letter, and others read on."""
    game = await a_game(database, partner_id)
    await feed(topics, [completed("before", "anna", partner_id=partner_id, game_id=game)], 0)
    bomb = batch(codec, packed(codec, zeros(4, BYTES_EACH)), 4)
    assert await produce(topics, GAME_COMPLETED, bomb) == 1
    await feed(topics, [completed("behind", "jonas", partner_id=partner_id, game_id=game)], 0)
    async with issuer(topics) as running:
        await finished(topics)
        assert peak_mb(running) < MOST_HELD_MB
        (line,) = [one for one in running.lines if "dead letter" in one]
        assert "4 dead letter(s) at stage decode" in line

    assert await outcomes(database) == [("before", "issued", None), ("behind", "issued", None)]
    found = await letters(database)
    assert [(row["offset"], row["stage"], row["key"], row["value"]) for row in found] == [
        (offset, "decode", None, None) for offset in range(1, 5)
    ]
    assert all("offsets 1 to 4) unpacks to more than 64 MiB" in row["message"] for row in found)

    verified: Any = (await couponry("verify", "--json")).json()
    assert (verified["ok"], verified["violations"]) == (True, [])
    replay = ("replay", "--topic", GAME_COMPLETED, "--from-offset", 0, "--partition", 0, "--json")
    again: Any = (await couponry(*replay)).json()
    assert (again["read"], again["already_decided"], again["dead"]) == (6, 2, 4)
    place = f"{topics.topic(GAME_COMPLETED)}:0:3"
    assert (await couponry("explain", "--json", place)).json()["reason"] == "decode"
    assert (await couponry("dead-letters", "redrive", "--json", "--filter", "stage=decode")).json()
    assert [row["message"] for row in await letters(database)] == [row["message"] for row in found]


async def test_batch_of_a_million_records_is_one_letter(
    topics: Settings, database: asyncpg.Connection, partner_id: int, couponry: Command
) -> None:
    """It names them, reading goes on behind the last, and nothing counts as waiting."""
    game = await a_game(database, partner_id)
    records = 20 * MOST_RECORDS
    value = bytes(4_000)
    body = packed(ZSTD, [b"".join(record(delta, value) for delta in range(records))])
    assert await produce(topics, GAME_COMPLETED, batch(ZSTD, body, records)) == 0
    await feed(topics, [completed("behind", "anna", partner_id=partner_id, game_id=game)], 0)
    # Redis need not answer in a quarter of a second beside other tests: that would be a warning too.
    async with issuer(topics.model_copy(update={"lock_wait_ms": 2_000})) as running:
        await finished(topics)
        assert await running.warnings() == {}
    (letter,) = await letters(database)
    assert letter["offset"] == records - 1
    assert f"{records} records from offset 0 on, of which this is the last" in letter["message"]
    assert await outcomes(database) == [("behind", "issued", None)]
    assert (await couponry("verify", "--json")).json()["ok"]
    status: Any = (await couponry("status", "--json")).json()
    assert status["total_lag"] == 0
