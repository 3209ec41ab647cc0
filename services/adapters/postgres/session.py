"""A session, and whether it is what it was asked to be: a role, a search path, one server process from begin to end.

What it was asked for travels with the log-in, so whatever stands between can lose it: a pooler, or settings of the role
or the database.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg

from services.adapters.postgres.queries import queries
from services.runtime.settings import SettingsError

ROUNDS = 2
ATTEMPTS = 2
PATIENCE_SECONDS = 3.0

LETS_GO: tuple[type[asyncpg.PostgresError], ...] = (
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresSystemError,
)
"""After these the server will not do the next thing either: look for one that does."""

LOST_STATEMENTS = (
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.ProtocolViolationError,
)
"""What a session hears whose statements are another's: it was lent another server process meanwhile."""
_SQL = queries("session")


class Session(asyncpg.Connection):
    """`may_copy`: COPY is not refused to its role. `let_go` is called when the server is of no use any more."""

    may_copy: bool = True
    let_go: Callable[[], Awaitable[None]] | None = None


def _watched(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def watched(self: Session, *arguments: Any, **options: Any) -> Any:
        try:
            return await method(self, *arguments, **options)
        except LETS_GO:
            if self.let_go:
                await self.let_go()
            raise

    return watched


for _name in (
    "execute", "executemany", "fetch", "fetchmany", "fetchrow", "fetchval", "copy_records_to_table",
):  # fmt: skip
    setattr(Session, _name, _watched(getattr(asyncpg.Connection, _name)))


async def examine(
    session: asyncpg.Connection, role: str | None, search_path: str, *, of_one_partner: bool
) -> None:
    """Note what the session may do. Raises SettingsError, one line, if it is not of this role, or sees more than it
    should.
    """
    row = await session.fetchrow(_SQL["who_am_i"])
    assert row is not None
    if isinstance(session, Session):
        session.may_copy = row["sees_every_row"]
    if role is not None and row["role"] != role:
        raise SettingsError(
            f"COUPONRY_POSTGRES_DSN: the session's role is {row['role']!r} and should be {role!r}: connect to Postgres"
            " itself, or through a pooler that keeps sessions and passes their settings on"
        )
    if of_one_partner and row["sees_every_row"]:
        raise SettingsError(
            f"COUPONRY_POSTGRES_DSN: role {role!r} bypasses row-level security and would see every partner:"
            f" ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS"
        )
    if row["search_path"] != search_path:
        raise SettingsError(
            f"COUPONRY_POSTGRES_DSN: the session's search_path is {row['search_path']!r} and should be"
            f" {search_path!r}: connect to Postgres itself, or through a pooler that passes session settings on"
        )


async def keeps_sessions(
    session: asyncpg.Connection, another: Callable[[], Awaitable[asyncpg.Connection]]
) -> bool:
    """Whether each of two sessions, at work in turns, has a server process to itself; False behind a pooler that lends
    one out for a transaction. Raises what an outage raises.

    Where one waits for what the other holds, again and again while it is answered alone, there is one to be lent. A
    server that is merely slow answers neither.
    """
    for _ in range(ATTEMPTS):
        try:
            other = await another()
        except (OSError, asyncpg.PostgresError, asyncpg.InternalClientError):
            return True  # no room for a second one: nothing is known, and nothing is wrong with the first
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return are_sessions(*await _seen_in_turns(session, other))
        except TimeoutError:
            other.terminate()
            await session.execute("ROLLBACK", timeout=PATIENCE_SECONDS)
        except LOST_STATEMENTS:
            return False
        except asyncpg.PostgresConnectionError as error:
            if "pooling" not in str(error):
                raise
            return False  # one that lends for a statement, and refuses transactions
        finally:
            other.terminate()
    return False


async def _seen_in_turns(
    session: asyncpg.Connection, other: asyncpg.Connection
) -> tuple[list[str], list[str]]:
    """The server processes that each saw: one within a transaction while the other asks, and the other way round."""
    seen: tuple[list[str], list[str]] = ([], [])
    both = (session, other)
    for _ in range(ROUNDS):
        for holds, asks in ((1, 0), (0, 1)):
            await both[holds].execute("BEGIN")
            for each in (holds, asks):
                seen[each].append(await both[each].fetchval(_SQL["which_process"]))
            await both[holds].execute("ROLLBACK")
    return seen


def are_sessions(first: Sequence[str], second: Sequence[str]) -> bool:
    """The same from the processes that two of them saw: one each, and not the same."""
    return len(set(first)) <= 1 and len(set(second)) <= 1 and not set(first) & set(second)
