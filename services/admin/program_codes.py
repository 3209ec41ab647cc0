"""`couponry program codes`: give a group of coupons codes to issue, brought in a file or made here.

A file has one code a line. It is read through before the first code goes in, and all of it goes in or nothing: a group
issues its codes in their order, so half a file would be the wrong half.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tempfile
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import click

from schemas.gameball_v4.pool_codes import LONGEST_CODE, UNREADABLE, is_pool_code
from services.adapters.postgres.pool import kept_if
from services.adapters.postgres.pools import add_codes, open_pool
from services.admin.program_generation import MOST_MADE, Order, make_codes
from services.admin.program_groups import Outcome, group_of, left_in
from services.runtime import crashpoints
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, postgres
from services.terminal.arguments import IDENTIFIER, utf8_text
from services.terminal.output import (
    SHOWN,
    CommandError,
    dry_run_option,
    json_option,
    print_facts,
    print_json,
    print_table,
    progress,
)
from services.terminal.pace import PROGRESS_SECONDS, Tick

CHUNK: Final = 10_000
"""Codes of one statement."""
LONGEST_LINE: Final = (LONGEST_CODE + 1) * 4
"""Bytes that are read of a line: a character has four at most, so there is a line end among them, or too much."""


def prefix_text(value: str) -> str:
    """What may stand before a code of ours."""
    if not re.fullmatch(r"[A-Z0-9]{0,12}", value):
        raise click.BadParameter("must be up to 12 of A-Z and 0-9")
    return value


@click.command("codes")
@click.option("--partner-id", type=IDENTIFIER, required=True)
@click.argument("handle", type=utf8_text)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), required=False)
@click.option("--generate", type=click.IntRange(1, MOST_MADE), metavar="N", help="Make N codes.")
@click.option("--prefix", type=prefix_text, help="What stands before codes that are made.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Where codes that are made go."
)
@dry_run_option
@json_option
def codes(
    partner_id: int,
    handle: str,
    file: Path | None,
    generate: int | None,
    prefix: str | None,
    out: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Give the coupon group HANDLE codes to issue, in this order, behind those it has: then it issues no others.

    \b
    couponry program codes --partner-id 1 summer codes.txt
    couponry program codes --partner-id 1 summer --generate 1000000 --prefix SUN --out codes.csv

    FILE (- for stdin) has one code a line, of 1 to 255 visible characters; blank lines are passed by. All of it goes in
    or nothing. Codes that are somebody's already are left out and named: the partner's own, and what reads as a code of
    ours.

    With --generate the codes are made here, each with a check symbol at the end, and written into a new FILE too, a CSV
    with the header `code`: for tills that must know codes beforehand. Stopped at any moment, the same command goes on
    where it was (by FILE.part, until FILE is whole); with a FILE that is whole it makes nothing.
    """
    settings = command_settings()
    crashpoints.arm(settings.crash_at)
    if (file is None) == (generate is None):
        raise click.UsageError("Give a FILE of codes, or --generate N with --out FILE")
    if generate is None:
        if out is not None or prefix is not None:
            raise click.UsageError("--prefix and --out go with --generate")
        assert file is not None
        outcome = asyncio.run(import_codes(settings, partner_id, handle, file, dry_run))
    else:
        if out is None:
            raise click.UsageError("--generate goes with --out FILE")
        order = Order(
            partner_id=partner_id, handle=handle, number=generate, prefix=prefix or "", out=out
        )
        outcome = asyncio.run(make_codes(settings, order, dry_run))
    _print(partner_id, handle, outcome, dry_run, as_json)


def _print(partner_id: int, handle: str, outcome: Outcome, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(asdict(outcome))
        return
    if outcome.duplicates:
        print_table(("duplicate",), ((code,) for code in outcome.duplicates[:SHOWN]))
        if len(outcome.duplicates) > SHOWN:
            progress(
                f"{len(outcome.duplicates)} duplicates, of which {SHOWN} are shown: see --json"
            )
    facts: list[tuple[str, object]] = [
        ("partner", partner_id),
        ("group", handle),
        ("accepted", outcome.accepted),
        ("duplicates", len(outcome.duplicates)),
        ("remaining", "without end" if outcome.remaining is None else outcome.remaining),
    ]
    print_facts([*facts, ("dry run", "nothing was changed")] if dry_run else facts)


async def import_codes(
    settings: Settings, partner_id: int, handle: str, file: Path, dry_run: bool = False
) -> Outcome:
    """All codes of a file, or none; with `dry_run` all is tried and rolled back. Raises CommandError, one line."""
    with opened(file) as stream:
        total = sum(1 for _ in codes_in(stream, str(file)))
        accepted, tick = 0, Tick(PROGRESS_SECONDS)
        duplicates: list[str] = []
        lines = codes_in(stream, str(file))
        async with postgres(settings, "program") as connection, kept_if(not dry_run, connection):
            await group_of(connection, partner_id, handle)
            while chunk := list(islice(lines, CHUNK)):
                added = await add_codes(connection, partner_id, handle, chunk)
                accepted += added.accepted
                duplicates += added.duplicates
                if tick.is_due():
                    progress(f"{accepted + len(duplicates)} of {total} codes")
            if accepted:
                await open_pool(connection, partner_id, handle)
            group = await group_of(connection, partner_id, handle)  # it may have been deleted
            remaining = await left_in(connection, partner_id, group)
    return Outcome(accepted=accepted, duplicates=duplicates, remaining=remaining)


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """A file that can be read twice, a pipe by way of a copy. Raises CommandError, one line."""
    try:
        with nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as source:
            if source is not sys.stdin.buffer and source.seekable():
                yield source
                return
            with tempfile.TemporaryFile() as copy:
                shutil.copyfileobj(source, copy)
                yield copy
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None


def codes_in(stream: BinaryIO, name: str) -> Iterator[str]:
    """The codes of a file, from its beginning. Raises CommandError, one line with the number of a line that is none."""
    stream.seek(0)
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        if number == 1:
            line = line.removeprefix(BOM_UTF8)  # what Windows begins a text with
        code = line.rstrip(b"\r\n").decode(errors="surrogateescape")
        if not code.strip():
            continue
        # Nor are the halves of characters that stand for what is no UTF-8.
        if not is_pool_code(code):
            raise CommandError(f"{name}: line {number}: {UNREADABLE}")
        yield code
