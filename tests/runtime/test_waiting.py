"""The loop that waits for a server: what it says, how long it waits, when it stops, what it does not wait for."""

from __future__ import annotations

import asyncio
import logging

import pytest

from services.runtime import waiting as module
from services.runtime.waiting import Waiting, keep_trying

LOG = logging.getLogger("tests.waiting")


class Away(Exception):
    """A server that is away."""


class Attempts:
    """Fails so many times, then returns; `failed` notes each failure and waits no time."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.noted: list[str] = []

    async def __call__(self) -> str:
        if len(self.noted) < self.failures:
            raise Away(str(len(self.noted) + 1))
        return "reached"

    def failed(self, error: Exception) -> float:
        self.noted.append(str(error))
        return 0.0


def _is_away(error: Exception) -> bool:
    return isinstance(error, Away)


async def test_outage_is_outlasted() -> None:
    """However often it fails, the work is tried again, and its answer comes back."""
    attempts = Attempts(20)
    answer = await keep_trying(
        attempts, attempts.failed, is_outage=_is_away, stopping=asyncio.Event()
    )
    assert answer == "reached"
    assert attempts.noted == [str(number) for number in range(1, 21)]


async def test_stop_ends_the_waiting() -> None:
    """A stop during a long wait ends it at once, and nothing is begun anew."""
    stopping, begun = asyncio.Event(), 0

    async def work() -> str:
        nonlocal begun
        begun += 1
        asyncio.get_running_loop().call_soon(stopping.set)
        raise Away

    answer = await asyncio.wait_for(
        keep_trying(work, lambda _: 3600.0, is_outage=_is_away, stopping=stopping), 30
    )
    assert (answer, begun) == (None, 1)


async def test_stop_before_the_start_begins_nothing() -> None:
    """Told to stop while it was still starting, it asks nobody."""
    stopping, attempts = asyncio.Event(), Attempts(0)
    stopping.set()
    assert (
        await keep_trying(attempts, attempts.failed, is_outage=_is_away, stopping=stopping) is None
    )


async def test_other_error_is_not_waited_out() -> None:
    """What is no outage is raised as it is, and told to nobody."""
    attempts = Attempts(1)
    with pytest.raises(Away):
        await keep_trying(
            attempts, attempts.failed, is_outage=lambda _: False, stopping=asyncio.Event()
        )
    assert attempts.noted == []


def test_waiting_says_why_in_health_and_log(caplog: pytest.LogCaptureFixture) -> None:
    """`starting` at first, then the same line as the log, and nothing once it works."""
    waiting = Waiting("waiting for Postgres", LOG)
    assert waiting.why == "starting"
    waiting.failed(ConnectionRefusedError("100% closed"))
    assert waiting.why == "waiting for Postgres: ConnectionRefusedError: 100% closed"
    assert [(one.name, one.levelname, one.getMessage()) for one in caplog.records] == [
        (LOG.name, "WARNING", waiting.why)
    ]
    waiting.over()
    assert waiting.why is None


def test_waiting_begins_anew_after_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits grow from failure to failure, and a success lets them begin from the start."""
    monkeypatch.setattr(module, "delays", lambda: iter([1.0, 2.0, 4.0]))
    waiting = Waiting("counting", LOG)
    assert [waiting.failed(Away()) for _ in range(3)] == [1.0, 2.0, 4.0]
    waiting.over()
    assert waiting.failed(Away()) == 1.0
