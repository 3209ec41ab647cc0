"""Which dead letters an operator means: ids, and `--filter field=value`, repeatable.

Values of one field are alternatives, different fields must all hold. A topic may be named with or without its prefix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from schemas.envelope import parse_time
from schemas.fields import MAX_ID
from services.adapters.postgres import dead_letters
from services.adapters.postgres.dead_letters import STATES, Selection
from services.adapters.postgres.pool import Connection
from services.domain.letters import Stage
from services.runtime.settings import Settings
from services.terminal.arguments import instant, utf8_text
from services.terminal.output import CommandError

FIELDS = {
    "topic": "topics",
    "partition": "partitions",
    "offset": "offsets",
    "stage": "stages",
    "state": "states",
    "exception": "exceptions",
    "event_id": "event_ids",
    "message": "messages",
    "reason": "messages",
    "text": "texts",
    "from": "from_at",
    "to": "to_at",
    "id": "ids",
}
"""Field of a filter → what it selects by."""

_CHOICES = {"stage": tuple(Stage), "state": STATES}
_NUMBERS = frozenset({"partition", "offset"})
_PLACE = re.compile(r"(.+):([0-9]{1,9}):([0-9]{1,18})").fullmatch
_NUMBER = re.compile(r"[0-9]{1,18}").fullmatch

Filters = Sequence[tuple[str, str]]


def filter_text(text: str) -> tuple[str, str]:
    """One `field=value`. Raises BadParameter, one line."""
    field, equals, value = utf8_text(text).partition("=")
    if not equals or field not in FIELDS:
        raise click.BadParameter(f"{text!r} is no field=value; fields are {', '.join(FIELDS)}")
    if field in _CHOICES and value not in _CHOICES[field]:
        raise click.BadParameter(f"{field} is one of {', '.join(_CHOICES[field])}, not {value!r}")
    if field in _NUMBERS and not _NUMBER(value):
        raise click.BadParameter(f"{field} is a number, not {value!r}")
    if field == "id":
        letter_id(value)
    if field in ("from", "to"):
        instant(value)
    return field, value


def letter_id(text: str) -> str:
    """A letter's number, or topic:partition:offset. Raises BadParameter."""
    if not _PLACE(utf8_text(text)) and not _NUMBER(text):
        raise click.BadParameter(f"{text!r} is no number and no topic:partition:offset")
    return text


async def selection_of(
    settings: Settings, connection: Connection, ids: Sequence[str], filters: Filters
) -> Selection:
    """The letters meant. Raises CommandError for an id that no letter has."""
    chosen: dict[str, Any] = {}
    for field, value in filters:
        if field == "id":
            ids = (*ids, value)
        elif field in ("from", "to"):
            chosen[FIELDS[field]] = parse_time(value)
        else:
            values = chosen.setdefault(FIELDS[field], [])
            if field == "topic":
                values += {value, settings.topic(value)}
            else:
                values.append(int(value) if field in _NUMBERS else value)
    selection = Selection(**chosen)
    if ids:
        numbers = [await number_of(settings, connection, name) for name in ids]
        selection = replace(selection, ids=sorted(set(numbers)))
    return selection


async def number_of(settings: Settings, connection: Connection, text: str) -> int:
    """The number of the letter with this id. Raises CommandError if there is none."""
    found: int | None
    if match := _PLACE(text):
        topics = {match[1], settings.topic(match[1])}
        found = await dead_letters.at_position(connection, topics, int(match[2]), int(match[3]))
    else:
        number = int(text)
        rows = (
            await dead_letters.page(connection, Selection(ids=[number]), after=0, limit=1)
            if number <= MAX_ID
            else []
        )
        found = rows[0]["id"] if rows else None
    if found is None:
        raise CommandError(f"dead letter {text} does not exist: see `couponry dead-letters list`")
    return found


def request_of(ids: Sequence[str], filters: Filters) -> Mapping[str, Any]:
    """What was asked for, as JSON; empty if it was everything."""
    request: dict[str, Any] = {}
    if ids:
        request["ids"] = list(ids)
    if filters:
        request["filters"] = [f"{field}={value}" for field, value in filters]
    return request


async def from_request(
    settings: Settings, connection: Connection, request: Mapping[str, Any]
) -> Selection:
    """The selection that a request kept with an operation means."""
    filters = [filter_text(text) for text in request.get("filters", ())]
    return await selection_of(settings, connection, request.get("ids", ()), filters)
