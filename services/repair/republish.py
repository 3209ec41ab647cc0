"""`couponry republish`: send `coupon.issued` again for existing coupons, for a subscriber that lost some.

Each page of coupons goes into the outbox together with how far the run has come, so that a run that was killed and
resumed queues every coupon once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import click

from schemas.envelope import parse_time
from services.adapters.postgres import operations
from services.adapters.postgres.clock import clock
from services.adapters.postgres.operations import Operation
from services.adapters.postgres.pool import WAKE_RELAY, Connection
from services.adapters.postgres.queries import queries
from services.repair.bulk import (
    as_request,
    begin_or_resume,
    rate_option,
    reason_option,
    resumable,
    resume_option,
)
from services.repair.republishing import FIRST, Republisher, Unaccounted, Which
from services.runtime import crashpoints
from services.runtime.crashpoints import reach
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, postgres, reaching_postgres
from services.terminal.arguments import IDENTIFIER, instant, utf8_text
from services.terminal.output import (
    CommandError,
    dry_run_option,
    instant_text,
    json_option,
    print_json,
    progress,
    unknown_partner,
)
from services.terminal.pace import PROGRESS_SECONDS, Pace, Tick

NAME = "republish"
DEFAULT_PER_SECOND = 2_000
"""New coupons queue up behind what is sent again: a small share of the 30,000 a second that the relay can do."""
PAGE = 500
STATEMENT_TIMEOUT_MS = 600_000
"""Few coupons of a game among millions of others take one long look."""

_SQL = queries("republish", __package__)


@dataclass(slots=True, kw_only=True)
class Cursor:
    """How far a run has come: coupons with ids up to `after` are queued; those from `until` on are not its business."""

    after: UUID
    until: str

    def as_progress(self) -> dict[str, Any]:
        """As kept with an operation."""
        return {"after": str(self.after), "until": self.until}


@click.command()
@click.option("--game-id", type=IDENTIFIER)
@click.option("--partner-id", type=IDENTIFIER)
@click.option("--customer", type=utf8_text, metavar="ID", help="The customer's id.")
@click.option(
    "--from", "from_at", type=instant, metavar="TIME", help="Issued then or later, RFC 3339."
)
@click.option("--to", "to_at", type=instant, metavar="TIME", help="Issued before, RFC 3339.")
@dry_run_option
@rate_option(f"Default: {DEFAULT_PER_SECOND:,}.")
@resume_option
@reason_option
@json_option
def republish(
    dry_run: bool, rate: int | None, resume: bool, reason: str | None, as_json: bool, **asked: Any
) -> None:
    """Send coupon.issued again for existing coupons, whatever has become of them since.

    Same ce_id and data as the first time, with the header `couponry_republished: true`: whoever drops repeats by ce_id
    drops these too. Without a filter: all coupons there are. With --dry-run they are counted and nothing is queued.
    """
    if None not in (asked["from_at"], asked["to_at"]) and asked["from_at"] >= asked["to_at"]:
        raise click.UsageError("--from must be before --to")
    if resume and dry_run:
        raise click.UsageError("--dry-run keeps nothing that --resume could go on with")
    settings = command_settings()
    crashpoints.arm(settings.crash_at)
    per_second = DEFAULT_PER_SECOND if rate is None else rate or None
    report = asyncio.run(
        _count(settings, as_request(asked))
        if dry_run
        else _republish(settings, as_request(asked), per_second, resume=resume, reason=reason)
    )
    if as_json:
        print_json(report)
    elif dry_run:
        print(f"{report['coupons']:,} coupons would be republished; nothing was queued")
    else:
        print(f"{report['republished']:,} coupons republished")


async def _count(settings: Settings, request: Mapping[str, Any]) -> dict[str, Any]:
    """How many coupons the filters let through."""
    async with _connection(settings) as connection:
        which = await _which(connection, request)
        number = await connection.fetchval(_SQL["count_coupons"], FIRST, *which.arguments)
    return {"coupons": number, "republished": 0, "dry_run": True}


async def _republish(
    settings: Settings,
    request: Mapping[str, Any],
    per_second: int | None,
    *,
    resume: bool,
    reason: str | None,
) -> dict[str, Any]:
    async with _connection(settings) as connection:

        async def at_first() -> dict[str, Any]:
            await _which(connection, request)
            # Without an end of its own a run would never catch up with what is being issued.
            until = request.get("to_at") or instant_text(
                await clock(connection, settings.clock_offset)
            )
            return Cursor(after=FIRST, until=until).as_progress()

        operation = await begin_or_resume(
            connection, NAME, request=request, resume=resume, reason=reason, at_first=at_first
        )
        with resumable(NAME), reaching_postgres(settings):
            await _queue_all(connection, operation, settings, Pace(per_second))
            await operations.finish(connection, operation)
    number = operation.counts.get("republished", 0)
    return {
        "coupons": number,
        "republished": number,
        "dry_run": False,
        "operation": operation.id,
        "resumed": operation.resumed,
    }


async def _queue_all(
    connection: Connection, operation: Operation, settings: Settings, pace: Pace
) -> None:
    """Page by page, each a transaction of its own."""
    kept = operation.progress
    cursor = Cursor(after=UUID(kept["after"]), until=kept["until"])
    which = await _which(connection, {**operation.request, "to_at": cursor.until})
    republisher = Republisher(connection, mask_codes=settings.mask_codes)
    page = min(PAGE, settings.batch_max_records)
    total, telling = operation.counts.get("republished", 0), Tick(PROGRESS_SECONDS)
    while True:
        try:
            async with connection.transaction():
                cursor.after, count = await republisher.queue(which, cursor.after, page)
                operation.progress = cursor.as_progress()
                await operations.move(connection, operation)
                await operations.add_counts(connection, operation, {"republished": count})
        except Unaccounted as error:
            raise CommandError(str(error)) from None
        if not count:
            return
        reach("republish.after_commit")
        await connection.execute(WAKE_RELAY)
        total += count
        if telling.is_due():
            progress(f"republish: {total:,} coupons queued")
        await pace.take(count)


async def _which(connection: Connection, request: Mapping[str, Any]) -> Which:
    """The filters as the database knows them. Raises CommandError for a game, partner or customer that is unknown."""
    game_id, partner_id = request.get("game_id"), request.get("partner_id")
    if game_id is not None and not await connection.fetchval(_SQL["game_exists"], game_id):
        raise CommandError(f"game {game_id} does not exist: see `couponry games list`")
    if partner_id is not None and not await connection.fetchval(_SQL["partner_exists"], partner_id):
        raise unknown_partner(partner_id)
    numbers: list[int] | None = None
    if (customer := request.get("customer")) is not None:
        rows = await connection.fetch(_SQL["customer_numbers"], customer, partner_id)
        numbers = [row["customer_no"] for row in rows]
        if not numbers:
            raise CommandError(f"customer {customer!r} is unknown: nothing was ever decided for it")
    return Which(
        game_id=game_id,
        partner_id=partner_id,
        customer_nos=numbers,
        from_at=parse_time(request["from_at"]) if "from_at" in request else None,
        to_at=parse_time(request["to_at"]) if "to_at" in request else None,
    )


def _connection(settings: Settings) -> Any:
    return postgres(
        settings,
        NAME,
        statement_timeout=str(STATEMENT_TIMEOUT_MS),
        plan_cache_mode="force_custom_plan",
    )
