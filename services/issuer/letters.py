"""Make dead letters: the record as it was, the stage, and one line that says what is wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from aiokafka import ConsumerRecord

from services.adapters.kept_records import storable
from services.domain.arrival import Incoming
from services.domain.events import Position
from services.domain.letters import DeadLetter, Stage
from services.issuer.traces import said_of
from services.issuer.unreadable import Poison

MAX_MESSAGE_CHARACTERS = 1_000

log = logging.getLogger(__name__)


def letter_from_poison(record: ConsumerRecord, poison: Poison) -> DeadLetter:
    """The dead letter of a record that could not be read."""
    return DeadLetter(
        position=Position(topic=record.topic, partition=record.partition, offset=record.offset),
        timestamp_ms=record.timestamp,
        stage=Stage(poison.stage),
        exception=poison.exception,
        message=storable(poison.message, MAX_MESSAGE_CHARACTERS),
        key=record.key,
        value=record.value,
        headers=tuple(
            (storable(name, MAX_MESSAGE_CHARACTERS), value) for name, value in record.headers
        ),
        event_id=poison.event_id,
        event_source=poison.event_source,
        event_type=poison.event_type,
    )


def letter_for(
    records: Sequence[ConsumerRecord], incoming: Incoming, stage: Stage, error: Exception
) -> DeadLetter:
    """The dead letter of an event that was read but cannot be decided or stored."""
    position, cause = incoming.position, incoming.event.cause
    raw = next(
        raw
        for raw in records
        if (raw.offset, raw.partition, raw.topic)
        == (position.offset, position.partition, position.topic)
    )
    return letter_from_poison(
        raw,
        Poison(
            stage=stage,
            exception=type(error).__name__,
            # Postgres adds lines that quote the row, code included.
            message=str(error).partition("\n")[0],
            event_id=cause.id,
            event_source=cause.source,
            event_type=cause.type,
        ),
    )


def tell(letters: Iterable[DeadLetter]) -> None:
    """Say in the log what was given up: once for each stage, with the first record and what is wrong with it."""
    by_stage: dict[Stage, list[DeadLetter]] = {}
    for letter in letters:
        by_stage.setdefault(letter.stage, []).append(letter)
    for stage, some in by_stage.items():
        first = some[0].position
        log.info(
            "%d dead letter(s) at stage %s, the first is %s:%s:%s: %s",
            len(some), stage, first.topic, first.partition, first.offset, some[0].message,
            extra=said_of((letter.headers, letter.value) for letter in some),
        )  # fmt: skip
