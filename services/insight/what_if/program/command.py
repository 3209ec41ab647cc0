"""`couponry what-if --partner-id N --program FILE` on the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from services.insight.what_if.program.report import document, show
from services.insight.what_if.program.run import Tried, try_program
from services.runtime.settings import Settings, required
from services.terminal.addresses import command_settings, postgres
from services.terminal.output import print_exact_json, progress

ONE_STEP_MS: Final = 600_000
"""For what Postgres sorts first, and for the topics, which are read in the same snapshot."""


def what_if_program(partner_id: int, file: Path, *, as_json: bool) -> bool:
    """Say what would differ. False: nothing was to be changed, and it did not come out as recorded."""
    settings = command_settings()
    required(settings, "postgres_dsn", "kafka_bootstrap_servers")
    tried = asyncio.run(_try(settings, partner_id, file))
    if as_json:
        print_exact_json(document(tried))
    else:
        show(tried)
    if tried.changed or not tried.differences.differing:
        return True
    progress(
        f"what-if: WARNING: the recorded program leaves {tried.differences.differing:,} customers otherwise than"
        " recorded, so the difference cannot be relied upon"
    )
    return False


async def _try(settings: Settings, partner_id: int, file: Path) -> Tried:
    async with postgres(
        settings,
        "what-if",
        default_transaction_read_only="on",
        statement_timeout=str(ONE_STEP_MS),
        idle_in_transaction_session_timeout=str(ONE_STEP_MS),
        jit="off",
    ) as connection:
        async with connection.transaction(readonly=True, isolation="repeatable_read"):
            return await try_program(settings, connection, partner_id, file)
