"""Reading the outbox: bounded, without gaps, and without crawling over what was deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.relay import leadership
from services.relay.outbox import BATCH_BYTES, Floor, Outbox, open_outbox
from services.runtime.settings import Settings
from tests.relay.stand import is_drained, published, queue, serving
from tests.stand.database import connected
from tests.stand.waiting import eventually

TIMEOUT_SECONDS = 5.0


@pytest.fixture
async def outbox(settings: Settings) -> AsyncIterator[Outbox]:
    """The relay's connection to the outbox."""
    async with open_outbox(settings) as opened:
        yield opened


@pytest.fixture
async def connection(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """An issuer's connection."""
    async with connected(settings) as opened:
        yield opened


async def test_read_is_bounded_in_rows_and_bytes(
    outbox: Outbox, connection: asyncpg.Connection, settings: Settings
) -> None:
    """At most the setting's rows, and no row after the one that reaches the bytes."""
    await queue(connection, map(str, range(3000)))
    assert len((await outbox.read(0)).rows) == settings.relay_batch_records
    await connection.execute("DELETE FROM outbox")
    third = BATCH_BYTES // 3 + 1
    await queue(connection, map(str, range(9)), value="x" * third)
    rows = (await outbox.read(0)).rows
    assert [row["ce_id"] for row in rows] == ["0", "1", "2"]


async def test_read_leaves_out_refused_rows_and_topics_on_hold(
    outbox: Outbox, connection: asyncpg.Connection
) -> None:
    """What is set aside or held does not come up again, and what comes after it does."""
    await queue(connection, ["held"], topic="elsewhere")
    await queue(connection, ["refused", "free"])
    refused = (await outbox.read(0, ["elsewhere"])).rows[0]["id"]
    await outbox.refuse({refused: "too large"})
    assert [row["ce_id"] for row in (await outbox.read(0, ["elsewhere"])).rows] == ["free"]


async def test_delete_takes_exactly_what_was_read(
    outbox: Outbox, connection: asyncpg.Connection, settings: Settings
) -> None:
    """A lower id that commits between the read and the deletion stays, and is read next."""
    async with connected(settings) as slow:
        transaction = slow.transaction()
        await transaction.start()
        await queue(slow, ["late"])
        await queue(connection, ["early"])
        early = (await outbox.read(0)).rows
        await transaction.commit()
        await outbox.delete([row["id"] for row in early])
    assert [row["ce_id"] for row in early] == ["early"]
    assert [row["ce_id"] for row in (await outbox.read(0)).rows] == ["late"]


async def test_floor_rises_past_deleted_rows(
    outbox: Outbox, connection: asyncpg.Connection
) -> None:
    """After a few steps it stands at the first row that waits, and past the last when none does."""
    floor = Floor()
    await queue(connection, map(str, range(10)))
    rows = (await outbox.read(0)).rows
    await outbox.delete([row["id"] for row in rows[:7]])
    await _steps(floor, connection)
    assert floor.id == rows[7]["id"]
    await outbox.delete([row["id"] for row in rows])
    await _steps(floor, connection)
    assert floor.id == rows[-1]["id"] + 1


async def test_floor_waits_for_transactions_that_hold_lower_ids(
    outbox: Outbox, connection: asyncpg.Connection, settings: Settings
) -> None:
    """A lower id that commits after higher ones were published and deleted is still read."""
    floor = Floor()
    async with connected(settings) as slow:
        transaction = slow.transaction()
        await transaction.start()
        await queue(slow, ["late"])
        await queue(connection, ["early"])
        await outbox.delete([row["id"] for row in (await outbox.read(0)).rows])
        await _steps(floor, connection)
        assert floor.id <= 1
        await transaction.commit()
    await _steps(floor, connection)
    assert [row["ce_id"] for row in (await outbox.read(floor.id)).rows] == ["late"]


async def test_floor_finds_a_row_that_was_put_back_by_hand(
    outbox: Outbox, connection: asyncpg.Connection
) -> None:
    """An operator clears `refused` of a row that lies below the floor."""
    floor = Floor()
    await queue(connection, ["refused", "published"])
    refused, sent = (row["id"] for row in (await outbox.read(0)).rows)
    await outbox.refuse({refused: "too large"})
    await outbox.delete([sent])
    await _steps(floor, connection)
    assert floor.id > sent
    await connection.execute("UPDATE outbox SET refused = NULL")
    await _steps(floor, connection, Floor.LOOKS_FROM_ZERO_EVERY + 1)
    assert floor.id == refused


async def _steps(floor: Floor, connection: asyncpg.Connection, number: int = 3) -> None:
    for _ in range(number):
        await floor.rise(connection, TIMEOUT_SECONDS)


async def test_row_that_commits_long_after_later_ones_is_published(
    topics: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same through a whole relay, whose floor would rise fifty times a second."""
    monkeypatch.setattr(leadership, "HEARTBEAT_SECONDS", 0.02)
    async with connected(topics) as connection, connected(topics) as slow, serving(topics):
        async with slow.transaction():
            await queue(slow, ["late"])
            for number in range(50):
                await queue(connection, [f"early {number}"], key="another")
                await connection.execute("NOTIFY couponry_outbox")
                await eventually(lambda: is_drained(connection))
        await eventually(lambda: is_drained(connection))
    assert len(await published(topics)) == 51
