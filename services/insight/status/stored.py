"""What Postgres knows of how things stand: what waits, what died, what is overdue, who is at work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from services.adapters.postgres import waiting
from services.adapters.postgres.clock import own_clock
from services.adapters.postgres.dead_letters import STATES
from services.adapters.postgres.migrate import migrations
from services.adapters.postgres.operations import LOCK_CLASS
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.runtime.processes import PROCESSES
from services.runtime.settings import Settings

RATE_SECONDS = 10
"""Decisions per second is the mean over this long."""
MOST_OVERDUE = 10_000
"""Counted no further: whether a sweeper is needed shows before that."""
MOST_DELIVERIES = 10_000
"""Of each partner and kind, likewise."""
FAILED_TRIES = 4
"""By the usual schedule a partner's own system has not taken a coupon for two and a half minutes then."""
GIVEN_UP_WITHIN = timedelta(days=1)

MOST_WAITING = 1_000
"""Named one by one."""

_SQL = queries("status", __package__)


async def stored(connection: Connection, settings: Settings) -> dict[str, Any]:
    """The part of the status that comes out of Postgres, in the shape of its JSON."""
    (server,) = await connection.fetch(_SQL["server"])
    ahead = server["at"] - own_clock()
    (outbox,) = await connection.fetch(_SQL["outbox"])
    decided = await connection.fetchval(
        _SQL["decisions_since"], settings.clock_offset, timedelta(seconds=RATE_SECONDS)
    )
    (sweeping,) = await connection.fetch(_SQL["sweeping"], settings.clock_offset, MOST_OVERDUE)
    (accounts,) = await connection.fetch(_SQL["accounts_due"], settings.clock_offset, MOST_OVERDUE)
    deliveries = await connection.fetch(
        _SQL["deliveries"],
        settings.clock_offset,
        MOST_DELIVERIES,
        FAILED_TRIES,
        GIVEN_UP_WITHIN,
    )
    operations = await connection.fetch(_SQL["operations"], LOCK_CLASS)
    async with connection.transaction():
        # A worker's role is not shown what other sessions are; the login role that all of them share is.
        await connection.execute("SET LOCAL ROLE NONE")
        sessions = await connection.fetch(_SQL["sessions"])
    return {
        "at": server["at"],
        "clock_ahead_seconds": round(ahead.total_seconds(), 1),
        "decisions_per_second": decided / RATE_SECONDS,
        "outbox": {
            "depth": outbox["depth"],
            "oldest_age_seconds": outbox["oldest_age_seconds"],
        },
        "unpublishable": outbox["unpublishable"],
        "unpublishable_reason": outbox["unpublishable_reason"],
        "waiting": [
            {
                name: row[name]
                for name in ("partner_id", "topic", "partition", "offset", "why", "todo")
            }
            for row in await waiting.listed(connection, MOST_WAITING)
        ],
        "ids_reused": await connection.fetchval(_SQL["ids_reused"]),
        **_letters(await connection.fetch(_SQL["dead_letters"])),
        "sweeper": dict(sweeping) | dict(accounts),
        "deliveries": [dict(row) for row in deliveries],
        "operations": [dict(row) for row in operations],
        "sessions": dict.fromkeys(PROCESSES, 0)
        | {row["process"]: row["sessions"] for row in sessions},
        "versions": await _versions(connection, server["version"]),
    }


def _letters(rows: list[Any]) -> dict[str, Any]:
    by_state = dict.fromkeys(STATES, 0)
    for row in rows:
        by_state[row["state"]] += row["letters"]
    still_open = [row for row in rows if row["state"] == "open"]
    oldest = min(still_open, key=lambda row: row["oldest_at"], default=None)
    return {
        "dead_letters": by_state,
        "emptied_dead_letters": sum(row["emptied"] for row in rows),
        "open_dead_letters": {
            "oldest_at": oldest and oldest["oldest_at"],
            "oldest_age_seconds": max((row["oldest_age_seconds"] for row in still_open), default=0),
            "by_stage": {row["stage"]: row["letters"] for row in still_open},
        },
    }


async def _versions(connection: Connection, postgres: str) -> Mapping[str, Any]:
    """Ours are added by `figures`. `schema_missing`: what `couponry migrate` would apply."""
    applied = [row["name"] for row in await connection.fetch(_SQL["applied"])]
    return {
        "schema": applied[-1] if applied else None,
        "schema_missing": [one.name for one in migrations() if one.name not in applied],
        "postgres": postgres,
    }
