"""`couponry what-if` on the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import click

from services.insight.what_if.changes import RULE_FIELDS, read_changes
from services.insight.what_if.comparing import Change, Comparison
from services.insight.what_if.program.command import what_if_program
from services.insight.what_if.report import (
    MOST_CUSTOMERS,
    CsvFile,
    csv_customers,
    csv_totals,
    document,
    writable,
)
from services.insight.what_if.run import Tried, mismatches, named, what_if
from services.insight.what_if.showing import show
from services.runtime.settings import Settings, required
from services.terminal.addresses import command_settings, postgres
from services.terminal.arguments import IDENTIFIER, instant, utf8_text
from services.terminal.output import json_option, print_json, progress

NAME = "what-if"
ONE_STEP_MS = 600_000
"""For the first batch, before which Postgres sorts; and between batches, while a file is written to a slow disk."""


@click.command(
    NAME,
    epilog=f"Fields that can be set: {', '.join(RULE_FIELDS)}. Times are those of the decisions.",
)
@click.option("--game-id", type=IDENTIFIER, help="The game, with --set.")
@click.option("--partner-id", type=IDENTIFIER, help="The partner, with --program.")
@click.option(
    "--program", "program_file", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE",
    help="Sections of the partner's program to change, as `program load` takes them; - for stdin.",
)  # fmt: skip
@click.option(
    "--set", "settings_", type=utf8_text, multiple=True, metavar="FIELD=VALUE",
    help="A rule to change: a JSON literal or plain text, checked as `games load` checks it. Repeatable.",
)  # fmt: skip
@click.option("--from", "since", type=instant, metavar="TIME", help="RFC 3339, included.")
@click.option("--to", type=instant, metavar="TIME", help="RFC 3339, not included.")
@click.option(
    "--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Also write outcomes, days and all customers that differ as one CSV table.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(1, 64),
    help="Processes that share the work, with --program; one for each processor, at most 3.",
)  # fmt: skip
@json_option
@click.pass_context
def what_if_command(
    ctx: click.Context,
    /,
    game_id: int | None,
    partner_id: int | None,
    program_file: Path | None,
    settings_: Sequence[str],
    since: datetime | None,
    to: datetime | None,
    csv_file: Path | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Decide a game's history again under changed rules, or a partner's under a changed program, in memory, and show
    what would differ.

    \b
    couponry what-if --game-id 1 --set coupon_validity_days=14
    couponry what-if --game-id 1 --set customer_limit_per_day=1 --set end_date=null --csv effect.csv
    couponry what-if --game-id 1
    couponry what-if --partner-id 1 --program changed.json

    The same rules that issuers run decide every recorded event again, in the recorded order and at the recorded
    instants; nothing is written. Each event keeps the version of the game it was decided under, with --set laid over.
    Without --set everything must come out as recorded: exit 1 and the events if it does not.

    A coupon of both worlds is redeemed, cancelled and reinstated as it really was; one that only the changed rules
    issue is used by nobody and ends by its validity. With --from, customers begin with what they really had at that
    moment, and the changed rules hold from then on. A coupon issued while many were allowed is in nobody's way under
    the single rule (a real change to that rule is refused until there is none). Days are the partner's, in its time
    zone.

    With --program, completions, orders, redemptions and what customers did are read back from their topics and decided
    again at the recorded instants: points, tier and coupons of all who would differ. Each event keeps the version of
    the program it was decided under, with the sections of FILE that differ from now laid over; cards stay as they
    were. Referrals that the changed program completes are told in it, others are not. A coupon of both is used, and
    given back, as it really was. Redemptions over HTTP are decided again, too, but what was refused there has left
    nothing behind. Other events that the topics have no more, and what was booked by hand, count as they did.
    """
    if program_file is not None:
        others = (game_id, since, to, csv_file)
        if partner_id is None or settings_ or any(other is not None for other in others):
            raise click.UsageError("--program goes with --partner-id, --workers and --json alone")
        if not what_if_program(partner_id, program_file, workers=workers, as_json=as_json):
            ctx.exit(1)
        return
    if game_id is None or partner_id is not None or workers is not None:
        raise click.UsageError(
            "name a game (--game-id), or a partner (--partner-id) and a --program"
        )
    changes = read_changes(settings_)
    if since is not None and to is not None and since >= to:
        raise click.UsageError("--from must be before --to")
    settings = command_settings()
    required(settings, "postgres_dsn")
    tried = asyncio.run(
        _what_if(settings, game_id, changes, since=since, to=to, csv_file=csv_file, as_json=as_json)
    )
    if not tried.asked.changes and tried.comparison.mismatched:
        ctx.exit(1)


async def _what_if(
    settings: Settings,
    game_id: int,
    changes: Mapping[str, Any],
    *,
    since: datetime | None,
    to: datetime | None,
    csv_file: Path | None,
    as_json: bool,
) -> Tried:
    path = None if csv_file is None else writable(csv_file)
    async with postgres(
        settings,
        NAME,
        default_transaction_read_only="on",
        statement_timeout=str(ONE_STEP_MS),
        idle_in_transaction_session_timeout=str(ONE_STEP_MS),
        jit="off",
    ) as connection:
        async with connection.transaction(readonly=True, isolation="repeatable_read"):
            tried = await what_if(settings, connection, game_id, changes, since=since, to=to)
            await _report(connection, tried, path, as_json)
    return tried


async def _report(
    connection: asyncpg.Connection, tried: Tried, path: Path | None, as_json: bool
) -> None:
    comparison, unread = tried.comparison, tried.orders.unread
    differing = comparison.customers()
    customers: list[tuple[str, Change]] = []
    async for some in named(connection, differing[:MOST_CUSTOMERS]):
        customers += some
    if path is not None:
        await _write(connection, comparison, differing, path)
    wrong = await mismatches(connection, comparison)
    changes = [change for _, change in differing]
    if as_json:
        print_json(document(tried.asked, comparison, changes, customers, wrong, unread))
    else:
        show(tried.asked, comparison, changes, customers, unread)
    if wrong:
        _warn(comparison.mismatched, wrong)


async def _write(
    connection: asyncpg.Connection,
    comparison: Comparison,
    differing: Sequence[tuple[int, Change]],
    path: Path,
) -> None:
    """The CSV file, with every customer."""
    table = CsvFile(path)
    table.write(csv_totals(comparison))
    async for some in named(connection, differing):
        table.write(csv_customers(some))
    table.close()


def _warn(mismatched: int, wrong: Sequence[Mapping[str, Any]]) -> None:
    """On stderr, whatever stdout is used for."""
    progress(
        f"what-if: WARNING: the recorded rules decide {mismatched:,} recorded events otherwise than recorded,"
        " so the difference cannot be relied upon:"
    )
    for one in wrong:
        was, now = one["recorded"]["outcome"], one["decided"]["outcome"]
        progress(f"  {one['event_id']} of {one['source']}: recorded {was}, decided again {now}")
