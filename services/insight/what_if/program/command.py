"""`couponry what-if --partner-id N --program FILE` on the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.insight.what_if.program.report import document, show
from services.insight.what_if.program.run import Tried, try_program
from services.insight.what_if.program.snapshot import reading
from services.runtime.settings import Settings, required
from services.terminal.addresses import command_settings
from services.terminal.output import print_exact_json, progress


def what_if_program(partner_id: int, file: Path, *, workers: int | None, as_json: bool) -> bool:
    """Say what would differ. False: nothing was to be changed, and it did not come out as recorded."""
    settings = command_settings()
    required(settings, "postgres_dsn", "kafka_bootstrap_servers")
    tried = asyncio.run(_try(settings, partner_id, file, workers))
    if as_json:
        print_exact_json(document(tried))
    else:
        show(tried)
    differences = tried.found.differences
    if tried.changed or not differences.differing:
        return True
    progress(
        f"what-if: WARNING: the recorded program leaves {differences.differing:,} customers otherwise than"
        " recorded, so the difference cannot be relied upon"
    )
    return False


async def _try(settings: Settings, partner_id: int, file: Path, workers: int | None) -> Tried:
    async with reading(settings) as connection:
        return await try_program(settings, connection, partner_id, file, workers)
