"""What is known of an event: its decision and its dead letters, found by whatever was asked for.

A dead letter does not use up its event: one that was dead first and decided later shows its decision and its letters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from services.adapters.event_keys import event_keys_of
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.decisions.explained import said_of
from services.domain.coupons.codes import is_prefix, parse
from services.domain.events import Position
from services.insight.explain.records import event_at
from services.issuer.traces import trace_of
from services.runtime.settings import Settings

PLACE = re.compile(r"(.+):([0-9]{1,9}):([0-9]{1,18})").fullmatch
_LETTER = ("id", "topic", "partition", "offset", "stage", "exception", "message", "created_at", "state")  # fmt: skip
_SQL = queries("explain", __package__)

Row = dict[str, Any]

NO_DECISION: Mapping[str, Any] = dict.fromkeys(
    ("rule_version", "blocking_coupon_id", "coupon_id", "codes", "decided_at")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One event, or one record without a readable id: its decision, its letters (oldest first), or both."""

    decision: asyncpg.Record | None
    letters: Sequence[asyncpg.Record]

    @property
    def source(self) -> str | None:
        found: str | None = (self.decision or self.letters[-1])["event_source"]
        return found


async def find(
    connection: Connection, settings: Settings, asked: Mapping[str, Any]
) -> Sequence[Known]:
    """Everything the options mean, in the order in which it was decided; empty if nothing is known."""
    if asked["coupon"] is not None:
        decisions = await _by_coupon(connection, asked["coupon"])
    elif asked["customer"] is not None:
        decisions = await connection.fetch(
            _SQL["decisions_of_customer"], asked["partner_id"], asked["customer"]
        )
    else:
        event_id, source = asked["event_id"], asked["source"]
        return await _by_event(connection, event_id, source) or await _by_position(
            connection, settings, event_id
        )
    return await _with_letters(connection, decisions)


async def _by_coupon(connection: Connection, text: str) -> list[asyncpg.Record]:
    try:
        return list(await connection.fetch(_SQL["decision_of_coupon"], UUID(text)))
    except ValueError:
        pass
    if found := await connection.fetch(_SQL["decisions_of_external_code"], text):
        return list(found)
    if (code := parse(text)) is None:
        return []  # nothing else can have a code whose check symbol is wrong
    prefix, symbols = code
    return [
        row
        for row in await connection.fetch(_SQL["decision_of_code"], symbols)
        if is_prefix(prefix, row["code_prefix"])
    ]


async def _by_event(connection: Connection, event_id: str, source: str | None) -> list[Known]:
    """One per source; letters without a readable source stand alone."""
    lowest, highest = event_keys_of(event_id)
    decisions = await connection.fetch(_SQL["decisions_of_event"], lowest, highest, event_id)
    letters = await connection.fetch(_SQL["letters_of_events"], [event_id])
    known = [_of(decision, letters) for decision in decisions]
    decided = {one.source for one in known}
    dead: dict[str | None, list[asyncpg.Record]] = {}
    for letter in letters:
        if letter["event_source"] not in decided:
            dead.setdefault(letter["event_source"], []).append(letter)
    known += [Known(decision=None, letters=some) for some in dead.values()]
    return [one for one in known if source is None or one.source == source]


async def _by_position(connection: Connection, settings: Settings, text: str) -> Sequence[Known]:
    """The record itself names its event, while the topic has it; after that one pass over all decisions finds it."""
    if (match := PLACE(text)) is None:
        return []
    partition, offset = int(match[2]), int(match[3])
    for name in dict.fromkeys((match[1], settings.topic(match[1]))):
        if letter := await connection.fetchrow(_SQL["letter_at"], name, partition, offset):
            if letter["event_id"] is None:
                return [Known(decision=None, letters=[letter])]
            return await _by_event(connection, letter["event_id"], letter["event_source"])
        if event := await event_at(
            settings, Position(topic=name, partition=partition, offset=offset)
        ):
            return await _by_event(connection, event.cause.id, event.cause.source)
        decisions = await connection.fetch(_SQL["decision_at"], name, partition, offset)
        if decisions:
            return await _with_letters(connection, decisions)
    return []


async def _with_letters(connection: Connection, decisions: Sequence[asyncpg.Record]) -> list[Known]:
    ids = list({decision["event_id"] for decision in decisions})
    letters = await connection.fetch(_SQL["letters_of_events"], ids)
    return [_of(decision, letters) for decision in decisions]


def _of(decision: asyncpg.Record, letters: Sequence[asyncpg.Record]) -> Known:
    identity = (decision["event_id"], decision["event_source"])
    own = [one for one in letters if (one["event_id"], one["event_source"]) == identity]
    return Known(decision=decision, letters=own)


def answer(known: Known, program: Row | None = None) -> Row:
    """Of an event that was never decided: where it last died; the reason is the stage.

    `program`: what its partner's program made of it.
    """
    made, row = known.decision, known.decision or known.letters[-1]
    return shape(
        row,
        (row["event_id"], row["event_source"], row["event_type"]),
        outcome=made["outcome"] if made else "dead",
        reason=made["reason"] if made else row["stage"],
        trace=made["traceparent"] if made else trace_in(row),
        decision=made or NO_DECISION,
        program=program,
        letters=[{name: letter[name] for name in _LETTER} for letter in known.letters],
    )


def shape(
    place: asyncpg.Record,
    identity: tuple[str | None, str | None, str | None],
    *,
    outcome: str,
    reason: str | None,
    trace: str | None,
    decision: Mapping[str, Any] | asyncpg.Record = NO_DECISION,
    program: Row | None = None,
    letters: Sequence[Row] = (),
) -> Row:
    """The shape of the contract: of what was read at this place, an event of this id, source and type."""
    said = said_of(identity, outcome=outcome, reason=reason, decision=decision, program=program)
    return said | {
        "topic": place["topic"],
        "partition": place["partition"],
        "offset": place["offset"],
        "traceparent": trace,
        "dead_letters": list(letters),
    }


def trace_in(kept: asyncpg.Record) -> str | None:
    """The trace that a kept record names."""
    headers = zip(kept["header_names"], kept["header_values"], strict=True)
    return trace_of(headers, kept["value"])
