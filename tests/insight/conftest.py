"""What several of these tests begin with."""

from __future__ import annotations

import asyncpg
import pytest

from services.adapters.redis_locks import CustomerLocks
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.insight.redeeming import Redeeming
from tests.insight.shop import Shop


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
