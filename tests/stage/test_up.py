"""`couponry up`: what it announces, restarts, takes over and stops; real child processes throughout."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from services.runtime.processes import PROCESSES
from services.runtime.settings import PREFIX, Settings
from tests.local.processes import ROOT, runs
from tests.stand.feed import forget_dead_members

COMMAND = [sys.executable, "-m", "services.cli"]
DEADLINE_SECONDS = 60.0
ADDRESSES = ("kafka_bootstrap_servers", "postgres_dsn", "redis_url")


def environment(state_dir: Path, given: dict[str, str] | None = None) -> dict[str, str]:
    """Ours, with only the addresses that are given."""
    unset = {PREFIX + name.upper() for name in ADDRESSES}
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    return {**inherited, PREFIX + "STATE_DIR": str(state_dir), **(given or {})}


@pytest.fixture
def given(settings: Settings) -> dict[str, str]:
    """This test's Kafka and Postgres; Redis, which starts in no time, is left for `up` to start."""
    return {
        PREFIX + "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers or "",
        PREFIX + "POSTGRES_DSN": settings.postgres_dsn or "",
        PREFIX + "TOPIC_PREFIX": settings.topic_prefix,
    }


@pytest.fixture
def state_dir(run_dir: Path, tmp_path: Path) -> Path:
    """A directory that Postgres' account can enter."""
    return run_dir / tmp_path.name


