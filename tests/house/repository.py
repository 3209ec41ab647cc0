"""The files of this repository, as the rules of the house look at them."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tracked_files() -> tuple[Path, ...]:
    """Every file git knows or would take in, absolute; without git, every file outside hidden directories."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        files = [p for p in ROOT.rglob("*") if not any(part.startswith(".") for part in p.parts)]
    return tuple(sorted(path for path in files if path.is_file()))


def python_files(*packages: str) -> list[Path]:
    """Our modules below these top-level directories; all of them without an argument."""
    wanted = packages or ("services", "schemas", "tests", "bench")
    return [
        path
        for path in tracked_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in wanted
    ]


def name_of(path: Path) -> str:
    """The path as people write it."""
    return path.relative_to(ROOT).as_posix()
