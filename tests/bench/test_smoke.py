"""The benchmarks run, and every contestant gives the workload its due: correctness, not time."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bench.program import ALL
from bench.sections import CONTESTANTS, QUICK
from bench.workload import make_workload
from services.local.servers import SETTING
from services.runtime.settings import Settings

pytestmark = pytest.mark.alone("it measures the machine")

UNDECIDED = {"consume+decode"}


Run = Callable[..., Awaitable[tuple[int | None, str, str]]]


@pytest.fixture
def run(servers: Settings, run_dir: Path) -> Run:
    """A benchmark's module and its arguments, on the servers that are there: exit code, output, errors."""
    addresses = {
        f"COUPONRY_{name.upper()}": str(getattr(servers, name)) for name in SETTING.values()
    }

    async def run_module(module: str, *arguments: str) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments,
            env={**os.environ, **addresses, "COUPONRY_STATE_DIR": str(run_dir)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
        return process.returncode, output.decode(), errors.decode()

    return run_module


@pytest.mark.slow
@pytest.mark.timeout(300)  # half a minute on an idle machine; a busy one may take its time
async def test_quick_run_has_every_contestant_issue_the_same_coupons(
    run: Run, tmp_path: Path
) -> None:
    """`python -m bench --quick` ends well, and each contestant issued exactly what was due."""
    found = tmp_path / "found.json"
    code, output, progress = await run("bench", "--quick", "--json", str(found))
    assert code == 0, output + progress
    samples = {one["contestant"]: one for one in json.loads(found.read_text())["samples"]}
    assert samples.keys() == set(CONTESTANTS)
    for name in set(CONTESTANTS) - UNDECIDED:
        workload = make_workload(max(QUICK.events.values())).first(QUICK.events[name])
        assert samples[name]["issued"] == len(workload.issued()), name
        assert name in output


async def test_explain_benchmark_finds_what_it_asks_for(run: Run) -> None:
    """`python -m bench.explain` on a small database: every way of asking is answered, and measured."""
    code, output, errors = await run("bench.explain", "--decisions", "1000", "--queued", "10")
    assert code in (0, 1), errors  # 1: a busy machine took a second
    for way in ("EVENT_ID", "--coupon ID", "--coupon CODE", "--customer", "the command"):
        assert f"{way} " in output, errors


async def test_operators_benchmark_does_everything(run: Run) -> None:
    """`python -m bench.operators` on a small database: what should be done is done, and issuing goes on beside it."""
    code, output, errors = await run("bench.operators", "--coupons", "10000")
    assert code in (0, 1), errors  # 1: a busy machine took its time
    for line in (
        "switch, refused: ",
        "switch, done: ",
        "switch, 1,000 to close: ",
        "first limit: ",
        "cancel: ",
    ):
        (said,) = [one for one in errors.splitlines() if one.startswith(line)]
        assert (", 400 " if "refused" in line else ", 200") in said, errors
    assert "event of the longest history" in output


async def test_accounts_benchmark_decides_and_reads_in_both(run: Run) -> None:
    """`python -m bench.accounts`, a small one: orders are decided and balances read, among few entries and among more."""
    code, output, errors = await run(
        "bench.accounts", "--customers", "100", "--entries", "2000", "--events", "200", "--rounds", "1", "--seconds", "0.3",
    )  # fmt: skip
    assert code == 0, errors
    (town,) = re.findall(r"a town of 100 customers has (\d+) ledger entries", errors)
    (filled,) = re.findall(r"([\d,]+) entries, filled in", errors)
    many = int(filled.replace(",", ""))
    assert many >= 2000 and many % int(town) == 0
    for entries in (f"{int(town):,}", filled):
        assert f"round 1 of 1, {entries} entries: " in errors
        assert re.search(rf"orders +│ {entries} to ", output)
    assert len(re.findall(r"balances among ", errors)) == 2


async def test_program_benchmark_decides_every_kind(run: Run) -> None:
    """`python -m bench.program`, a small one: completions and orders with and without a program, side by side."""
    code, output, errors = await run("bench.program", "--events", "400", "--rounds", "1")
    assert code == 0, errors
    for kind in ALL:
        assert f"{kind}: " in errors
        assert f"│ {kind} " in output


async def test_spending_benchmark_redeems_and_undoes(run: Run) -> None:
    """`python -m bench.spending`, a small one: points become coupons by event and over HTTP, and coupons points again."""
    code, output, errors = await run(
        "bench.spending", "--customers", "100", "--events", "400", "--rounds", "1", "--seconds", "0.3",
    )  # fmt: skip
    assert code == 0, errors
    assert "round 1 of 1, redeem by event: " in errors
    for asked in ("redeem over HTTP", "undo over HTTP"):
        assert f"{asked}: " in errors
    for row in ("redeem over HTTP", "undo over HTTP", "redeem by event"):
        assert f"│ {row} " in output
