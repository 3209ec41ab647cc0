"""What an issuer does before its first poll: waits for servers that are away, refuses settings that cannot be right."""

from __future__ import annotations

from typing import Any

import pytest

from services.issuer.app import serve
from services.runtime.health import Health
from services.runtime.settings import Settings, SettingsError
from tests.stand.processes import issuer
from tests.stand.waiting import eventually

NOBODY_LISTENS = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"postgres_dsn": "nonsense"}, "COUPONRY_POSTGRES_DSN: invalid DSN"),
        ({"redis_url": "nonsense"}, "COUPONRY_REDIS_URL: Redis URL must specify"),
        ({"redis_url": None}, "COUPONRY_REDIS_URL is not set"),
        (
            {"topic_prefix": "nobody-"},
            "nobody-game-completed does not exist: run `couponry topics`",
        ),
    ],
    ids=["postgres", "redis", "unset", "topics"],
)
async def test_setting_that_cannot_be_right_ends_the_start(
    topics: Settings, wrong: dict[str, Any], complaint: str
) -> None:
    """No waiting for what will never be: one line that names the setting and says what is wrong."""
    with pytest.raises(SettingsError, match=complaint) as refusal:
        await serve(topics.model_copy(update=wrong), Health("issuer"))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "away",
    [
        {"kafka_bootstrap_servers": NOBODY_LISTENS},
        {"postgres_dsn": f"postgresql://couponry@{NOBODY_LISTENS}/couponry"},
    ],
    ids=["kafka", "postgres"],
)
async def test_server_that_is_away_at_the_start_is_waited_for(
    topics: Settings, away: dict[str, Any]
) -> None:
    """Red with the reason, alive, and out with 0 when told to stop meanwhile."""
    async with issuer(topics, **away) as running:

        async def says_so() -> bool:
            return "waiting for a server" in await running.complaint()

        await eventually(says_so, "it says what it waits for")
        assert await running.stopped() == 0
