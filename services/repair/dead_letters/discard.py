"""Give dead letters up: the rows stay, with who did it and why, and the brake counts them no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.adapters.postgres import dead_letters, operations
from services.adapters.postgres.dead_letters import Selection
from services.adapters.postgres.operations import Operation
from services.adapters.postgres.pool import Connection
from services.repair.bulk import begin_or_resume, resumable
from services.repair.dead_letters.filters import from_request
from services.runtime.crashpoints import reach
from services.runtime.settings import Settings
from services.terminal.addresses import postgres, reaching_postgres
from services.terminal.output import progress
from services.terminal.pace import PROGRESS_SECONDS, Pace, Tick

NAME = "discard"
PAGE = 1_000


async def run(
    settings: Settings,
    request: Mapping[str, Any],
    per_second: int | None,
    *,
    dry_run: bool,
    resume: bool,
    reason: str | None,
) -> dict[str, Any]:
    """The whole of `dead-letters discard`, and its report. Raises CommandError or SettingsError."""
    page = min(PAGE, settings.batch_max_records)
    async with postgres(settings, NAME) as connection:
        asked = discardable(await from_request(settings, connection, request))
        if dry_run:
            count = await discard_all(connection, asked, page=page, per_second=None)
            return {"matched": count, "discarded": 0, "dry_run": True}

        async def at_first() -> dict[str, Any]:
            return {}

        operation = await begin_or_resume(
            connection, NAME, request=request, resume=resume, reason=reason, at_first=at_first
        )
        selection = discardable(await from_request(settings, connection, operation.request))
        with resumable(f"dead-letters {NAME}"), reaching_postgres(settings):
            await discard_all(
                connection, selection, page=page, per_second=per_second, operation=operation
            )
            await operations.finish(connection, operation)
    count = operation.counts.get("discarded", 0)
    return {
        "matched": count,
        "discarded": count,
        "dry_run": False,
        "operation": operation.id,
        "resumed": operation.resumed,
    }


def discardable(selection: Selection) -> Selection:
    """Open letters only: of the others something has come already."""
    states = ["open"] if selection.states is None else selection.states
    return replace(selection, states=[state for state in states if state == "open"])


async def discard_all(
    connection: Connection,
    selection: Selection,
    *,
    page: int,
    per_second: int | None,
    operation: Operation | None = None,
) -> int:
    """Discard everything the selection lets through; without an operation only count. Returns how many."""
    pace, telling = Pace(per_second), Tick(PROGRESS_SECONDS)
    total = after = 0
    while found := await dead_letters.page(connection, selection, after=after, limit=page):
        after = found[-1]["id"]
        count = len(found)
        if operation is not None:
            async with connection.transaction():
                ids = [row["id"] for row in found]
                count = await dead_letters.close(connection, operation.id, ids, "discarded")
                await operations.add_counts(connection, operation, {"discarded": count})
            reach("discard.after_commit")
            await pace.take(count)
        total += count
        if telling.is_due():
            progress(f"discard: {total:,} letters")
    return total
