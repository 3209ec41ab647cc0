"""A database whose clock is wrong, as every session of it sees it, and only this database."""

from __future__ import annotations

from datetime import timedelta

import asyncpg

FAKE = """
    SET allow_system_table_mods = on;
    ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO true_clock_timestamp;
    CREATE TABLE public.clock_error (ahead interval NOT NULL);
    INSERT INTO public.clock_error VALUES ('0');
    CREATE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE SECURITY DEFINER
        AS 'SELECT pg_catalog.true_clock_timestamp() + ahead FROM public.clock_error';
"""


class FakeClock:
    """Owns the clock of one database. Make it before any session that is to see it: statements are planned with it."""

    def __init__(self, owner: asyncpg.Connection) -> None:
        self._owner = owner

    @classmethod
    async def of(cls, owner: asyncpg.Connection) -> FakeClock:
        """In place of the real one, and right until it is set."""
        await owner.execute(FAKE)
        return cls(owner)

    async def set(self, ahead: timedelta) -> None:
        """From now on the database is so far ahead of the world, or behind it."""
        await self._owner.execute("UPDATE public.clock_error SET ahead = $1", ahead)
