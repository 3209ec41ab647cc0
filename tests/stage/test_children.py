"""Children of `up` and `demo`: what a process of the service is started with."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.local.state import StateDir
from services.runtime.settings import PREFIX, Settings, read_settings
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


@pytest.mark.parametrize("allows", [False, True])
def test_child_calls_where_the_settings_let_it(tmp_path: Path, allows: bool) -> None:
    """What `demo` permits its own processes reaches them, whatever its environment says."""
    state = StateDir(tmp_path)
    try:
        environment = child("webhooks", Settings(webhook_allow_private=allows), state).environment
        assert environment[PREFIX + "WEBHOOK_ALLOW_PRIVATE"] == str(allows)
    finally:
        state.close()


def test_child_has_secrets_that_are_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the state directory, for all processes alike, unless they are given; what seals is base64 of 32 bytes."""
    names = ("JWT_SECRET", "CODE_SECRET", "SECRETS_KEY")
    for name in names:
        monkeypatch.delenv(f"{PREFIX}{name}", raising=False)
        monkeypatch.delenv(f"{PREFIX}{name}_FILE", raising=False)
    state = StateDir(tmp_path)
    try:
        first, again = (child(name, Settings(), state).environment for name in ("api", "issuer"))
        texts = [Path(first[f"{PREFIX}{name}_FILE"]).read_text(encoding="utf-8") for name in names]
        assert len(set(texts)) == len(names)
        assert [again[f"{PREFIX}{name}_FILE"] for name in names] == [first[f"{PREFIX}{name}_FILE"] for name in names]  # fmt: skip
        assert [Path(again[f"{PREFIX}{name}_FILE"]).read_text(encoding="utf-8") for name in names] == texts  # fmt: skip
        monkeypatch.setenv(f"{PREFIX}SECRETS_KEY", texts[-1])
        assert f"{PREFIX}SECRETS_KEY_FILE" not in child("api", Settings(), state).environment
        assert len(read_settings().sealing_keys) == 1
    finally:
        state.close()
