"""What several of these tests begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.adapters.redis_locks import CustomerLocks
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.insight.redeeming import Redeeming
from tests.insight.shop import Shop
from tests.insight.telling_shop import make_told
from tests.stand.copies import Copies


@pytest.fixture
async def redeeming(
    topics: Settings,
    database: asyncpg.Connection,
    pool: asyncpg.Pool,
    locks: CustomerLocks,
    pipeline: Pipeline,
    partner_id: int,
) -> Redeeming:
    """A partner without a program, to whom acts can happen."""
    return Redeeming(shop=Shop(topics, database, pipeline, partner_id), pool=pool, locks=locks)


@pytest.fixture(scope="session")
async def told(copies: Copies) -> AsyncIterator[Settings]:
    """At rest, and nobody is connected to it."""
    async with copies.copy() as settings:
        settings = settings.model_copy(
            update={"webhook_allow_private": True, "webhook_retry_seconds": (0, 0, 0, 0)}
        )
        await make_told(settings)
        yield settings
