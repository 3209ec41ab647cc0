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
        ("services/adapters/wire.py", "import services.decisions"),
        ("services/adapters/wire.py", "import services.local"),
        ("services/decisions/steps.py", "import services.issuer"),
        ("services/decisions/steps.py", "import services.api"),
        ("services/issuer/app.py", "import services.terminal"),
        ("services/terminal/pace.py", "import services.insight"),
        ("services/insight/verify/run.py", "import services.repair"),
        ("services/repair/bulk.py", "import services.admin"),
        ("services/admin/topics.py", "import services.stage"),
        ("services/stage/up.py", "import services.cli"),
        ("services/issuer/lane.py", "from services.adapters.postgres import inbox"),
        ("services/api/partners/staff_steps.py", "import services.adapters.postgres.stamps"),
        ("schemas/fields.py", "import services.domain"),
        ("services/adapters/wire.py", "import schemas.envelope"),
        ("services/adapters/wire.py", "from schemas.events import coupon_issued"),
        ("services/adapters/postgres/games.py", "import schemas.partners.games"),
        ("services/api/edge/asgi.py", "import services.api.partners.dialect"),
        ("services/api/edge/call.py", "from services.api import app"),
        ("services/api/partners/shops.py", "import services.api.app"),
    ],
)
def test_import_rules_notice_a_wrong_import(module: str, line: str, tmp_path: Path) -> None:
    """Each rule fails on a copy of the packages with one import that it forbids."""
    copy_packages(tmp_path)
    changed = tmp_path / module
    changed.write_text(changed.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    assert "BROKEN" in broken_contracts(tmp_path)


@pytest.mark.parametrize(
    ("importing", "imported", "is_listed", "holds"),
    [
        ("another", "edge.dialect", True, True),
        ("another", "edge.dialect", False, False),
        ("another", "partners.envelope", True, False),
        ("partners", "another", True, False),
    ],
)
def test_import_rules_keep_dialects_apart(
    importing: str, imported: str, is_listed: bool, holds: bool, tmp_path: Path
) -> None:
    """Another dialect stands beside the first: it must be listed, may import the edge, and neither the other."""
    copy_packages(tmp_path)
    another = tmp_path / "services/api/another"
    another.mkdir()
    (another / "__init__.py").touch()
    if is_listed:
        rules = tmp_path / "pyproject.toml"
        text = rules.read_text(encoding="utf-8")
        assert '    "partners |' in text
        rules.write_text(text.replace('"partners |', '"partners | another |'), encoding="utf-8")
    changed = tmp_path / "services/api" / importing / "__init__.py"
    changed.write_text(f"import services.api.{imported}\n", encoding="utf-8")
    assert (broken_contracts(tmp_path) == "") is holds


def copy_packages(to: Path) -> None:
    """The packages and their rules, to be broken."""
    for package in ("services", "schemas"):
        shutil.copytree(ROOT / package, to / package)
    shutil.copy(ROOT / "pyproject.toml", to)
