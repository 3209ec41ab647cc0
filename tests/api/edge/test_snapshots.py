"""What one request reads, it reads as of one instant."""

from __future__ import annotations

from fastapi import FastAPI

from services.api.edge import tenant
from tests.api.stand import Partner


async def test_reading_sees_one_instant(app: FastAPI, partner: Partner) -> None:
    """A request that reads a balance, then the lots that it is made of, adds up whatever is written in between."""
    async with tenant.reading(app.state.api.pool, partner.id) as connection:
        before = await connection.fetchval("SELECT name FROM partners")
        await partner.database.execute(
            "UPDATE partners SET name = 'Another' WHERE id = $1", partner.id
        )
        assert await connection.fetchval("SELECT name FROM partners") == before
