"""What the bulk commands of operators have in common: options, who is at work, begin or go on, and what stops them."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

import asyncpg
import click

from services.adapters.postgres import operations
from services.adapters.postgres.failures import Kind, kind_of
from services.adapters.postgres.operations import Operation
from services.adapters.postgres.pool import Connection
from services.runtime.backoff import delays
from services.terminal.arguments import utf8_text
from services.terminal.output import CommandError, instant_text, progress

OUTAGES_WAITED_FOR = 5
"""In a row, with growing pauses; then the command gives up and can be resumed."""

T = TypeVar("T")

reason_option = click.option(
    "--reason", type=utf8_text, metavar="TEXT", help="Why, for the record that is kept of it."
)
resume_option = click.option(
    "--resume", is_flag=True, help="Go on with the newest run that was interrupted."
)


def rate_option(default: str) -> Callable[[Any], Any]:
    """`--rate N`; `default` says what holds without it."""
    return click.option(
        "--rate",
        type=click.IntRange(0),
        metavar="N",
        help=f"At most N per second, 0 for no limit. {default}",
    )


async def begin_or_resume(
    connection: Connection,
    command: str,
    *,
    request: Mapping[str, Any],
    resume: bool,
    reason: str | None,
    at_first: Callable[[], Awaitable[Mapping[str, Any]]],
) -> Operation:
    """A new operation, or the interrupted one with this request; with an empty request, the newest of all.

    `at_first` makes what a new operation begins with. Raises CommandError when there is nothing to resume.
    """
    if resume:
        if found := await operations.resume(connection, command, request or None):
            progress(f"going on with {command} {found.id}")
            return found
        raise CommandError(f"no {command} with these options was interrupted: leave out --resume")
    progress_at_first = await at_first()
    if earlier := await operations.was_interrupted(connection, command, request):
        progress(
            f"{command} {earlier} with these options was interrupted; --resume goes on with it"
        )
    return await operations.begin(
        connection,
        command,
        actor=f"{_user()}@{socket.gethostname()}",
        reason=reason,
        request=request,
        progress=progress_at_first,
    )


@contextmanager
def resumable(command: str) -> Iterator[None]:
    """Add to whatever stops the work how to go on with it."""
    try:
        yield
    except CommandError as error:
        raise CommandError(f"{error.message}; go on with `couponry {command} --resume`") from None


def as_request(options: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, as JSON; empty if nothing was."""
    return {
        name: instant_text(value) if isinstance(value, datetime) else value
        for name, value in options.items()
        if value is not None and value != ()
    }


async def through_outages(work: Callable[[], Awaitable[T]]) -> T:
    """Do it again when Postgres was away for a moment or somebody held a lock for too long."""
    for wait in islice(delays(), OUTAGES_WAITED_FOR):
        try:
            return await work()
        except Exception as error:
            if kind_of(error) is not Kind.OUTAGE:
                raise
            progress(f"waiting: {type(error).__name__}: {error}")
            await asyncio.sleep(wait)
    try:
        return await work()
    except asyncpg.PostgresError as error:
        if kind_of(error) is not Kind.OUTAGE:
            raise
        raise CommandError(f"Postgres does not do the work: {error}") from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return str(os.getuid())
