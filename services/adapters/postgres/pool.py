"""Connections: every session has a role, a search path and limits on how long it may wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from services.adapters.postgres.hosts import reach
from services.adapters.postgres.session import (
    LOST_STATEMENTS,
    Session,
    examine,
    keeps_sessions,
)
from services.runtime.settings import Settings, SettingsError, required

SCHEMA = "couponry"
WORKER_ROLE = "couponry_worker"
API_ROLE = "couponry_api"
OUTBOX_CHANNEL = "couponry_outbox"
WAKE_RELAY = f"NOTIFY {OUTBOX_CHANNEL}"
"""A statement of its own after the commit: inside the transaction it halves the rate of commits."""

POOLER = (
    "a pooler stands before Postgres that does not keep sessions (transaction mode):"
    " connect to Postgres itself, or through a pooler in session mode that passes session settings on"
)

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
    settings: Settings,
    application: str,
    *,
    role: str | None = WORKER_ROLE,
    **overrides: str,
) -> asyncpg.Connection:
    """One connection; `overrides` are server settings. `role=None` keeps the login role (migrations).

    Who says that it writes nothing (`default_transaction_read_only`) may meet a standby. Raises SettingsError for a
    session that is not what was asked for.
    """
    (dsn,) = required(settings, "postgres_dsn")
    server_settings = session_settings(settings, role or "none", application) | overrides
    writes = overrides.get("default_transaction_read_only") != "on"
    return await _connected(dsn, role, writes=writes, server_settings=server_settings)


async def open_pool(
    settings: Settings,
    application: str,
    *,
    role: str = WORKER_ROLE,
    min_size: int = 1,
    max_size: int = 4,
    **overrides: str,
) -> asyncpg.Pool:
    """A pool of such connections. Whoever borrows one leaves nothing behind: see `_keep`.

    When one of them hears that the server takes no writes any more, or refuses, all are let go as they come back.
    """
    (dsn,) = required(settings, "postgres_dsn")
    pool: asyncpg.Pool | None = None
    sessions: list[Session] = []

    async def another(*_: Any, **options: Any) -> Session:
        try:
            session = await _connected(dsn, role, **options)
        except SettingsError as error:
            if pool is None:
                raise
            raise ConnectionError(str(error)) from None  # it was right when we started: an outage
        if pool is None:
            sessions.append(session)
        else:
            session.let_go = pool.expire_connections
        return session

    pool = await asyncpg.create_pool(
        dsn,
        connect=another,
        connection_class=Session,
        min_size=min_size,
        max_size=max_size,
        server_settings=session_settings(settings, role, application) | overrides,
        command_timeout=settings.statement_timeout_ms / 1000 + 5,
        reset=_keep,
    )
    for session in sessions:
        session.let_go = pool.expire_connections
    return pool


_known: set[str] = set()
"""Addresses behind which sessions are kept, asked once by a process."""


async def _connected(dsn: str, role: str | None, *, writes: bool = True, **options: Any) -> Session:
    options |= {"connection_class": Session}
    try:
        session = cast(Session, await reach(dsn, writes=writes, **options))
    except asyncpg.ProtocolViolationError as error:
        if "startup parameter" not in str(error):
            raise
        raise SettingsError(
            f"COUPONRY_POSTGRES_DSN: a pooler stands before Postgres and refuses session settings ({error}): connect"
            " to Postgres itself, or through a pooler in session mode that passes them on"
        ) from None
    except asyncpg.InsufficientPrivilegeError as error:
        if role is None:
            raise
        raise SettingsError(
            f"COUPONRY_POSTGRES_DSN: its login may not work as role {role!r} ({error}):"
            f" migrate with it, or GRANT {role} TO it"
        ) from None
    try:
        await examine(session, role, SCHEMA, of_one_partner=role == API_ROLE)
        if dsn not in _known:
            if not await keeps_sessions(session, lambda: reach(dsn, writes=writes, **options)):
                raise SettingsError(f"COUPONRY_POSTGRES_DSN: {POOLER}")
            _known.add(dsn)
    except LOST_STATEMENTS:
        session.terminate()
        raise SettingsError(f"COUPONRY_POSTGRES_DSN: {POOLER}") from None
    except BaseException:
        session.terminate()
        raise
    return session


async def _keep(connection: asyncpg.Connection) -> None:
    """Instead of a round trip each time: every setting and lock of ours ends with its transaction."""
    if connection.is_in_transaction():  # whoever was in it was cancelled
        await connection.reset()


@asynccontextmanager
async def waking_relay(connection: Connection, last: str = "") -> AsyncIterator[None]:
    """A transaction that wakes the relay with its commit, in one round trip; an exception rolls it back.

    `last`: a statement of its own, values in its text, that goes with the commit and costs no trip.

    By hand, because asyncpg's own can only commit. Inside use savepoints, not `connection.transaction()`.
    """
    await connection.execute("BEGIN")
    try:
        yield
        # Two statements of one message: the notification has a transaction of its own, after the commit.
        await connection.execute(f"{last}{'; ' if last else ''}COMMIT; {WAKE_RELAY}")
    except BaseException:
        if not connection.is_closed() and connection.is_in_transaction():
            await connection.execute("ROLLBACK")
        raise


@asynccontextmanager
async def kept_if(keeps: bool, connection: Connection) -> AsyncIterator[Connection]:
    """A transaction, committed at the end of the block if it is to be kept; else, or for an exception, rolled back."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    except BaseException:
        if not connection.is_closed():
            await transaction.rollback()
        raise
    await (transaction.commit() if keeps else transaction.rollback())
