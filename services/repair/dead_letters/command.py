"""`couponry dead-letters` on the command line: list, show, redrive, discard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any

import click

from services.adapters.postgres import dead_letters as stored
from services.repair.bulk import (
    rate_option,
    reason_option,
    resume_option,
)
from services.repair.dead_letters import discard as discarding
from services.repair.dead_letters import redrive as redriving
from services.repair.dead_letters.filters import (
    FIELDS,
    Filters,
    filter_text,
    letter_id,
    number_of,
    request_of,
    selection_of,
)
from services.repair.dead_letters.shown import document
from services.runtime import crashpoints
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, postgres
from services.terminal.output import (
    SHOWN,
    dry_run_option,
    json_option,
    plain,
    print_facts,
    print_json,
    print_long,
)

COLUMNS = ("id", "topic", "partition", "offset", "stage", "exception", "message", "created_at", "state")  # fmt: skip
MORE = "the oldest {most}; there are more: --limit, --filter or --json"
PAGE = 1_000

Row = dict[str, Any]

filter_option = click.option(
    "--filter",
    "filters",
    type=filter_text,
    multiple=True,
    metavar="FIELD=VALUE",
    help=f"Repeatable. Fields: {', '.join(FIELDS)}.",
)
ids_argument = click.argument("ids", type=letter_id, nargs=-1, metavar="[ID]...")


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at records that could not be decided, try them again, or give them up.

    An ID is a letter's number or topic:partition:offset. Filters: values of one field are alternatives, different
    fields must all hold; `message`, `reason` and `text` are looked for anywhere in the message, `text` also in the
    record's bytes; `from` and `to` are RFC 3339 and mean when the letter was made.
    """


@dead_letters.command("list")
@filter_option
@click.option("--limit", type=click.IntRange(1), help=f"At most this many; a table has {SHOWN}.")
@json_option
def list_them(filters: Filters, limit: int | None, as_json: bool) -> None:
    """List dead letters, oldest first."""
    settings = command_settings()
    asyncio.run(
        print_long(lambda most: _rows(settings, filters, most), COLUMNS, limit, as_json, more=MORE)
    )


async def _rows(settings: Settings, filters: Filters, limit: int | None) -> AsyncIterator[Row]:
    after = 0
    async with postgres(settings, "dead-letters", default_transaction_read_only="on") as connection:
        selection = await selection_of(settings, connection, (), filters)
        while limit is None or limit > 0:
            size = PAGE if limit is None else min(PAGE, limit)
            rows = await stored.page(connection, selection, after=after, limit=size)
            for row in rows:
                yield {name: row[name] for name in COLUMNS}
            if len(rows) < size:
                return
            after = rows[-1]["id"]
            limit = None if limit is None else limit - len(rows)


@dead_letters.command()
@click.argument("id_", type=letter_id, metavar="ID")
@json_option
def show(id_: str, as_json: bool) -> None:
    """Show one letter: its bytes as far as they can be decoded, the error explained, what was done about it."""
    letter = asyncio.run(_show(command_settings(), id_))
    if as_json:
        print_json(letter)
    else:
        _tell(letter)


async def _show(settings: Settings, id_: str) -> Row:
    async with postgres(settings, "dead-letters", default_transaction_read_only="on") as connection:
        number = await number_of(settings, connection, id_)
        (row,) = await stored.whole(connection, [number])
        return document(row, await stored.actions(connection, number))


def _tell(letter: Mapping[str, Any]) -> None:
    plainly = ("key", "value", "headers", "actions")
    facts = [
        (name.replace("_", " "), value)
        for name, value in letter.items()
        if name not in plainly and value is not None
    ]
    facts += [(name, _bytes(letter[name])) for name in ("key", "value")]
    facts += [(f"header {header['name']}", _bytes(header)) for header in letter["headers"]]
    for action in letter["actions"]:
        why = f": {action['reason']}" if action["reason"] else ""
        said = f"{action['outcome']} ({action['command']} {action['operation']} by {action['actor']}{why})"
        facts.append((plain(action["at"]), said))
    print_facts(facts)


def _bytes(shown: Mapping[str, Any] | None) -> str:
    if shown is None or shown.get("text", "") is None:
        return "null"
    return str(shown["text"]) if "text" in shown else f"{shown['base64']} (base64)"


@dead_letters.command()
@ids_argument
@filter_option
@dry_run_option
@rate_option(f"Default: {redriving.DEFAULT_PER_SECOND:,}.")
@resume_option
@reason_option
@json_option
def redrive(
    rate: int | None, ids: Sequence[str], filters: Filters, as_json: bool, **how: Any
) -> None:
    """Try open letters again, through the same pipeline: all of them, these, or what the filters let through.

    An event that has been decided meanwhile closes its letter. One that fails again stays open: its tries are counted
    on the same letter, and no second record is published. Discarded letters are tried when asked for by ID or state.
    """
    per_second = redriving.DEFAULT_PER_SECOND if rate is None else rate or None
    report = _run(redriving.run, request_of(ids, filters), per_second, **how)
    if as_json:
        print_json(report)
    else:
        names = ("matched", "decided", "already_decided", "dead")
        print_facts((name.replace("_", " "), report[name]) for name in names)


@dead_letters.command()
@ids_argument
@filter_option
@dry_run_option
@rate_option("Default: no limit.")
@resume_option
@reason_option
@json_option
def discard(
    rate: int | None, ids: Sequence[str], filters: Filters, as_json: bool, **how: Any
) -> None:
    """Give open letters up: all of them, these, or what the filters let through. The rows stay."""
    report = _run(discarding.run, request_of(ids, filters), rate or None, **how)
    if as_json:
        print_json(report)
    elif report["dry_run"]:
        print(f"{report['matched']:,} letters would be discarded")
    else:
        print(f"{report['discarded']:,} letters discarded")


def _run(
    work: Callable[..., Coroutine[Any, Any, Row]],
    request: Mapping[str, Any],
    per_second: int | None,
    **how: Any,
) -> Row:
    if how["resume"] and how["dry_run"]:
        raise click.UsageError("--dry-run keeps nothing that --resume could go on with")
    settings = command_settings()
    crashpoints.arm(settings.crash_at)
    return asyncio.run(work(settings, request, per_second, **how))
