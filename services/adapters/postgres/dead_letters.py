"""Dead letters: kept when a record cannot be decided; found by filters, read whole, closed with a trace."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import asyncpg

from services.adapters.event_keys import event_key
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.domain.events import Position
from services.domain.letters import DeadLetter

STATES = ("open", "decided", "already_decided", "discarded")

_SQL = queries("dead_letters")

MAX_TIMESTAMP_MS = 253_402_300_799_000
"""The last second of the year 9999: later ones no `datetime` can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which letters: of each field any of the values, None is no filter; made from `from_at` on and before `to_at`."""

    ids: Sequence[int] | None = None
    topics: Sequence[str] | None = None
    partitions: Sequence[int] | None = None
    offsets: Sequence[int] | None = None
    stages: Sequence[str] | None = None
    states: Sequence[str] | None = None
    exceptions: Sequence[str] | None = None
    event_ids: Sequence[str] | None = None
    messages: Sequence[str] | None = None
    texts: Sequence[str] | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


async def page(
    connection: Connection,
    selection: Selection,
    *,
    after: int,
    limit: int,
    not_by: int | None = None,
) -> list[asyncpg.Record]:
    """The next letters with ids above `after`, without their bytes; `not_by`: without those of this operation."""
    return await connection.fetch(
        _SQL["page"],
        after,
        limit,
        selection.ids,
        selection.topics,
        selection.partitions,
        selection.offsets,
        selection.stages,
        selection.states,
        selection.exceptions,
        selection.event_ids,
        selection.messages,
        selection.texts,
        selection.from_at,
        selection.to_at,
        not_by,
    )


async def whole(connection: Connection, ids: Collection[int]) -> list[asyncpg.Record]:
    """These letters with their bytes, by id."""
    return await connection.fetch(_SQL["whole"], list(ids))


async def at_position(
    connection: Connection, topics: Collection[str], partition: int, offset: int
) -> int | None:
    """The number of the letter of a record, whose topic has one of these names."""
    found: int | None = await connection.fetchval(
        _SQL["at_position"], list(topics), partition, offset
    )
    return found


async def close(
    connection: Connection,
    operation_id: int,
    ids: Collection[int],
    state: str,
    *,
    tried: bool = False,
) -> int:
    """Move letters to a final state; `tried`: they went through the pipeline. Returns how many that changed."""
    return len(await connection.fetch(_SQL["close"], operation_id, sorted(ids), state, int(tried)))


async def died_again(
    connection: Connection, operation_id: int, letters: dict[int, DeadLetter]
) -> int:
    """Count another try of these letters, by id, which stay open. Returns how many that counted."""
    ids = sorted(letters)
    rows = await connection.fetch(
        _SQL["died_again"],
        operation_id,
        ids,
        [letters[id_].stage for id_ in ids],
        [letters[id_].exception for id_ in ids],
        [letters[id_].message for id_ in ids],
    )
    return len(rows)


async def decided_meanwhile(connection: Connection, letters: Iterable[asyncpg.Record]) -> set[int]:
    """The numbers of those letters (with `id`, `event_id`, `event_source`) whose event has a decision by now."""
    by_event: dict[tuple[str, str], set[int]] = {}
    for row in letters:
        if row["event_id"] is not None and row["event_source"] is not None:
            by_event.setdefault((row["event_id"], row["event_source"]), set()).add(row["id"])
    keys = [event_key(source, event_id) for event_id, source in by_event]
    decided = await connection.fetch(_SQL["decided_events"], keys)
    return {
        id_ for row in decided for id_ in by_event.get((row["event_id"], row["event_source"]), ())
    }


async def actions(connection: Connection, id_: int) -> list[dict[str, Any]]:
    """What was done about a letter so far."""
    return [dict(row) for row in await connection.fetch(_SQL["actions"], id_)]


async def open_letters_before(
    connection: Connection, firsts: Mapping[tuple[str, int], int], window_records: int
) -> dict[tuple[str, int], int]:
    """Per (topic, partition): open dead letters among the records just before that offset."""
    rows = await connection.fetch(
        _SQL["open_letters_before"],
        [topic for topic, _ in firsts],
        [partition for _, partition in firsts],
        list(firsts.values()),
        window_records,
    )
    return {(row["topic"], row["partition"]): row["open"] for row in rows}


class LetterRow(NamedTuple):
    """A row of `dead_letters` as it begins. Fields as in the query `bury`."""

    topic: str
    partition: int
    offset: int
    record_time: datetime
    stage: str
    exception: str
    message: str
    key: bytes | None
    value: bytes | None
    event_id: str | None
    event_source: str | None
    event_type: str | None
    header_names: list[str]
    header_values: list[bytes | None]


async def bury(connection: Connection, letter: DeadLetter) -> int | None:
    """Keep a dead letter; its number, or None if the record has one already.

    One of another record at its place is of a topic that was made anew since: it gives way, under a name that says so.
    """
    row = LetterRow(
        topic=letter.position.topic,
        partition=letter.position.partition,
        offset=letter.position.offset,
        record_time=_record_time(letter.timestamp_ms),
        stage=letter.stage,
        exception=letter.exception,
        message=letter.message,
        key=letter.key,
        value=letter.value,
        event_id=letter.event_id,
        event_source=letter.event_source,
        event_type=letter.event_type,
        header_names=[name for name, _ in letter.headers],
        header_values=[value for _, value in letter.headers],
    )
    number: int | None = await connection.fetchval(_SQL["bury"], *row)
    if number is None and await connection.fetchval(
        _SQL["give_way"],
        row.topic, row.partition, row.offset, row.record_time, row.key, row.value,
    ):  # fmt: skip
        number = await connection.fetchval(_SQL["bury"], *row)
    return number


def topic_name(stored: str) -> str:
    """The name of the topic of a letter, also of one that was made anew since."""
    return stored.partition("#")[0]


def position_of(row: asyncpg.Record) -> Position:
    """Where the record of a letter, or of a decision, was read."""
    return Position(topic=row["topic"], partition=row["partition"], offset=row["offset"])


def _record_time(timestamp_ms: int) -> datetime:
    """A record's own time. A topic that takes the producer's word for it may carry any number."""
    return datetime.fromtimestamp(min(max(timestamp_ms, 0), MAX_TIMESTAMP_MS) / 1000, UTC)
