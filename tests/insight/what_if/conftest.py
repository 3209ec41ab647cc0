"""A database for all of these games: each has a partner of its own, so they do not meet."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.insight.what_if.stand import Table
from tests.stand.commands import Command, CommandOn
from tests.stand.copies import Copies


@pytest.fixture(scope="session")
async def table(copies: Copies) -> AsyncIterator[Table]:
    """Where games are set up."""
    async with copies.copy() as settings, Table(settings) as table:
        yield table


@pytest.fixture
def couponry(table: Table, couponry_on: CommandOn) -> Command:
    """Run command lines against it."""
    return couponry_on(table.settings)
