"""Crash points: a process dies exactly where and when a test asks for it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
from services.runtime.crashpoints import arm, reach
import sys
arm(sys.argv[1] or None)
for turn in range(1, 4):
    print(turn, flush=True)
    reach("here")
"""


@pytest.mark.parametrize(
    ("armed", "turns", "code"),
    [("", 3, 0), ("elsewhere", 3, 0), ("here", 1, -signal.SIGKILL), ("here:3", 3, -signal.SIGKILL)],
)
def test_crash_point_kills_at_its_name_and_turn(armed: str, turns: int, code: int) -> None:
    """Only the armed point kills, by SIGKILL, at the turn that was asked for."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, armed], cwd=ROOT, stdout=subprocess.PIPE, check=False
    )
    assert len(done.stdout.splitlines()) == turns
    assert done.returncode == code
