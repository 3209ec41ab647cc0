"""Every figure of the status, from wherever it comes. Postgres has to be there; without the others the rest shows."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

from services.adapters.postgres.dead_letters import open_letters_before
from services.adapters.postgres.pool import Connection
from services.insight.status.stored import stored
from services.insight.status.streams import lag, redis_version
from services.issuer.brake import WINDOW_RECORDS
from services.runtime.settings import Settings, required
from services.terminal.addresses import postgres
from services.terminal.output import CommandError

TREND_SECONDS = 1.0
"""Between two looks at the lag."""

Figures = dict[str, Any]


async def figures(settings: Settings, trend_seconds: float = 0.0) -> Figures:
    """What the command shows, in the shape of its JSON, without the verdict. Raises CommandError without Postgres.

    What a server that is away would have told is null, and `servers` says why.
    """
    required(settings, "kafka_bootstrap_servers", "postgres_dsn")
    async with postgres(settings, "status", default_transaction_read_only="on") as connection:
        asked = asyncio.gather(
            lag(settings, trend_seconds), redis_version(settings), return_exceptions=True
        )
        try:
            found = await stored(connection, settings)
        finally:
            parts, redis = await asked
        away = {"kafka": _fault(parts), "postgres": None, "redis": _fault(redis)}
        known = not isinstance(parts, BaseException)
        rows = parts if not isinstance(parts, BaseException) else []
        paused = await _paused(connection, settings, rows)
    return {
        "lag": rows,
        "total_lag": sum(part["lag"] for part in rows) if known else None,
        "lag_per_second": round(sum(part["per_second"] for part in rows), 1)
        if known and trend_seconds
        else None,
        "paused": paused if known else None,
        **found,
        "versions": {
            "couponry": version("couponry"),
            **found["versions"],
            "redis": None if isinstance(redis, BaseException) else redis,
        },
        "servers": away,
    }


def _fault(answer: object) -> str | None:
    """Why a server cannot be asked; None if it answered. Anything but its absence is a bug, and goes up."""
    if isinstance(answer, CommandError):
        return answer.message
    if isinstance(answer, ConnectionError):
        return str(answer)
    if isinstance(answer, BaseException):
        raise answer
    return None


async def _paused(
    connection: Connection, settings: Settings, parts: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Partitions that an issuer's brake holds: judged like there, from what is stored before the next record."""
    nexts = {
        (part["topic"], part["partition"]): part["end"] - part["lag"]
        for part in parts
        if part["lag"]
    }
    if not settings.dead_letter_limit or not nexts:
        return []
    letters = await open_letters_before(connection, nexts, WINDOW_RECORDS)
    return [
        {"topic": topic, "partition": partition, "open": open_}
        for (topic, partition), open_ in sorted(letters.items())
        if open_ >= settings.dead_letter_limit
    ]
