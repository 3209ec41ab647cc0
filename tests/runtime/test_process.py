"""A service process from start to end: health endpoint, signals, exit codes, memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psutil
import pytest

SERVICE = Path(__file__).with_name("service.py")
ROOT = SERVICE.parents[2]
DEADLINE_SECONDS = 60


@contextmanager
def service(behaviour: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The process, killed if the test leaves it running."""
    process = subprocess.Popen(
        [sys.executable, str(SERVICE), behaviour],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def announced(process: subprocess.Popen[str]) -> str:
    """The health endpoint's URL, from the line that announces it."""
    assert process.stderr
    return str(json.loads(process.stderr.readline())["health"])


def get(url: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code, and what stderr still carries."""
    _, rest = process.communicate(timeout=DEADLINE_SECONDS)
    return process.returncode, rest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_stops_with_zero_after_finishing(number: signal.Signals) -> None:
    """A signal, even twice, lets the work in hand finish; the exit code is 0."""
    with service("wait") as process:
        announced(process)
        process.send_signal(number)
        process.send_signal(number)
        code, rest = ended(process)
    assert code == 0
    assert "finished the batch" in rest


@pytest.mark.parametrize("attempt", range(8))
def test_process_stops_with_zero_while_starting(attempt: int) -> None:
    """A signal at any moment of the start-up, once Python runs our first line, ends in exit code 0."""
    code = "from services.runtime.signals import leave_at_once; leave_at_once()\n"
    code += "print('started', flush=True)\n"
    code += f"import runpy, sys; sys.argv = ['service', 'wait']; runpy.run_path({str(SERVICE)!r}, run_name='__main__')"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout
        process.stdout.readline()
        moment = Random(attempt).uniform(0, 0.8)
        try:
            process.wait(timeout=moment)  # not a wait for anything: the moment itself is under test
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=DEADLINE_SECONDS) == 0, (
            f"signalled {moment:.3f} s after the start"
        )


@pytest.mark.parametrize("behaviour", ["deaf", "unstoppable"])
def test_process_leaves_when_its_work_does_not_end(behaviour: str) -> None:
    """Work that ignores the stop is cancelled, and left behind if it ignores that too; exit code 0."""
    with service(behaviour) as process:
        announced(process)
        process.terminate()
        code, rest = ended(process)
    assert code == 0
    assert "cancelled" in rest


def test_process_stops_with_zero_when_stopping_fails() -> None:
    """An error after the signal is logged, and the stop counts all the same: the state survives a cut anywhere."""
    with service("fail-late") as process:
        announced(process)
        process.terminate()
        code, rest = ended(process)
    assert code == 0
    assert "the server went first" in rest


@pytest.mark.parametrize(
    ("behaviour", "code", "said"),
    [
        ("crash", 1, "sample failed"),
        ("return", 1, "returned although nothing told it to stop"),
        ("missing", 2, "COUPONRY_REDIS_URL is not set"),
    ],
)
def test_process_failure_has_its_exit_code_and_line(behaviour: str, code: int, said: str) -> None:
    """A crash or an unasked-for end is 1, a wrong setting 2; the last line says which, without secrets."""
    with service(behaviour) as process:
        announced(process)
        exit_code, rest = ended(process)
    assert exit_code == code
    assert len(rest.splitlines()) == 1
    assert said in rest
    assert "secret" not in rest
    assert "0123-4567" not in rest


def test_process_refuses_an_address_that_is_taken() -> None:
    """A health port in use is one line that names the setting, exit 2."""
    with service("wait") as first:
        port = announced(first).rpartition(":")[2]
        with service("wait", COUPONRY_HEALTH_PORT=port) as second:
            code, rest = ended(second)
    assert code == 2
    assert len(rest.splitlines()) == 1
    assert "COUPONRY_HEALTH_PORT" in rest


def test_health_endpoint_reports_every_check_by_name() -> None:
    """Liveness and readiness are 200, or 503 with the reason of each check."""
    with service("wait") as process:
        url = announced(process)
        assert get(f"{url}/livez") == (200, '{"status":"ok","checks":{"progress":null}}')
        status, body = get(f"{url}/readyz")
        assert (status, json.loads(body)) == (
            200,
            {"status": "ok", "checks": {"server": None, "running": None}, "warnings": {}},
        )
        assert get(f"{url}/startupz") == (200, '{"status":"ok","checks":{"started":null}}')
    with service("stuck") as process:
        status, body = get(f"{announced(process)}/livez")
        assert (status, json.loads(body)["checks"]) == (503, {"progress": "no batch for 60 s"})


def test_health_endpoint_is_ready_in_spite_of_a_warning() -> None:
    """A warning has its sentence in `/readyz` and its gauge, and is not red."""
    with service("warned") as process:
        url = announced(process)
        status, body = get(f"{url}/readyz")
        assert (status, json.loads(body)["warnings"]) == (200, {"redis": "Redis is away"})
        metrics = get(f"{url}/metrics")[1]
        assert 'couponry_check_failing{check="redis"} 1.0' in metrics
        assert 'couponry_check_failing{check="server"} 0.0' in metrics


def test_health_endpoint_says_that_a_process_is_starting() -> None:
    """Until it has started `/startupz` and `/readyz` are 503, `/livez` is 200."""
    with service("starting") as process:
        url = announced(process)
        answers = {path: get(f"{url}/{path}")[0] for path in ("livez", "startupz", "readyz")}
    assert answers == {"livez": 200, "startupz": 503, "readyz": 503}


def test_health_endpoint_documents_itself_without_the_network() -> None:
    """/docs lists what /openapi.json describes and loads nothing from anywhere; /metrics is Prometheus text."""
    with service("wait") as process:
        url = announced(process)
        status, page = get(f"{url}/docs")
        assert status == 200
        assert "http" not in page.replace("https://json-schema.org", "")
        for path in json.loads(get(f"{url}/openapi.json")[1])["paths"]:
            assert f"GET {path}" in page
        assert "python_info" in get(f"{url}/metrics")[1]


def test_process_idles_in_little_memory() -> None:
    """Health endpoint and event loop take less than 75 MB, half of what an issuer may use."""
    with service("wait") as process:
        get(f"{announced(process)}/readyz")
        assert psutil.Process(process.pid).memory_info().rss < 75_000_000
