"""Databases that are copies of others: made in a few hundredths of a second, and gone soon after their block."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka.errors import KafkaError

from services.adapters.kafka import admin_client
from services.adapters.postgres.migrate import migrate
from services.runtime.settings import Settings
from tests.stand.waiting import eventually

NOT_DURABLE = {"synchronous_commit": "off"}
"""Not one of these databases is to survive a crash of its server: tests of that have a server of their own."""

ATTEMPTS = 20


class Leftovers:
    """Drops what tests leave, their databases and their topics, one after the other, while the next ones run.

    Postgres writes a checkpoint for each database that it drops. Topics are dropped because every client asks for all
    there are: after four hundred tests a look at the status would take it half a second of computing instead of a
    thirtieth; those that cannot be dropped stay, and only cost time.
    """

    def __init__(self, servers: Settings, admin: asyncpg.Connection) -> None:
        self._servers, self._admin = servers, admin
        self._turn = asyncio.Lock()
        self._dropping: list[asyncio.Task[None]] = []

    def drop(self, database: str, topic_prefix: str) -> None:
        """Some time from now."""
        self._dropping.append(asyncio.create_task(self._drop(database, topic_prefix)))

    async def dropped(self) -> None:
        """Wait until nothing is left."""
        await asyncio.gather(*self._dropping)

    async def _drop(self, database: str, topic_prefix: str) -> None:
        async with self._turn:
            await self._admin.execute(f"DROP DATABASE {database} WITH (FORCE)")
            for _ in range(ATTEMPTS):
                if await self._has_dropped_topics(topic_prefix):
                    return

    async def _has_dropped_topics(self, prefix: str) -> bool:
        """A test that is not asynchronous stops this task, and lets the time of what it has asked run out."""
        try:
            async with admin_client(self._servers) as kafka:
                left = [name for name in await kafka.list_topics() if name.startswith(prefix)]
                if left:
                    await kafka.delete_topics(left)
        except KafkaError:
            return False
        return True


class Copies:
    """Makes them on these servers, one after the other. Owns the connection; `of_worker` keeps workers apart."""

    def __init__(
        self,
        servers: Settings,
        template: str,
        of_worker: str,
        admin: asyncpg.Connection,
        leftovers: Leftovers,
    ) -> None:
        self._servers = servers
        self._template = template
        self._prefix = f"{template}_{of_worker}"
        self._admin = admin
        self._leftovers = leftovers
        self._numbers = itertools.count(1)

    async def dropped(self) -> None:
        """Wait until nothing is left of those that are gone."""
        await self._leftovers.dropped()

    @asynccontextmanager
    async def copy(self, original: str | None = None) -> AsyncIterator[Settings]:
        """The servers with a new copy of the template, or of another database, and topics of its own."""
        name = f"{self._prefix}_{next(self._numbers)}"
        await self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {original or self._template}")
        for setting, value in NOT_DURABLE.items():
            await self._admin.execute(f"ALTER DATABASE {name} SET {setting} = {value}")
        prefix = f"{name.removeprefix('couponry_').replace('_', '-')}-"
        try:
            yield with_database(self._servers, name).model_copy(update={"topic_prefix": prefix})
        finally:
            self._leftovers.drop(name, prefix)


@asynccontextmanager
async def leftovers(servers: Settings) -> AsyncIterator[Leftovers]:
    """For as long as the block lasts; all of it is gone then."""
    async with administration(servers) as admin:
        found = Leftovers(servers, admin)
        yield found
        await found.dropped()


@asynccontextmanager
async def administration(servers: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection that makes and drops databases."""
    connection = await asyncpg.connect(servers.postgres_dsn, server_settings=NOT_DURABLE)
    try:
        yield connection
    finally:
        await connection.close()


async def alone(admin: asyncpg.Connection, names: Iterable[str], statement: str) -> None:
    """Do it to databases that nobody may be connected to; whoever is comes back by himself."""

    async def done() -> bool:
        sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY($1)"
        await admin.fetch(sessions, list(names))
        try:
            await admin.execute(statement)
        except asyncpg.ObjectInUseError:
            return False
        return True

    await eventually(done, statement)


@asynccontextmanager
async def template_database(servers: Settings) -> AsyncIterator[str]:
    """The name of a migrated database to which nobody is connected."""
    name = f"couponry_test_{secrets.token_hex(3)}"
    async with administration(servers) as admin:
        await admin.execute(f"CREATE DATABASE {name}")
        await migrate(with_database(servers, name))
        yield name
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def with_database(settings: Settings, name: str) -> Settings:
    """The same server, another database."""
    parts = urlsplit(settings.postgres_dsn or "")
    return settings.model_copy(update={"postgres_dsn": urlunsplit(parts._replace(path=f"/{name}"))})


def database_name(settings: Settings) -> str:
    """The last part of the address."""
    return urlsplit(settings.postgres_dsn or "").path.removeprefix("/")
