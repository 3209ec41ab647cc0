"""Schema changes: plain SQL files under `migrations/`, applied forward only, each in its own transaction.

What Postgres does outside a transaction alone, such as `CREATE INDEX CONCURRENTLY`, stands in a file whose first line
is `-- outside a transaction`. Its statements are run one by one, so a run that is killed leaves some of them done: each
is written such that doing it again does nothing (`IF NOT EXISTS`, `IF EXISTS`), and an index that was begun and never
became valid is dropped and built anew. The file is logged when all of it is done.

A file `NNNN_words.sql` is applied once, in the order of its number, and never edited afterwards: its SHA-256 is kept
in `schema_migrations` and compared on every run. Several processes may migrate at once; an advisory lock lets one
work while the others wait and then find nothing left to do. They ask for it now and then: one statement that waits
would hold up an index that is built concurrently, which waits for every statement.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import asyncpg

from services.adapters.postgres.pool import SCHEMA, connect
from services.adapters.postgres.queries import queries
from services.runtime.settings import Settings

LOCK_KEY = 0x636F75706F6E7279
"""The advisory lock, "couponry" in ASCII. It holds for one database, and goes with the session that took it."""

TURN_SECONDS = 0.2
"""Between two looks at whether another migration has ended."""
TELL_SECONDS = 5.0

OUTSIDE = "-- outside a transaction"
"""The first line of a file whose statements are run one by one. Each ends with a semicolon at the end of a line."""

_FILE_NAME = re.compile(r"^(\d{4})_(\w+)\.sql$")
_STATEMENT_END = re.compile(r";\s*$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)


class MigrationError(Exception):
    """The schema cannot be brought up to date. The message is one line that says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file: its number, its name without `.sql`, its text and the SHA-256 of that text."""

    version: int
    name: str
    sql: str
    checksum: bytes

    @property
    def is_outside(self) -> bool:
        """Its statements cannot be in a transaction."""
        return self.sql.startswith(OUTSIDE + "\n")

    def statements(self) -> list[str]:
        """One by one, without comments."""
        parts = _STATEMENT_END.split(_COMMENT.sub("", self.sql))
        return [part.strip() for part in parts if part.strip()]


async def migrate(
    settings: Settings, progress: Callable[[str], None] = lambda _line: None
) -> list[str]:
    """Apply what is missing and return the names applied, oldest first; empty when up to date.

    `progress` is told what is waited for, what is being applied, and every few seconds for how long.

    Raises MigrationError when the database does not fit these files or refuses one of them. What was applied before
    the refusal stays, because each file is a transaction of its own, or a row of statements that may be run again.
    """
    sql = queries("migrate")
    async with _session(settings) as connection:
        async with _telling("waiting for another migration of this database", progress):
            while not await connection.fetchval(sql["take_turn"], LOCK_KEY):  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(TURN_SECONDS)
        try:
            await connection.execute(sql["create_schema"])
            await connection.execute(sql["create_log"])
            await connection.execute(sql["make_plain_roles"])
            await connection.execute(sql["admit_plain_roles"])
        except asyncpg.InsufficientPrivilegeError as error:
            raise MigrationError(
                f"schema {SCHEMA}: {error}: migrate as the database's owner"
            ) from None
        await connection.execute(f"SET lock_timeout = {settings.lock_timeout_ms}")
        missing = _missing(await connection.fetch(sql["applied"]))
        for number, migration in enumerate(missing, start=1):
            what = f"applying {migration.name} ({number} of {len(missing)})"
            progress(what)
            async with _telling(what, progress):
                await _apply(connection, migration)
    return [migration.name for migration in missing]


async def plan(settings: Settings) -> list[str]:
    """The names `migrate` would apply, without changing anything. Raises MigrationError like it."""
    sql = queries("migrate")
    async with _session(settings) as connection:
        is_new = await connection.fetchval(sql["database_is_new"])
        applied = [] if is_new else await connection.fetch(sql["applied"])
    return [migration.name for migration in _missing(applied)]


def migrations() -> list[Migration]:
    """Every migration of this release, in order."""
    found = []
    for file in files(__package__).joinpath("migrations").iterdir():
        if match := _FILE_NAME.match(file.name):
            content = file.read_bytes()
            found.append(
                Migration(
                    version=int(match[1]),
                    name=file.name.removesuffix(".sql"),
                    sql=content.decode("utf-8"),
                    checksum=hashlib.sha256(content).digest(),
                )
            )
    found.sort(key=lambda migration: migration.version)
    assert [migration.version for migration in found] == list(range(1, len(found) + 1))
    return found


def _missing(applied: list[Any]) -> list[Migration]:
    """What this release has and the database has not; one of the two must begin as the other.

    A database that a newer release has migrated lacks nothing: this one works on it while both are at work.
    """
    known = migrations()
    for row, migration in zip(applied, known, strict=False):
        if (row["version"], row["checksum"]) != (migration.version, migration.checksum):
            raise MigrationError(
                f"migration {migration.name} differs from what was applied as {row['name']}: "
                "restore the file, and put the change into a new one"
            )
    return known[len(applied) :]


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        if migration.is_outside:
            await _apply_outside(connection, migration)
            return
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(queries("migrate")["admit_plain_roles"])
            await _log(connection, migration)
    except asyncpg.PostgresError as error:
        hint = " (migrate as a role that may do this)" if error.sqlstate == "42501" else ""
        raise MigrationError(f"migration {migration.name} was refused: {error}{hint}") from error


async def _apply_outside(connection: asyncpg.Connection, migration: Migration) -> None:
    """Statement by statement, without a limit on waiting: nobody waits for a statement that waits."""
    sql = queries("migrate")
    before = await connection.fetchval("SHOW lock_timeout")
    await connection.execute("SET lock_timeout = 0")
    try:
        for statement in migration.statements():
            # By name: somebody may be building an index of his own.
            for row in await connection.fetch(sql["invalid_indexes"], statement):
                await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {row['name']}")
            await connection.execute(statement)
    finally:
        if not connection.is_closed():
            await connection.execute(f"SET lock_timeout = '{before}'")
    await _log(connection, migration)


async def _log(connection: asyncpg.Connection, migration: Migration) -> None:
    await connection.execute(
        queries("migrate")["log"], migration.version, migration.name, migration.checksum
    )


@asynccontextmanager
async def _telling(what: str, progress: Callable[[str], None]) -> AsyncIterator[None]:
    """Say every few seconds for how long this has been going on."""

    async def tell() -> None:
        began_at = time.monotonic()
        while True:
            await asyncio.sleep(TELL_SECONDS)
            progress(f"{what}: {time.monotonic() - began_at:.0f} s")

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait({telling})


@asynccontextmanager
async def _session(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the login role, without time limits: a waiting or long migration is no fault.

    No row is hidden from it: the owner bypasses policies, or has one of its own (`admit_plain_roles`).
    """
    connection = await connect(
        settings,
        "couponry-migrate",
        role=None,
        statement_timeout="0",
        lock_timeout="0",
        idle_in_transaction_session_timeout="0",
    )
    try:
        yield connection
    finally:
        await connection.close()
