"""`couponry verify` over what a run has left, without the topics: there are none."""

from __future__ import annotations

from typing import Any

import asyncpg

from services.insight.verify.run import IN_THE_DATABASE
from services.insight.verify.scan import Findings, Scan
from services.runtime.settings import Settings


async def verified(pool: asyncpg.Pool) -> list[str]:
    """What it finds."""
    findings = Findings(progress=lambda _: None)
    connection: Any
    async with pool.acquire() as connection:
        scan = Scan(settings=Settings(), connection=connection, findings=findings)
        for check in IN_THE_DATABASE.values():
            await check(scan)
    return [f"{each.invariant}: {each.detail}" for each in findings.violations()]
