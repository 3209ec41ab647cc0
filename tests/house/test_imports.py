"""Which package may import which, held by import-linter; and that it would notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.repository import ROOT


def broken_contracts(root: Path) -> str:
    """What import-linter says about the packages below `root`; empty if all rules hold."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(lint), "--no-cache", "--no-logo"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr if done.returncode else ""


def test_import_rules_hold() -> None:
    """Layers, a pure domain, wire models that know nobody."""
    assert broken_contracts(ROOT) == ""


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("services/domain/decide.py", "import random"),
        ("services/domain/decide.py", "import pydantic"),
        ("services/domain/decide.py", "import schemas"),
        ("services/runtime/settings.py", "import services.adapters"),
        ("services/relay/app.py", "import services.issuer"),
        ("schemas/fields.py", "import services.domain"),
    ],
)
def test_import_rules_notice_a_wrong_import(module: str, line: str, tmp_path: Path) -> None:
    """Each rule fails on a copy of the packages with one import that it forbids."""
    for package in ("services", "schemas"):
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    changed = tmp_path / module
    changed.write_text(changed.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    assert "BROKEN" in broken_contracts(tmp_path)
