"""`couponry program codes --generate`: so many codes of ours in a group's pool, and the same in a file.

The codes are made by a run, whose id stands in `FILE.part` before the first of them, and beside each in the database.
So whoever comes after a run that was stopped counts what it has made, makes the rest, and in the end writes the file
from the table. Codes come in chunks, each in a commit of its own: the first may be issued while the last are made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, BinaryIO, Final
from uuid import UUID, uuid4

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.pools import (
    PoolCodeRow,
    add_made,
    codes_of_run,
    hold_run,
    open_pool,
    run_of_code,
    size_of_run,
)
from services.admin.program_groups import Outcome, group_of, left_in
from services.domain.coupons.codes import RANDOM_BYTES_PER_CODE, codes_from, display
from services.runtime.crashpoints import reach
from services.runtime.settings import Settings
from services.terminal.addresses import postgres
from services.terminal.output import CommandError, progress
from services.terminal.pace import PROGRESS_SECONDS, Tick

CHUNK: Final = 20_000
"""Codes of one commit."""
MOST_MADE: Final = 10_000_000
HEADER: Final = b"code\n"
_OWNERS_ALONE: Final = 0o600
"""Whoever reads a code can use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """So many codes for a group, and the file that is to have them."""

    partner_id: int
    handle: str
    number: int
    prefix: str
    out: Path

    @property
    def part(self) -> Path:
        """Names the run for as long as it has not ended."""
        return self.out.with_name(f"{self.out.name}.part")

    @property
    def draft(self) -> Path:
        """What becomes the file."""
        return self.out.with_name(f"{self.out.name}.part.csv")

    def line(self, run: UUID) -> bytes:
        """What stands in `part`."""
        said = {
            "run": str(run),
            "partner_id": self.partner_id,
            "handle": self.handle,
            "generate": self.number,
            "prefix": self.prefix,
        }
        return json.dumps(said).encode() + b"\n"


async def make_codes(settings: Settings, order: Order, dry_run: bool = False) -> Outcome:
    """Make what is missing of an order: `accepted` so many; with `dry_run` none. Raises CommandError, one line."""
    try:
        async with postgres(settings, "program") as connection:
            group = await group_of(connection, order.partner_id, order.handle)
            if dry_run:
                accepted = coming = await _missing(connection, order)
            else:
                accepted, coming = await _made(connection, order), 0
            remaining = await left_in(connection, order.partner_id, group, coming=coming)
    except OSError as error:
        raise CommandError(f"{error.filename or order.out}: {error.strerror}") from None
    return Outcome(accepted=accepted, duplicates=(), remaining=remaining)


async def _missing(connection: Connection, order: Order) -> int:
    """How many codes are to be made."""
    if await _is_whole(connection, order):
        return 0
    run = _run_in(order, order.part.read_bytes()) if order.part.exists() else None
    return order.number - (await size_of_run(connection, run) if run else 0)


async def _made(connection: Connection, order: Order) -> int:
    """How many were made. FILE.part goes once FILE is whole; it may be left of who was stopped between the two."""
    if await _is_whole(connection, order) and not order.part.exists():
        return 0
    with _alone(order.part) as part:
        run = _run_in(order, part.read())
        if await _is_whole(connection, order):  # by who was alone before us
            order.part.unlink()
            return 0
        if run is None:
            run = uuid4()
            part.write(order.line(run))
            part.flush()
            os.fsync(part.fileno())
            _settle(order.part.parent)
        reach("codes.after_part")
        try:
            await hold_run(connection, run)
        except asyncpg.LockNotAvailableError:
            raise _busy(order.part) from None
        made = await _fill(connection, order, run)
        await _write(connection, order, run)
        order.part.unlink()
    return made


