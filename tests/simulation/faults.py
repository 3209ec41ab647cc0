"""A pool whose connections die where the seed says: before a statement, at the commit, or just after it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from services.domain.arrival import CustomerKey


class Crash(ConnectionResetError):
    """The process, or its connection, is gone; whether a commit went through is unknown to it."""


class FaultyPool:
    """Lends one real connection at a time. `fuse`: how many statements until it dies; None never."""

    def __init__(self, pool: asyncpg.Pool, chance: random.Random) -> None:
        self._pool = pool
        self._chance = chance
        self.fuse: int | None = None

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        async with self._pool.acquire() as connection:
            yield FaultyConnection(connection, self)

    def __getattr__(self, name: str) -> Any:
        """A statement of the pool's own is one of a connection that it lends for that."""

        async def statement(*arguments: Any, **named: Any) -> Any:
            async with self.acquire() as connection:
                return await getattr(connection, name)(*arguments, **named)

        return statement

    def burn(self) -> None:
        """One statement nearer to the crash."""
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                raise Crash("before a statement")

    def dies_at_commit(self) -> str | None:
        """Whether the crash comes at this commit: before it, or after it with its outcome unknown."""
        if self.fuse is None or self.fuse > 0:
            return None
        return self._chance.choice(["before", "after"])


class FaultyConnection:
    """Hands every statement on to the real connection, as long as there is one."""

    def __init__(self, connection: Any, pool: FaultyPool) -> None:
        self._connection = connection
        self._pool = pool

    def is_closed(self) -> bool:
        return bool(self._connection.is_closed())

    def is_in_transaction(self) -> bool:
        return bool(self._connection.is_in_transaction())

    async def execute(self, statement: str, *arguments: Any) -> Any:
        if statement == "ROLLBACK":
            return await self._connection.execute(statement)
        if not statement.startswith("COMMIT"):
            self._pool.burn()
            return await self._connection.execute(statement, *arguments)
        death = self._pool.dies_at_commit()
        if death == "before":
            raise Crash("before the commit")
        await self._connection.execute(statement)
        if death == "after":
            raise Crash("after the commit, its outcome unknown")
        return None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._connection, name)

        async def statement(*arguments: Any, **named: Any) -> Any:
            self._pool.burn()
            return await method(*arguments, **named)

        return statement

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            yield
            death = self._pool.dies_at_commit()
            if death == "before":
                raise Crash("before the commit")
        except BaseException:
            await transaction.rollback()
            raise
        await transaction.commit()
        if death == "after":
            raise Crash("after the commit, its outcome unknown")


class FaultyLocks:
    """Redis that sometimes grants, sometimes refuses, and never protects: correctness must not notice."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    @asynccontextmanager
    async def held(self, customers: Sequence[CustomerKey]) -> AsyncIterator[bool]:
        yield self._chance.random() < 0.5
