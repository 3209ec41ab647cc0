"""What commands print: a table or one JSON document on stdout, progress on stderr, refusals as one line."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.gameball_v4.exact_json import write

SHOWN = 100
"""Rows of a long listing's table without --limit; JSON has all."""
PIPED_WIDTH = 10_000
"""Columns of a table that nobody looks at: a pipe must get every value whole."""


class CommandError(click.ClickException):
    """A command cannot do what was asked: one line on stderr that names the thing, exit 2."""

    exit_code = 2


def unknown_partner(partner_id: int) -> CommandError:
    """What to raise for the id of nobody."""
    return CommandError(f"partner {partner_id} does not exist: see `couponry partners list`")


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Check and report, change nothing.")


def print_json(document: Any) -> None:
    """One JSON document, with a line end, on stdout; instants as RFC 3339 in UTC."""
    print(json.dumps(document, ensure_ascii=False, default=plain))


def print_exact_json(document: Any) -> None:
    """The same; decimals are numbers with every digit."""
    print(write(_plainly(document)))


def _plainly(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plainly(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plainly(each) for each in value]
    if value is None or isinstance(value, (str, bool, int, float, Decimal)):
        return value
    return plain(value)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table on stdout. None is shown as nothing; control characters are shown, not obeyed."""
    _print(Table(*columns, box=None, pad_edge=False, header_style="bold"), rows)


def print_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """Names and values on stdout, a line each."""
    _print(Table("", "", box=None, pad_edge=False, show_header=False), facts)


def _print(table: Table, rows: Iterable[Sequence[Any]]) -> None:
    for row in rows:
        table.add_row(*(Text(_printable(value)) for value in row))
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table)


def print_rows(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """A listing: these columns as a table, or each row whole in one JSON array."""
    if as_json:
        print_json(rows)
    else:
        print_table(columns, ([row[column] for column in columns] for row in rows))


async def print_long(
    rows: Callable[[int | None], AsyncIterator[Mapping[str, Any]]],
    columns: Sequence[str],
    limit: int | None,
    as_json: bool,
    *,
    more: str,
) -> None:
    """A listing that may be long, as it is read: all of it as JSON, or a table of the first ones.

    `rows` takes the most to read. `more` says what is shown of what there is, and how to see the rest.
    """
    if as_json:
        separator = "["
        async for row in rows(limit):
            print(separator + json.dumps(row, ensure_ascii=False, default=plain), end="")
            separator = ",\n"
        print("[]" if separator == "[" else "]")
        return
    most = limit or SHOWN
    shown = [row async for row in rows(most + 1)]
    print_table(columns, ([row[name] for name in columns] for row in shown[:most]))
    if len(shown) > most:
        progress(more.format(most=most))


def progress(message: str) -> None:
    """One line of progress on stderr."""
    print(message, file=sys.stderr, flush=True)


def instant_text(instant: datetime) -> str:
    """RFC 3339 in UTC with six decimals and `Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plain(value: Any) -> str:
    """A value as text; an instant as RFC 3339 in UTC."""
    return instant_text(value) if isinstance(value, datetime) else str(value)


def _printable(value: Any) -> str:
    if value is None:
        return ""
    text = plain(value) if not isinstance(value, bool) else ("yes" if value else "no")
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