@contextmanager
def _alone(path: Path) -> Iterator[BinaryIO]:
    """A file that nobody else has while the block lasts. Raises CommandError where somebody has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _OWNERS_ALONE)
        with os.fdopen(descriptor, "r+b") as file:
            try:
                flock(file, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                raise _busy(path) from None
            if _is(path, file):  # else whoever had it has ended between, and taken it away
                yield file
                return


def _is(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _busy(path: Path) -> CommandError:
    return CommandError(f"{path}: another command is at work on it")


def _run_in(order: Order, text: bytes) -> UUID | None:
    """The run that has begun this order; None where none has. Raises CommandError for what is of something else."""
    if not text:
        return None
    try:
        said: Any = json.loads(text)
        run = UUID(said["run"])
    except (ValueError, TypeError, KeyError, AttributeError):
        raise CommandError(
            f"{order.part}: is there, and is not what this command has left"
        ) from None
    if text != order.line(run):
        was = f"--partner-id {said.get('partner_id')} {said.get('handle')} --generate {said.get('generate')}"
        raise CommandError(
            f"{order.part}: was left by `{was} --prefix {said.get('prefix')!r}`, which has not ended: run that again"
        )
    return run


async def _fill(connection: Connection, order: Order, run: UUID) -> int:
    """Make what is missing, chunk by chunk."""
    before = size = await size_of_run(connection, run)
    tick = Tick(PROGRESS_SECONDS)
    while size < order.number:
        rows = _rows(order, run, min(CHUNK, order.number - size))
        try:
            async with connection.transaction():
                added = await add_made(connection, rows)
                await open_pool(connection, order.partner_id, order.handle)
                await group_of(connection, order.partner_id, order.handle)
                reach("codes.before_commit")
        except asyncpg.UniqueViolationError:
            continue  # one of these codes is there already: draw others
        size += added
        reach("codes.after_chunk")
        if tick.is_due():
            progress(f"{size} of {order.number} codes")
    return size - before


def _rows(order: Order, run: UUID, count: int) -> list[PoolCodeRow]:
    return [
        PoolCodeRow(
            order.partner_id, display(code, order.prefix), order.handle, code, order.prefix, run
        )
        for code in drawn(count)
    ]


def drawn(count: int) -> list[str]:
    """So many codes of ours, by chance."""
    return codes_from(os.urandom(RANDOM_BYTES_PER_CODE * count))


async def _write(connection: Connection, order: Order, run: UUID) -> None:
    """The file, as the table has it: whole or not at all."""
    descriptor = os.open(order.draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNERS_ALONE)
    with os.fdopen(descriptor, "wb") as draft:
        draft.write(HEADER)
        async for page in codes_of_run(connection, run):
            draft.write(_lines(page))
        draft.flush()
        os.fsync(draft.fileno())
    reach("codes.after_file")
    if order.out.exists():
        raise _taken(order)
    order.draft.replace(order.out)
    _settle(order.out.parent)
    reach("codes.after_rename")


def _settle(folder: Path) -> None:
    """What the folder says of its files is on the disk: a power cut must not take away the one that names the run."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lines(codes: list[str]) -> bytes:
    return "".join(f"{code}\n" for code in codes).encode()


async def _is_whole(connection: Connection, order: Order) -> bool:
    """Whether the file is there, with all of this order's codes, as they are in the table. False: there is none.

    Raises CommandError for a file that has anything else.
    """
    try:
        file = order.out.open("rb")
    except FileNotFoundError:
        return False
    with file:
        run = await _run_of(connection, order, file)
        size = 0
        if run is not None:
            async for page in codes_of_run(connection, run):
                size += len(page)
                lines = _lines(page)
                if file.read(len(lines)) != lines:
                    raise _taken(order)
        if size != order.number or file.read(1):
            raise _taken(order)
    return True


async def _run_of(connection: Connection, order: Order, file: BinaryIO) -> UUID | None:
    """The run that wrote a file, if one for such an order did; the file stands at its first code then."""
    begins = file.read(len(HEADER) + 64)
    if not begins.startswith(HEADER):
        return None
    first = begins.removeprefix(HEADER).split(b"\n")[0].decode("utf-8", "replace")
    found = await run_of_code(connection, order.partner_id, first) if "\0" not in first else None
    if found is None or found[1:] != (order.handle, order.prefix):
        return None
    file.seek(len(HEADER))
    return found[0]


def _taken(order: Order) -> CommandError:
    return CommandError(
        f"{order.out}: is there already, and does not hold these codes: name another file, or move that one away"
    )
