"""`couponry demo`: its account of one run, on real servers, and that it says so when something does not hold."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rich.console import Console

from services.runtime.settings import PREFIX, Settings
from services.stage.demo.ledger import Ledger, percentile
from services.stage.demo.live import live_view
from services.stage.demo.records import ISSUED, REPEAT, Fate, Record
from services.stage.demo.stage import PROCESSES
from services.stage.demo.workload import KINDS, Game, Workload
from tests.local.processes import runs
from tests.stage.demos import ADDRESSES, COUPONRY, TIMEOUT_SECONDS, demo

pytestmark = pytest.mark.timeout(300)

BLOCKED = Fate("declined", "active_coupon_exists")
COUNTED = ("sent", "issued", "declined", "repeats", "dead_lettered", "expected")


def test_demo_accounts_for_every_record_the_same_each_time(given: dict[str, str]) -> None:
    """Every outcome, reason and stage is met as often as the seed says; a second run on the same data agrees."""
    code, first = demo(given, "--events", "1000", "--seed", "1")
    assert (code, first["ok"], first["problems"]) == (0, True, [])
    assert first["expected"] == {name: first[name] for name in first["expected"]}
    assert first["sent"] == 1000 == _total(first)
    assert set(first["declined"]) == {
        *("active_coupon_exists", "result_lost", "game_not_found"),
        *("game_inactive", "game_not_started", "game_ended"),
    }
    assert set(first["dead_lettered"]) == {"header", "decode", "schema", "time"}
    assert first["repeats"] > 0
    assert first["latency_ms"]["p50"] > 0
    assert first["verify"]["ok"]
    assert first["verify"]["checked"] > 1000

    code, second = demo(given, "--events", "1000", "--seed", "1")
    assert code == 0
    assert [second[name] for name in COUNTED] == [first[name] for name in COUNTED]


async def test_demo_fails_when_an_invariant_is_broken(
    settings: Settings, given: dict[str, str]
) -> None:
    """A decision under a key that is not its event's: the run itself balances, and still the exit code is 1."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    await connection.execute(
        """INSERT INTO couponry.decisions (event_key, decided_at, occurred_at, partner_id, customer_no, "offset",
               partition, event_id, event_source, event_type, topic, outcome, reason)
           VALUES (gen_random_uuid(), now(), now(), 999, 999, 0, 0, 'misplaced', '/test', 'game.completed',
               'elsewhere', 'declined', 'result_lost')"""
    )
    await connection.close()
    code, document = demo(given, "--events", "20")
    assert (code, document["ok"], document["balanced"]) == (1, False, True)
    (violation,) = document["verify"]["violations"]
    assert (violation["invariant"], "misplaced" in violation["detail"]) == ("I2", True)


