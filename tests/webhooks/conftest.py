"""A partner whose coupons are told of."""

from __future__ import annotations

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.webhooks.stand import Stand


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Its system is on loopback, and tried again soon."""
    return settings.model_copy(
        update={"webhook_allow_private": True, "webhook_retry_seconds": (0, 0, 0, 0)}
    )


@pytest.fixture
async def stand(settings: Settings, database: asyncpg.Connection, partner_id: int) -> Stand:
    """Without a webhook yet."""
    return Stand(settings=settings, connection=database, partner_id=partner_id)
