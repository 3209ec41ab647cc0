"""`couponry explain`: why an event did or did not issue a coupon, from what was recorded when it was decided.

A dead letter does not use up its event: one that was dead first and decided later shows its decision and its letters.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import click

from services.adapters.event_keys import event_keys_of
from services.adapters.postgres.queries import queries
from services.domain.codes import parse
from services.ops.addresses import command_settings, postgres
from services.ops.arguments import IDENTIFIER, utf8_text
from services.ops.output import json_option, print_facts, print_json
from services.runtime.settings import Settings

ONE_PASS_MS = 120_000
"""Time for reading a whole table, which only a place in a topic needs."""

_PLACE = re.compile(r"(.+):([0-9]{1,9}):([0-9]{1,18})").fullmatch
_SQL = queries("explain")

Row = dict[str, Any]


@click.command()
@click.argument("event_id", type=utf8_text, required=False)
@click.option("--source", type=utf8_text, help="The event's source, if several share the id.")
@click.option("--coupon", type=utf8_text, metavar="ID|CODE", help="The event that issued it.")
@click.option("--customer", type=utf8_text, help="All events of this customer of --partner-id.")
@click.option("--partner-id", type=IDENTIFIER)
@json_option
@click.pass_context
def explain(ctx: click.Context, /, as_json: bool, **asked: Any) -> None:
    """Say why EVENT_ID did or did not issue a coupon.

    EVENT_ID may also be topic:partition:offset, for a record without a readable id. Exit 1 if nothing is known of it.
    """
    if sum(asked[name] is not None for name in ("event_id", "coupon", "customer")) != 1:
        raise click.UsageError("name one of EVENT_ID, --coupon and --customer")
    if (asked["customer"] is None) != (asked["partner_id"] is None):
        raise click.UsageError("--customer and --partner-id go together")
    if asked["source"] is not None and asked["event_id"] is None:
        raise click.UsageError("--source goes with EVENT_ID")
    answers = asyncio.run(_answers(command_settings(), asked))
    if not answers:
        print("couponry explain: nothing is known of it", file=sys.stderr)
        ctx.exit(1)
    if as_json:
        print_json(answers[0] if len(answers) == 1 and asked["customer"] is None else answers)
    else:
        for answer in answers:
            _tell(answer)


async def _answers(settings: Settings, asked: dict[str, Any]) -> list[Row]:
    async with postgres(settings, "explain", statement_timeout=str(ONE_PASS_MS)) as connection:
        if asked["coupon"] is not None:
            decisions = await _by_coupon(connection, asked["coupon"])
        elif asked["customer"] is not None:
            decisions = await connection.fetch(
                _SQL["decisions_of_customer"], asked["partner_id"], asked["customer"]
            )
        else:
            return await _by_event(
                connection, asked["event_id"], asked["source"]
            ) or await _by_place(connection, settings, asked["event_id"])
        return [await _with_letters(connection, decision) for decision in decisions]


async def _by_coupon(connection: asyncpg.Connection, text: str) -> list[asyncpg.Record]:
    try:
        return list(await connection.fetch(_SQL["decision_of_coupon"], UUID(text)))
    except ValueError:
        pass
    if (code := parse(text)) is None:
        return []  # nothing can have a code whose check symbol is wrong
    prefix, symbols = code
    return list(await connection.fetch(_SQL["decision_of_code"], symbols, prefix))


async def _by_event(connection: asyncpg.Connection, event_id: str, source: str | None) -> list[Row]:
    """One answer per source; letters without a readable source stand alone."""
    lowest, highest = event_keys_of(event_id)
    decisions = await connection.fetch(_SQL["decisions_of_event"], lowest, highest, event_id)
    letters = await connection.fetch(_SQL["letters_of_event"], event_id)
    answers = [
        _answer(
            decision, [one for one in letters if one["event_source"] == decision["event_source"]]
        )
        for decision in decisions
    ]
    decided = {decision["event_source"] for decision in decisions}
    dead: dict[str | None, list[asyncpg.Record]] = {}
    for letter in letters:
        if letter["event_source"] not in decided:
            dead.setdefault(letter["event_source"], []).append(letter)
    answers += [_dead_answer(some) for some in dead.values()]
    return [answer for answer in answers if source is None or answer["source"] == source]


async def _by_place(connection: asyncpg.Connection, settings: Settings, text: str) -> list[Row]:
    if (match := _PLACE(text)) is None:
        return []
    topic, partition, offset = match[1], int(match[2]), int(match[3])
    for name in dict.fromkeys((topic, settings.topic(topic))):
        if letter := await connection.fetchrow(_SQL["letter_at"], name, partition, offset):
            if letter["event_id"] is None:
                return [_dead_answer([letter])]
            return await _by_event(connection, letter["event_id"], letter["event_source"])
        if decision := await connection.fetchrow(_SQL["decision_at"], name, partition, offset):
            return [await _with_letters(connection, decision)]
    return []


async def _with_letters(connection: asyncpg.Connection, decision: asyncpg.Record) -> Row:
    letters = await connection.fetch(_SQL["letters_of_event"], decision["event_id"])
    return _answer(
        decision, [one for one in letters if one["event_source"] == decision["event_source"]]
    )


def _answer(decision: asyncpg.Record, letters: Sequence[asyncpg.Record]) -> Row:
    return {
        "event_id": decision["event_id"],
        "source": decision["event_source"],
        "type": decision["event_type"],
        "outcome": decision["outcome"],
        "reason": decision["reason"],
        "rule_version": decision["rule_version"],
        "blocking_coupon_id": decision["blocking_coupon_id"],
        "coupon_id": decision["coupon_id"],
        "codes": json.loads(decision["codes"] or "[]"),
        "decided_at": decision["decided_at"],
        "topic": decision["topic"],
        "partition": decision["partition"],
        "offset": decision["offset"],
        "dead_letters": [_letter(letter) for letter in letters],
    }


def _dead_answer(letters: Sequence[asyncpg.Record]) -> Row:
    """Of an event, or a record, that was never decided: where it last died. The reason is the stage."""
    last = letters[-1]
    return {
        "event_id": last["event_id"],
        "source": last["event_source"],
        "type": last["event_type"],
        "outcome": "dead",
        "reason": last["stage"],
        "rule_version": None,
        "blocking_coupon_id": None,
        "coupon_id": None,
        "codes": [],
        "decided_at": None,
        "topic": last["topic"],
        "partition": last["partition"],
        "offset": last["offset"],
        "dead_letters": [_letter(letter) for letter in letters],
    }


def _letter(letter: asyncpg.Record) -> Row:
    names = (
        "id",
        "topic",
        "partition",
        "offset",
        "stage",
        "exception",
        "message",
        "created_at",
        "state",
    )
    return {name: letter[name] for name in names}


def _tell(answer: Row) -> None:
    """One answer in words, what is not known left out."""
    reason = f": {answer['reason']}" if answer["reason"] else ""
    facts = {
        "event": answer["event_id"],
        "source": answer["source"],
        "type": answer["type"],
        "outcome": f"{answer['outcome']}{reason}",
        "coupon": answer["coupon_id"],
        "blocked by": answer["blocking_coupon_id"],
        "rule version": answer["rule_version"],
        "decided at": answer["decided_at"],
        "read from": f"{answer['topic']}:{answer['partition']}:{answer['offset']}",
    }
    rows = [(name, value) for name, value in facts.items() if value is not None]
    for code in answer["codes"]:
        reason = f": {code['reason']}" if code["reason"] else ""
        rows.append(("code", f"{code['code']} {code['outcome']}{reason}"))
    for letter in answer["dead_letters"]:
        place = f"{letter['topic']}:{letter['partition']}:{letter['offset']}"
        rows.append(
            ("dead letter", f"{place} {letter['stage']}: {letter['message']} ({letter['state']})")
        )
    print_facts(rows)
    print()