def test_demo_interrupted_stops_what_it_started(given: dict[str, str]) -> None:
    """Ctrl-C in the middle of the stream: its processes are gone, and the exit code says interrupted."""
    with subprocess.Popen(
        [COUPONRY, "demo", "--events", "1000000"],
        env=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        assert any("records" in line for line in process.stderr if line.startswith("5"))
        recorded = json.loads((_state(given) / "servers.json").read_text())["processes"]
        assert sorted(recorded) == sorted(PROCESSES)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 128 + signal.SIGINT
    assert not any(runs(entry["pid"]) for entry in recorded.values())


@pytest.mark.slow
def test_demo_on_local_servers_leaves_commands_that_work(run_dir: Path, tmp_path: Path) -> None:
    """After both acts nothing keeps running; `up` brings the same data back, and each suggested command then answers."""
    unset = {PREFIX + name.upper() for name in ADDRESSES}
    environ = {name: value for name, value in os.environ.items() if name not in unset}
    own = environ | {PREFIX + "STATE_DIR": str(run_dir / tmp_path.name)}
    code, document = demo(own, "--events", "300", timeout_seconds=2 * TIMEOUT_SECONDS)
    assert (code, document["ok"]) == (0, True)
    assert document["shop"]["balanced"]
    left = json.loads((run_dir / tmp_path.name / "demo" / "servers.json").read_text())
    assert left["processes"] == {}
    up, *others = document["next"]
    assert any(" explain " in command for command in others)
    assert any(" customers show " in command for command in others)
    with _shell(f"{up} --json", environ) as process:
        assert process.stdout
        assert process.stderr
        line = process.stdout.readline()
        assert line, process.stderr.read()
        assert json.loads(line)["kafka"]
        for command in others:
            with _shell(command, environ) as answer:
                output, errors = answer.communicate(timeout=TIMEOUT_SECONDS)
            assert (answer.returncode, errors) == (0, ""), command
            assert output.strip(), command
        process.terminate()
        process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0


def test_workload_is_its_seed() -> None:
    """The same seed sends the same records to the same fates; another seed does not."""
    assert _drawn(seed=1) == _drawn(seed=1) != _drawn(seed=2)


def test_workload_has_some_of_everything() -> None:
    """A default demo meets every fate there is, about as often as its table of kinds says."""
    fates = Counter(fate for _, fate in _drawn(seed=1, count=20_000))
    assert len([fate for fate in fates if fate.outcome == "declined"]) == 6
    assert len([fate for fate in fates if fate.outcome == "dead"]) == 4
    assert fates[REPEAT] == pytest.approx(20 * KINDS["repeat"], rel=0.2)
    assert fates[BLOCKED] > 1_000
    assert fates[ISSUED] > 10_000


@pytest.mark.parametrize(
    ("seen", "difference"),
    [
        ([("a", ISSUED), ("b", BLOCKED)], ""),
        ([("a", ISSUED)], "b: must be declined (active_coupon_exists), nothing was seen"),
        ([("a", ISSUED), ("b", ISSUED)], "b: must be declined (active_coupon_exists), issued"),
        ([("a", ISSUED), ("b", BLOCKED), ("c", ISSUED)], "c: was never sent, issued"),
        (
            [("a", ISSUED), ("b", BLOCKED), ("a", ISSUED)],
            "a: was published twice to readers of committed records",
        ),
    ],
)
def test_ledger_names_what_differs(seen: list[tuple[str, Fate]], difference: str) -> None:
    """What is missing, different, too much or double is told, one line each."""
    ledger = Ledger()
    for tag, fate in (("a", ISSUED), ("b", BLOCKED), ("a", REPEAT)):
        ledger.send(Record(tag=tag, key=b"k", value=b"{}", headers=[], fate=fate), 0.0)
    for tag, fate in seen:
        ledger.see(tag, fate, 1.0)
    assert "\n".join(ledger.differences()) == difference


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([7.0], 99, 7.0), ([3.0, 1.0, 2.0], 50, 2.0), ([float(n) for n in range(1, 101)], 99, 99.0)],
)
def test_percentile_is_the_nearest_rank(values: list[float], percent: int, expected: float) -> None:
    """The smallest value that so many percent do not exceed."""
    assert percentile(values, percent) == expected


async def test_live_view_on_a_terminal_shows_counts_and_coupons() -> None:
    """A bar, a line per outcome, and samples with the game's name."""
    ledger = Ledger(sent=2)
    ledger.see("a", ISSUED, 1.0)
    ledger.see("b", Fate("dead", "time"), 1.0)
    coupon = {
        "code": "0000-0000-0000-0000",
        "game_id": 7,
        "customer_id": "customer-1",
        "expires_at": None,
    }
    ledger.show(coupon, 1.0)
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    async with live_view(screen, ledger, 2, {7: "Spin for a Coffee"}):
        pass
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    for text in ("2 of 2 records", "coupons issued", "dead-lettered: time", "Spin for a Coffee"):
        assert text in shown


def _total(document: dict[str, Any]) -> int:
    parts = (*document["declined"].values(), *document["dead_lettered"].values())
    return int(document["issued"] + document["repeats"] + sum(parts))


def _drawn(seed: int, count: int = 500) -> list[tuple[str, Fate]]:
    day, month = datetime.now(UTC).date(), timedelta(days=30)
    always = {"first_day": date.min, "last_day": date.max}
    games = [
        Game(id=1, is_single=True, is_active=True, **always),
        Game(id=2, is_single=False, is_active=False, **always),
        Game(id=3, is_single=False, is_active=True, first_day=day + month, last_day=date.max),
        Game(
            id=4, is_single=False, is_active=True, first_day=day - 2 * month, last_day=day - month
        ),
        Game(id=5, is_single=False, is_active=True, **always),
    ]
    workload = Workload(tags="t-", partner_id=1, games=games, count=count, seed=seed)
    return [(record.tag, record.fate) for record in workload.records()]


def _state(environ: dict[str, str]) -> Path:
    return Path(environ[PREFIX + "STATE_DIR"]) / "demo"


@contextmanager
def _shell(command: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A command line as somebody would paste it."""
    with subprocess.Popen(
        f"exec env {command}",
        shell=True,
        env=environ | {"PATH": f"{COUPONRY.parent}{os.pathsep}{environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
