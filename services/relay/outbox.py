"""The relay's side of the outbox table: read the oldest rows, delete exactly those, set refused ones aside."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple, cast
from uuid import UUID

import asyncpg

from services.adapters.postgres.dead_letters import topic_name
from services.adapters.postgres.pool import connect
from services.adapters.postgres.queries import queries
from services.relay import metrics
from services.relay.progress import name_of
from services.runtime.settings import Settings

SQL = queries("relay", __package__)

BATCH_BYTES = 8 * 1024 * 1024
"""A batch ends with the row that reaches this; rows may have 4 MiB each, and are held three times over."""


log = logging.getLogger(__name__)


PLANNING = {"enable_seqscan": "off", "enable_bitmapscan": "off"}
"""Server settings: always by the primary key, in its order. A plan made while the outbox is empty stays in use when
it has a million rows, and then one read must not sort them all; nor count on a table that is mostly dead rows."""


class WaitingRow(NamedTuple):
    """What the query `next_rows` reads, in the order of its columns: an event, or the number of a dead letter.

    `ce_time` is in microseconds since 2000, as Postgres sends it: making a datetime of each took longer than the
    rest of the row, and most rows of a batch share theirs.
    """

    id: int
    topic: str
    ce_type: str | None
    ce_id: str | None
    subject: str | None
    key: str | None
    value: str | None
    ce_time: int | None
    dead_letter_id: int | None
    republished: bool | None
    traceparent: str | None
    source: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter as it is published: the original bytes, and the original headers with the reason added.

    `place` is where its record stood, as `topic:partition:offset`.
    """

    place: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows in the order of their ids, and the letters they name, by id."""

    rows: Sequence[asyncpg.Record]
    letters: Mapping[int, Letter]
    is_all: bool
    """Nothing else waited when this was read. False means that it is not known."""

    def __post_init__(self) -> None:
        if self.rows:
            assert tuple(self.rows[0].keys()) == WaitingRow._fields

    def to_unpack(self) -> Iterable[WaitingRow]:
        """The rows, to be unpacked and nothing else.

        Records with the columns of a WaitingRow unpack as one; making a tuple of each cost a tenth of packing it.
        """
        return cast("Iterable[WaitingRow]", self.rows)


class Outbox:
    """Owns the connection that reads and deletes. Every call raises what an outage of Postgres raises."""

    def __init__(self, connection: asyncpg.Connection, settings: Settings) -> None:
        self._connection = connection
        self._max_rows = settings.relay_batch_records
        self._timeout_seconds = settings.statement_timeout_ms / 1000 + 5

    async def database_id(self) -> UUID:
        """The identity of this database."""
        found = await self._connection.fetchval(SQL["database_id"], timeout=self._timeout_seconds)
        return UUID(str(found))

    async def read(
        self, floor: int, without: Collection[str] = (), max_rows: int | None = None
    ) -> Batch:
        """The oldest rows with ids from `floor` on, except those of the topics `without`.

        As many as the settings say, or fewer, `max_rows`; see also BATCH_BYTES.
        """
        with metrics.step("read"):
            limit = min(max_rows or self._max_rows, self._max_rows)
            rows = await self._connection.fetch(
                SQL["next_rows"], floor, list(without), limit, BATCH_BYTES,
                timeout=self._timeout_seconds,
            )  # fmt: skip
            named = [id for row in rows if (id := row["dead_letter_id"]) is not None]
            # At most four bytes a character; letters are not measured.
            is_small = not named and sum(len(row["value"]) for row in rows) * 4 < BATCH_BYTES
            return Batch(
                rows=rows,
                letters=await self._letters(named) if named else {},
                is_all=len(rows) < limit and is_small,
            )

    async def _letters(self, ids: list[int]) -> dict[int, Letter]:
        found = await self._connection.fetch(SQL["letters"], ids, timeout=self._timeout_seconds)
        return {row["id"]: _letter(row) for row in found}

    async def delete(self, ids: Sequence[int]) -> None:
        """Take published rows out; those that are gone already do not matter."""
        with metrics.step("delete"):
            await self._connection.execute(SQL["delete_rows"], ids, timeout=self._timeout_seconds)

    async def delete_published(self, published: Mapping[int, bytes | None]) -> int:
        """Take out what an earlier relay published: rows of these numbers that say what is named. Returns how many."""
        rows = await self._connection.fetch(
            SQL["named_rows"], list(published), timeout=self._timeout_seconds
        )
        ids = [
            row["id"]
            for row in rows
            if (name := published[row["id"]]) is None
            or name == name_of((row["ce_id"] or _place(row)).encode())
        ]
        await self.delete(ids)
        return len(ids)

    async def refuse(self, reasons: Mapping[int, str]) -> None:
        """Set rows aside, each with the reason why Kafka never takes it."""
        for id, reason in reasons.items():
            row = await self._connection.fetchrow(
                SQL["refuse_row"], id, reason, timeout=self._timeout_seconds
            )
            if row is not None:
                log.error(
                    "row %d of %s is set aside: %s", id, row["topic"], reason,
                    extra={} if row["traceparent"] is None else {"traceparent": row["traceparent"]},
                )  # fmt: skip
        metrics.REFUSED.inc(len(reasons))


@asynccontextmanager
async def open_outbox(settings: Settings) -> AsyncIterator[Outbox]:
    """Connect; let go without ceremony, because the server may not be there to say goodbye to."""
    connection = await connect(settings, "couponry-relay", **PLANNING)
    try:
        await connection.set_type_codec(
            "timestamptz", schema="pg_catalog", format="tuple", encoder=tuple, decoder=itemgetter(0)
        )
        yield Outbox(connection, settings)
    finally:
        connection.terminate()


def _place(row: Any) -> str:
    return f"{topic_name(row['topic'])}:{row['partition']}:{row['offset']}"


def _letter(row: Any) -> Letter:
    added = (
        ("topic", topic_name(row["topic"])),
        ("partition", row["partition"]),
        ("offset", row["offset"]),
        ("stage", row["stage"]),
        ("exception.class.name", row["exception"]),
        ("exception.message", row["message"]),
    )
    return Letter(
        place=_place(row),
        key=row["key"],
        value=row["value"],
        headers=[
            *zip(row["header_names"], row["header_values"], strict=True),
            *((f"__connect.errors.{name}", str(value).encode()) for name, value in added),
        ],
    )


class Floor:
    """The id from which reading starts, so that it does not crawl over the index entries of deleted rows.

    Those entries stay until a vacuum, and while any old snapshot is open (a backup, `verify`) each one costs a
    look at the table: a million of them made one read take 0.4 s. The floor may not pass an id that a running
    transaction still holds, and sequences commit out of order. So: remember the last id drawn, then the
    transactions that hold a lock on the table, as whoever has drawn an id does; when all of them have ended, the
    remembered id and every one below it is visible or void, and the floor may rise to the lowest that waits.
    Now and then it is looked up from zero: then a row that somebody put back by hand is found as well.
    """

    LOOKS_FROM_ZERO_EVERY = 20

    def __init__(self) -> None:
        self.id = 0
        self._remembered = 0
        self._writers: frozenset[str] | None = None
        self._looks = 0

    async def rise(self, connection: asyncpg.Connection, timeout_seconds: float) -> None:
        """One step; call it every few seconds. Uses the connection up to three times."""
        writers = await self._current_writers(connection, timeout_seconds)
        if self._writers is not None and not self._writers & writers:
            start = self.id if self._looks % self.LOOKS_FROM_ZERO_EVERY else 0
            lowest = await connection.fetchval(
                SQL["lowest_waiting"], start, timeout=timeout_seconds
            )
            self.id = min(lowest or self._remembered + 1, self._remembered + 1)
            self._looks += 1
            self._writers = None
        if self._writers is None:
            self._remembered = await connection.fetchval(SQL["last_id"], timeout=timeout_seconds)
            self._writers = await self._current_writers(connection, timeout_seconds)

    @staticmethod
    async def _current_writers(
        connection: asyncpg.Connection, timeout_seconds: float
    ) -> frozenset[str]:
        found: Iterable[Any] = await connection.fetch(SQL["writers"], timeout=timeout_seconds)
        return frozenset(row["virtualtransaction"] for row in found)
