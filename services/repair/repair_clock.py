"""`couponry repair-clock`: give customers their time back that were touched while the database's clock was wrong.

Nobody's time runs backwards, so a customer who was decided for at an instant of next year would be decided for at that
instant until next year; and a coupon issued then would end on a wrong day. What was decided stays as it was recorded:
mended are the customers' newest instants, and what follows from a wrong one (the end of a coupon, of a reservation).
Page by page, each a transaction that also keeps how far the run has come. What was mended is not mended again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import click

from schemas.envelope import parse_time
from services.adapters.postgres import operations
from services.adapters.postgres.clock import OWN_CLOCK, clock
from services.adapters.postgres.operations import Operation
from services.adapters.postgres.pool import Connection, kept_if
from services.adapters.postgres.queries import queries
from services.domain.clocks import MAX_CLOCK_DISTANCE
from services.repair.bulk import (
    as_request,
    begin_or_resume,
    reason_option,
    resumable,
    resume_option,
    through_outages,
)
from services.runtime import crashpoints
from services.runtime.crashpoints import reach
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, postgres, reaching_postgres
from services.terminal.arguments import instant
from services.terminal.output import dry_run_option, json_option, print_json, progress
from services.terminal.pace import PROGRESS_SECONDS, Tick

NAME = "repair-clock"
PAGE_CUSTOMERS = 1_000
STATEMENT_TIMEOUT_MS = 600_000
"""How far the clock was off is found in one look at the decisions of the time."""
COUNTS = ("customers", "coupons", "reservations", "ended_early")

_SQL = queries("repair_clock", __package__)


@click.command("repair-clock")
@click.option(
    "--from",
    "from_at",
    type=instant,
    metavar="TIME",
    help="The first wrong instant, by the clock that was wrong.",
)
@click.option(
    "--to",
    "to_at",
    type=instant,
    metavar="TIME",
    help="The first instant that is none, by the same clock.",
)
@dry_run_option
@resume_option
@reason_option
@json_option
def repair_clock(
    dry_run: bool, resume: bool, reason: str | None, as_json: bool, **asked: datetime | None
) -> None:
    """Give customers their time back after the database's clock was wrong, once it is right again.

    Customers whose newest instant lies between the two and ahead of now are decided for at once again. Coupons issued
    between them end as if they had been issued when it really was; reservations keep their length. Run it once for each
    jump of the clock. JSON: customers, coupons, reservations, ended_early (coupons that the wrong clock expired; they
    stay so), shift_seconds, dry_run.
    """
    if not resume and None in asked.values():
        raise click.UsageError(
            "--from and --to name the instants that were wrong, such as 2026-05-01T09:30:00Z"
        )
    if None not in asked.values() and asked["from_at"] >= asked["to_at"]:  # type: ignore[operator]
        raise click.UsageError("--from must be before --to")
    if resume and dry_run:
        raise click.UsageError("--dry-run keeps nothing that --resume could go on with")
    settings = command_settings()
    crashpoints.arm(settings.crash_at)
    report = asyncio.run(
        _run(settings, as_request(asked), dry_run=dry_run, resume=resume, reason=reason)
    )
    if as_json:
        print_json(report)
        return
    verb = "would get" if dry_run else "got"
    print(
        f"{report['customers']:,} customers {verb} their time back, {report['coupons']:,} coupons another end, "
        f"{report['reservations']:,} reservations another end; the clock was off by {report['shift_seconds']:,} s"
    )
    if report["ended_early"]:
        print(
            f"{report['ended_early']:,} coupons were expired by the wrong clock and stay expired: issue others by hand"
        )


async def _run(
    settings: Settings, request: Mapping[str, Any], *, dry_run: bool, resume: bool, reason: str | None
) -> dict[str, Any]:  # fmt: skip
    timeout = str(STATEMENT_TIMEOUT_MS)
    async with postgres(settings, NAME, statement_timeout=timeout) as connection:

        async def at_first() -> dict[str, Any]:
            at = await clock(connection, settings.clock_offset)
            OWN_CLOCK.check(at - settings.clock_offset)
            shift = await connection.fetchval(
                _SQL["shift"], *_span(request), at, settings.clock_offset, MAX_CLOCK_DISTANCE
            )
            return {"after": 0, "shift_seconds": shift.total_seconds()}

        if dry_run:
            operation = Operation(id=0, request=dict(request), progress=await at_first())
            counts = await _mend_all(connection, operation, settings, dry_run=True)
            return _report(counts, operation, dry_run=True)
        operation = await begin_or_resume(
            connection, NAME, request=request, resume=resume, reason=reason, at_first=at_first
        )
        with resumable(NAME), reaching_postgres(settings):
            await _mend_all(connection, operation, settings)
            await operations.finish(connection, operation)
        return _report(operation.counts, operation)


def _report(
    counts: Mapping[str, int], operation: Operation, *, dry_run: bool = False
) -> dict[str, Any]:
    report: dict[str, Any] = {name: counts.get(name, 0) for name in COUNTS}
    report |= {"shift_seconds": operation.progress["shift_seconds"], "dry_run": dry_run}
    return report if dry_run else report | {"operation": operation.id, "resumed": operation.resumed}


async def _mend_all(
    connection: Connection, operation: Operation, settings: Settings, *, dry_run: bool = False
) -> Counter[str]:
    """Page by page to the last customer. Returns what this process did."""
    counts: Counter[str] = Counter()
    looked_at, telling = 0, Tick(PROGRESS_SECONDS)
    while True:
        after = operation.progress["after"]
        end = await connection.fetchval(_SQL["end_of_page"], after, PAGE_CUSTOMERS)
        if end is None:
            return counts
        counts += await through_outages(
            partial(_mend_page, connection, operation, settings, end, dry_run=dry_run)
        )
        operation.progress["after"] = end
        reach("repair_clock.after_page")
        looked_at += PAGE_CUSTOMERS
        if telling.is_due():
            progress(f"{NAME}: {looked_at:,} customers looked at, {counts['customers']:,} mended")


async def _mend_page(
    connection: Connection, operation: Operation, settings: Settings, end: int, *, dry_run: bool
) -> Counter[str]:
    """One transaction; of a dry run, rolled back."""
    span, offset = _span(operation.request), settings.clock_offset
    counts: Counter[str] = Counter()
    async with kept_if(not dry_run, connection):
        after = operation.progress["after"]
        found = await connection.fetch(_SQL["touched"], after, end, *span, offset)
        if numbers := [row["customer_no"] for row in found]:
            (held,) = await connection.fetch(_SQL["hold"], numbers, offset)
            OWN_CLOCK.check(held["at"] - offset)
            counts = await _mend(connection, operation, numbers, held["at"], settings)
        if not dry_run:
            moved = Operation(
                id=operation.id, request=operation.request, progress=operation.progress | {"after": end}
            )  # fmt: skip
            await operations.move(connection, moved)
            await operations.add_counts(connection, operation, counts)
    return counts


async def _mend(
    connection: Connection, operation: Operation, numbers: list[int], at: datetime, settings: Settings
) -> Counter[str]:  # fmt: skip
    """These customers, locked."""
    span = _span(operation.request)
    shift = timedelta(seconds=operation.progress["shift_seconds"])
    await connection.execute(_SQL["begin_mending"])
    mended: asyncpg.Record
    (mended,) = await connection.fetch(
        _SQL["mend"], numbers, *span, shift, at, settings.clock_offset, operation.id, list(settings.expiring_lead_hours)
    )  # fmt: skip
    given = await connection.execute(_SQL["give_back"], numbers, *span, at)
    return Counter(dict(mended)) + Counter(customers=int(given.split()[-1]))


def _span(request: Mapping[str, Any]) -> tuple[datetime, datetime]:
    return parse_time(request["from_at"]), parse_time(request["to_at"])
