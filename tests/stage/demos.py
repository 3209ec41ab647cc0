"""Runs of `couponry demo`, as somebody at a terminal starts them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

COUPONRY = Path(sys.executable).with_name("couponry")
ADDRESSES = ("kafka_bootstrap_servers", "postgres_dsn", "redis_url")
TIMEOUT_SECONDS = 140


def demo(
    environ: dict[str, str], *options: str, timeout_seconds: float = TIMEOUT_SECONDS
) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON document of a run."""
    run = play(environ, *options, timeout_seconds=timeout_seconds)
    assert run.stdout, run.stderr
    return run.returncode, json.loads(run.stdout)


def play(
    environ: dict[str, str], *options: str, timeout_seconds: float = TIMEOUT_SECONDS
) -> subprocess.CompletedProcess[str]:
    """A run that has ended."""
    return subprocess.run(
        [COUPONRY, "demo", "--json", *options],
        env=environ,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
