"""What a run of the demo needs beside its test."""

from __future__ import annotations

import os

import pytest

from services.runtime.settings import PREFIX, Settings
from tests.stage.demos import ADDRESSES


@pytest.fixture
def given(settings: Settings) -> dict[str, str]:
    """An environment in which all servers are this test's own."""
    addresses = {PREFIX + name.upper(): str(getattr(settings, name)) for name in ADDRESSES}
    own = {
        PREFIX + "TOPIC_PREFIX": settings.topic_prefix,
        PREFIX + "STATE_DIR": str(settings.state_dir),
    }
    return {**os.environ, **addresses, **own}