@contextmanager
def up(environ: dict[str, str], *options: str) -> Iterator[subprocess.Popen[str]]:
    """`couponry up` as a process; stopped, whatever the test leaves."""
    with subprocess.Popen(
        [*COMMAND, "up", *options],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(DEADLINE_SECONDS)


def announcement(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The line on stdout."""
    assert process.stdout
    line = process.stdout.readline()
    assert line, process.stderr and process.stderr.read()
    found: dict[str, Any] = json.loads(line)
    return found


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
    """Exit code and what is left on stdout and stderr, after this signal, which has to work within 30 s."""
    process.send_signal(number)
    out, error = process.communicate(timeout=30)
    return process.returncode, out, error


def eventually(condition: Callable[[], Any], why: str) -> Any:
    """Wait until the condition answers something true, and return that."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (answer := condition()):
        assert time.monotonic() < deadline, why
        time.sleep(0.02)
    return answer


def current(state_dir: Path) -> dict[str, Any]:
    """What `up.json` says now."""
    found: dict[str, Any] = json.loads((state_dir / "up.json").read_text())
    return found


def answers(url: str) -> bool:
    """Whether this process says that it is ready."""
    try:
        with urllib.request.urlopen(url + "/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_up_announces_what_runs_and_stops_all_of_it(state_dir: Path, given: dict[str, str]) -> None:
    """One line with every key; what was started ends with `up`, what was given does not."""
    with up(environment(state_dir, given), "--json") as process:
        line = announcement(process)
        assert set(line) == {"kafka", "postgres", "redis", "api", "pids", "health"}
        assert line["kafka"] == given[PREFIX + "KAFKA_BOOTSTRAP_SERVERS"]
        assert line["postgres"] == given[PREFIX + "POSTGRES_DSN"]
        assert line["redis"].startswith("redis://127.0.0.1:")
        assert answers(line["api"])
        names = {"kafka", "postgres", "redis", *PROCESSES}
        assert set(line["pids"]) == names
        started = {name: pid for name, pid in line["pids"].items() if pid}
        assert set(started) == {"redis", *PROCESSES}
        assert all(map(runs, started.values()))
        assert set(line["health"]) == {"issuer", "relay", "sweeper", "webhooks", "api"}
        assert {name for name, url in line["health"].items() if url} == set(PROCESSES)
        assert all(answers(line["health"][name]) for name in PROCESSES)
        assert current(state_dir) == line
        plan = subprocess.run(
            [*COMMAND, "topics", "--plan", "--json"],
            cwd=ROOT,
            env=environment(state_dir, {PREFIX + "TOPIC_PREFIX": given[PREFIX + "TOPIC_PREFIX"]}),
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(plan.stdout) == {"missing": []}
        code, rest, _ = ended(process, signal.SIGINT)
    assert (code, rest) == (0, "")
    assert not any(map(runs, started.values()))
    assert not (state_dir / "up.json").exists()


def test_up_without_redis_and_behind_a_proxy(state_dir: Path, given: dict[str, str]) -> None:
    """Nobody misses what was not wanted, and a proxy that leads nowhere is asked for nothing on this machine."""
    environ = environment(state_dir, given | {PREFIX + "REDIS_URL": "none"})
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        environ[name] = environ[name.upper()] = "http://127.0.0.1:9"
    environ = {name: value for name, value in environ.items() if name.lower() != "no_proxy"}
    with up(environ, "--json") as process:
        line = announcement(process)
        assert (line["redis"], line["pids"]["redis"]) == (None, None)
        for name in PROCESSES:
            with urllib.request.urlopen(line["health"][name] + "/readyz", timeout=5) as answer:
                assert json.loads(answer.read())["warnings"] == {}
        for command in (["status"], ["verify"], ["dead-letters", "redrive"]):
            told = subprocess.run(
                [*COMMAND, *command, "--json"],
                cwd=ROOT,
                env=environment(
                    state_dir, {PREFIX + "TOPIC_PREFIX": given[PREFIX + "TOPIC_PREFIX"]}
                ),
                capture_output=True,
                text=True,
                check=False,
            )
            assert (told.returncode, command) == (0, command), told.stderr
        assert ended(process, signal.SIGTERM)[0] == 0


def test_up_restarts_what_dies(state_dir: Path, given: dict[str, str], settings: Settings) -> None:
    """A killed server and a killed child come back on the same port, and `up.json` follows."""
    with up(environment(state_dir, given), "--json") as process:
        line = announcement(process)
        for name in ("redis", "issuer"):
            before = line["pids"][name]
            os.kill(before, signal.SIGKILL)
            if name == "issuer":
                asyncio.run(forget_dead_members(settings))
            eventually(lambda: current(state_dir)["pids"][name] != before, f"{name} is back")  # noqa: B023 - awaited within the same turn
        after = current(state_dir)
        assert after["redis"] == line["redis"]
        assert after["health"] == line["health"]
        assert answers(after["health"]["issuer"])
        with redis.Redis.from_url(after["redis"]) as client:
            assert client.ping()
        code, rest, said = ended(process, signal.SIGTERM)
    assert (code, rest) == (0, "")
    assert "issuer has ended with exit code -9: starting it again" in said


def test_up_restarts_at_most_five_times_a_minute(state_dir: Path, given: dict[str, str]) -> None:
    """The sixth end within a minute waits for its turn; a stop does not wait with it."""
    with up(environment(state_dir, given), "--json", "--servers-only") as process:
        pid = announcement(process)["pids"]["redis"]
        for _ in range(5):
            os.kill(pid, signal.SIGKILL)
            pid = eventually(
                lambda: (found := current(state_dir)["pids"]["redis"]) != pid and found,  # noqa: B023 - awaited within the same turn
                "redis is back",
            )
        os.kill(pid, signal.SIGKILL)
        assert process.stderr
        for said in process.stderr:
            if match := re.search(r"redis has ended 6 times .* next start in (\d+) s", said):
                assert 40 <= int(match.group(1)) <= 60
                break
        assert ended(process, signal.SIGTERM)[0] == 0


def test_up_servers_only_starts_no_service(state_dir: Path, given: dict[str, str]) -> None:
    """`health` is null, and no process of ours runs; the topics and the schema are there."""
    with up(environment(state_dir, given), "--json", "--servers-only") as process:
        line = announcement(process)
        assert line["health"] is None
        assert {name for name, pid in line["pids"].items() if pid} == {"redis"}


def test_up_takes_over_from_a_killed_one(state_dir: Path, given: dict[str, str]) -> None:
    """After a kill -9 the next `up` ends what was left, and goes on with the same ports."""
    with up(environment(state_dir, given), "--json") as killed:
        left = announcement(killed)
        killed.kill()
    pids = [pid for pid in left["pids"].values() if pid]
    assert all(map(runs, pids))
    with up(environment(state_dir, given), "--json") as process:
        line = announcement(process)
        assert not any(map(runs, pids))
        assert (line["redis"], line["health"]) == (left["redis"], left["health"])


def test_up_is_alone_in_its_directory(state_dir: Path, given: dict[str, str]) -> None:
    """A second one on the same directory is refused in one line, exit code 2, and disturbs nothing."""
    with up(environment(state_dir, given), "--json", "--servers-only") as process:
        line = announcement(process)
        with up(environment(state_dir, given), "--json") as second:
            out, error = second.communicate(timeout=DEADLINE_SECONDS)
        assert (second.returncode, out, error.count("\n")) == (2, "", 1)
        assert f"is in use by process {process.pid}" in error
        assert current(state_dir) == line


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("starting kafka", signal.SIGTERM),
        ("redis is ready", signal.SIGINT),
        ("postgres is ready", signal.SIGTERM),
        ("creating the topics", signal.SIGINT),
        ("starting issuer", signal.SIGTERM),
    ],
)
def test_up_stops_while_it_starts(state_dir: Path, moment: str, number: signal.Signals) -> None:
    """A signal at any stage of the start ends with exit code 0 and leaves no process."""
    with up(environment(state_dir), "--json") as process:
        assert process.stderr
        for said in process.stderr:
            if said.startswith(moment):
                break
        recorded = json.loads((state_dir / "servers.json").read_text())["processes"]
        code, out, _ = ended(process, number)
    assert (code, out) == (0, "")
    assert not any(runs(entry["pid"]) for entry in recorded.values())
    assert json.loads((state_dir / "servers.json").read_text())["processes"] == {}


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("POSTGRES_DSN", "postgresql://nobody@127.0.0.1:9/x", "COUPONRY_POSTGRES_DSN: cannot use"),
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9", "COUPONRY_KAFKA_BOOTSTRAP_SERVERS: cannot use"),
        ("TOPIC_PARTITIONS", "0", "COUPONRY_TOPIC_PARTITIONS"),
    ],
)
def test_up_names_what_it_cannot_use(
    state_dir: Path, given: dict[str, str], variable: str, value: str, words: str
) -> None:
    """A wrong address or setting: exit code 2, its name in the last line, nothing left running."""
    environ = environment(state_dir, {**given, PREFIX + variable: value})
    with up(environ, "--json") as process:
        out, error = process.communicate(timeout=DEADLINE_SECONDS)
    assert (process.returncode, out) == (2, "")
    assert words in error.splitlines()[-1]
    memory = state_dir / "servers.json"
    assert not memory.exists() or json.loads(memory.read_text())["processes"] == {}
