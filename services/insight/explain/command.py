"""`couponry explain` on the command line."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg
import click

from services.adapters.postgres import reused_ids
from services.decisions.explained import said_of_program
from services.insight.explain.entry import Entry
from services.insight.explain.gathered import Gathered, gather
from services.insight.explain.known import Known, Row, answer, find
from services.insight.explain.timeline import merged, timeline
from services.insight.explain.waiting import waiting
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, postgres
from services.terminal.arguments import IDENTIFIER, utf8_text
from services.terminal.output import json_option, print_exact_json, print_facts, print_table

ONE_PASS_MS = 120_000
"""Time for reading a whole table: a position whose record is no longer kept needs it."""

Story = tuple[Row, list[Entry]]


@click.command()
@click.argument("event_id", type=utf8_text, required=False)
@click.option("--source", type=utf8_text, help="The event's source, if several share the id.")
@click.option("--coupon", type=utf8_text, metavar="ID|CODE", help="The event that issued it.")
@click.option("--customer", type=utf8_text, help="All events of this customer of --partner-id.")
@click.option("--partner-id", type=IDENTIFIER)
@json_option
@click.pass_context
def explain(ctx: click.Context, /, as_json: bool, **asked: Any) -> None:
    """Say why EVENT_ID did or did not issue a coupon or earn points, and all that has happened with it since.

    EVENT_ID may also be topic:partition:offset, for a record without a readable id. Exit 1 if nothing is known of it.
    """
    if sum(asked[name] is not None for name in ("event_id", "coupon", "customer")) != 1:
        raise click.UsageError("name one of EVENT_ID, --coupon and --customer")
    if (asked["customer"] is None) != (asked["partner_id"] is None):
        raise click.UsageError("--customer and --partner-id go together")
    if asked["source"] is not None and asked["event_id"] is None:
        raise click.UsageError("--source goes with EVENT_ID")
    stories, zone = asyncio.run(_stories(command_settings(), asked))
    if not stories:
        print("couponry explain: nothing is known of it", file=sys.stderr)
        ctx.exit(1)
    of_customer = asked["customer"] is not None
    if as_json:
        answers = [row | {"timeline": [one.document() for one in told]} for row, told in stories]
        print_exact_json(answers[0] if len(answers) == 1 and not of_customer else answers)
    elif of_customer:
        _tell_customer(asked["customer"], stories, zone)
    else:
        for row, told in stories:
            _tell(row, told, zone)


async def _stories(settings: Settings, asked: dict[str, Any]) -> tuple[list[Story], tzinfo | None]:
    """What is known of each event with its timeline, and the partner's time zone where it has one."""
    async with postgres(
        settings, "explain", default_transaction_read_only="on", statement_timeout=str(ONE_PASS_MS)
    ) as connection:
        known = await find(connection, settings, asked)
        decided = [str(one.decision["event_key"]) for one in known if one.decision is not None]
        waits = [] if asked["coupon"] else await waiting(connection, settings, asked, decided)
        if not known:
            return waits, None
        gathered = await gather(connection, settings, known)
        reused = await _reused(connection, known)
    stories = [
        (
            answer(one, _program(one, gathered))
            | ({"id_reused": reused[number]} if number in reused else {}),
            timeline(one, gathered),
        )
        for number, one in enumerate(known)
    ]
    return [*stories, *waits], _zone(known, gathered)


async def _reused(
    connection: asyncpg.Connection, known: Sequence[Known]
) -> dict[int, list[dict[str, Any]]]:
    """By the number of an event: records that came with its id and spoke of somebody else."""
    numbers = {
        str(one.decision["event_key"]): number
        for number, one in enumerate(known)
        if one.decision is not None
    }
    names = ("partner_id", "customer_id", "event_type", "topic", "partition", "offset", "seen_at")
    found: dict[int, list[dict[str, Any]]] = {}
    for row in await reused_ids.of_events(connection, numbers):
        number = numbers[str(row["event_key"])]
        found.setdefault(number, []).append({name: row[name] for name in names})
    return found


def _program(known: Known, gathered: Gathered) -> Row | None:
    made = known.decision
    if made is None:
        return None
    return said_of_program(made, gathered.entries_of_event.get(made["event_key"], ()))


def _zone(known: Sequence[Known], gathered: Gathered) -> tzinfo | None:
    for party in gathered.parties.values():
        with suppress(ZoneInfoNotFoundError):  # then in UTC alone
            return ZoneInfo(party["time_zone"])
    return None


def _tell(answer: Row, told: Sequence[Entry], zone: tzinfo | None) -> None:
    """One answer in words, what is not known left out, and how it came about."""
    reason = f": {answer['reason']}" if answer["reason"] else ""
    facts = {
        "event": answer["event_id"],
        "source": answer["source"],
        "type": answer["type"],
        "outcome": f"{answer['outcome']}{reason}",
        "coupon": answer["coupon_id"],
        "blocked by": answer["blocking_coupon_id"],
        "rule version": answer["rule_version"],
        "program version": answer["program"] and answer["program"]["version"],
        "decided at": answer["decided_at"],
        "trace": answer["traceparent"],
        "read from": _place(answer),
        "id used again": _others(answer.get("id_reused", ())),
    }
    print_facts((name, value) for name, value in facts.items() if value is not None)
    print()
    _tell_timeline(told, zone)
    print()


def _place(answer: Row) -> str | None:
    """Of the event's record; None of what was asked for by hand, which was read from no topic."""
    if answer["topic"] == answer["source"]:
        return None
    return f"{answer['topic']}:{answer['partition']}:{answer['offset']}"


def _others(reused: Sequence[Mapping[str, Any]]) -> str | None:
    """For whom else the id came, the first time."""
    if not reused:
        return None
    first = reused[0]
    return (
        f"{len(reused)} times, first at {first['topic']}:{first['partition']}:{first['offset']} for customer "
        f"{first['customer_id']} of partner {first['partner_id']} ({first['event_type']}): its producer repeats ids"
    )


def _tell_customer(customer: str, stories: Sequence[Story], zone: tzinfo | None) -> None:
    """What has become of a customer's events, and one timeline of all of them."""
    outcomes = Counter(
        answer["outcome"] + (f": {answer['reason']}" if answer["reason"] else "")
        for answer, _ in stories
    )
    print_facts([("customer", customer), ("events", len(stories)), *outcomes.items()])
    print()
    every = merged([(answer["event_id"], told) for answer, told in stories])
    _tell_timeline([entry for _, entry in every], zone, [event_id for event_id, _ in every])


def _tell_timeline(
    told: Sequence[Entry], zone: tzinfo | None, events: Sequence[str] | None = None
) -> None:
    """A line for each entry: when, in the partner's own time as well; of which of the `events`; what."""
    columns = ("UTC", *([str(zone)] if zone else []), *(["event"] if events else []), "what", "")
    print_table(
        columns,
        (
            (
                entry.at,
                *([_local(entry.at, zone)] if zone else []),
                *([events[number]] if events else []),
                entry.what,
                entry.detail,
            )
            for number, entry in enumerate(told)
        ),
    )


def _local(instant: datetime | None, zone: tzinfo) -> str | None:
    """The partner's own time, to the second: what a customer remembers."""
    return None if instant is None else instant.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
