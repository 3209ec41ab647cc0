"""Which events have no decision yet, for who turns some away before they are decided. Nobody is locked."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from services.adapters.postgres import inbox
from services.adapters.postgres.pool import Connection
from services.domain.arrival import Incoming


async def undecided(
    connection: Connection | asyncpg.Pool, arrivals: Sequence[Incoming]
) -> list[Incoming]:
    """Those of the events. Raises KeyCollision when a stored key belongs to another event."""
    return await inbox.undecided(connection, arrivals)
