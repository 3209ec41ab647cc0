"""Connections: every session has a role, a search path and limits on how long it may wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from services.runtime.settings import Settings, required

SCHEMA = "couponry"
WORKER_ROLE = "couponry_worker"
API_ROLE = "couponry_api"

OUTBOX_CHANNEL = "couponry_outbox"
WAKE_RELAY = f"NOTIFY {OUTBOX_CHANNEL}"
"""A statement of its own after the commit: inside the transaction it halves the rate of commits."""

CONNECT_TIMEOUT_SECONDS = 10.0

Connection: TypeAlias = "asyncpg.Connection | PoolConnectionProxy"
"""One of its own, or one that a pool has lent."""


def session_settings(settings: Settings, role: str, application: str) -> dict[str, str]:
    """Server settings of a worker session.

    Keyed look-ups must use the index however small the tables were when the statement was planned: a join on
    `unnest` that is planned while tables are empty otherwise keeps its sequential scan and halves the rate.
    """
    return {
        "role": role,
        "search_path": SCHEMA,
        "application_name": application,
        "timezone": "UTC",
        "statement_timeout": str(settings.statement_timeout_ms),
        "lock_timeout": str(settings.lock_timeout_ms),
        "idle_in_transaction_session_timeout": str(settings.idle_in_transaction_timeout_ms),
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }


async def connect(
    settings: Settings, application: str, *, role: str | None = WORKER_ROLE, **overrides: str
) -> asyncpg.Connection:
    """One connection; `overrides` are server settings. `role=None` keeps the login role (migrations)."""
    (dsn,) = required(settings, "postgres_dsn")
    server_settings = session_settings(settings, role or "none", application) | overrides
    return await asyncpg.connect(
        dsn, server_settings=server_settings, timeout=CONNECT_TIMEOUT_SECONDS
    )


async def open_pool(
    settings: Settings,
    application: str,
    *,
    role: str = WORKER_ROLE,
    min_size: int = 1,
    max_size: int = 4,
    **overrides: str,
) -> asyncpg.Pool:
    """A pool of such connections. Whoever borrows one leaves nothing behind: see `_keep`."""
    (dsn,) = required(settings, "postgres_dsn")
    pool: asyncpg.Pool = await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        server_settings=session_settings(settings, role, application) | overrides,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=settings.statement_timeout_ms / 1000 + 5,
        reset=_keep,
    )
    return pool


async def _keep(connection: asyncpg.Connection) -> None:
    """Instead of a round trip each time: every setting and lock of ours ends with its transaction."""
    if connection.is_in_transaction():  # whoever was in it was cancelled
        await connection.reset()


@asynccontextmanager
async def waking_relay(connection: Connection) -> AsyncIterator[None]:
    """A transaction that wakes the relay with its commit, in one round trip; an exception rolls it back.

    By hand, because asyncpg's own can only commit. Inside use savepoints, not `connection.transaction()`.
    """
    await connection.execute("BEGIN")
    try:
        yield
        # Two statements of one message: the notification has a transaction of its own, after the commit.
        await connection.execute(f"COMMIT; {WAKE_RELAY}")
    except BaseException:
        if not connection.is_closed() and connection.is_in_transaction():
            await connection.execute("ROLLBACK")
        raise
