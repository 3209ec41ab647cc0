"""Children of `up` and `demo`: what a process of the service is started with."""

from __future__ import annotations

from pathlib import Path

from services.local.state import StateDir
from services.runtime.settings import PREFIX, Settings
from services.stage.children import child


def test_child_has_the_clock_of_the_settings(tmp_path: Path) -> None:
    """A clock that was moved for it alone reaches it, with the permission that it needs; without, none is set."""
    state = StateDir(tmp_path)
    try:
        moved = Settings(allow_test_clock=True, clock_offset_seconds=-86_400)
        environment = child("issuer", moved, state).environment
        assert environment[PREFIX + "CLOCK_OFFSET_SECONDS"] == "-86400.0"
        assert environment[PREFIX + "ALLOW_TEST_CLOCK"] == "True"
        still = child("issuer", Settings(), state).environment
        assert float(still[PREFIX + "CLOCK_OFFSET_SECONDS"]) == 0
    finally:
        state.close()
