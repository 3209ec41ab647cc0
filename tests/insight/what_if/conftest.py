"""A database for all of these games: each has a partner of its own, so they do not meet."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.insight.what_if.stand import Table
from tests.stand.commands import Command, CommandOn, with_database


@pytest.fixture(scope="session")
async def table(servers: Settings, template: str) -> AsyncIterator[Table]:
    """Where games are set up."""
    name = f"{template}_what_if"
    admin = await asyncpg.connect(servers.postgres_dsn)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    settings = with_database(servers, name).model_copy(update={"topic_prefix": f"{name}-"})
    async with Table(settings) as table:
        yield table
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
def couponry(table: Table, couponry_on: CommandOn) -> Command:
    """Run command lines against it."""
    return couponry_on(table.settings)
