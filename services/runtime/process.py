"""The life of a service process, the same for all: health first, then the work, then a graceful end.

SIGTERM or SIGINT sets `health.stopping`; the service finishes what it has in hand and returns. If it does not
within `GRACE_SECONDS` it is cancelled, and if even that does not end it the process leaves: every point of
the work survives being cut off there. A second signal changes nothing, because a terminal's Ctrl-C reaches a
whole family of processes and the parent then signals each child once more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from services.runtime.signals import leave_at_once, on_stop

if TYPE_CHECKING:
    from services.runtime.health import Health
    from services.runtime.settings import Settings

GRACE_SECONDS = 25.0
CANCEL_SECONDS = 2.0
LAST_RESORT_SECONDS = 28.5
"""After this long nothing is waited for: under the 30 s that orchestrators and our own `up` allow."""
assert GRACE_SECONDS + CANCEL_SECONDS < LAST_RESORT_SECONDS < 30

log = logging.getLogger(__name__)


def run_service(name: str, settings: Settings, serve: Callable[[Health], Awaitable[None]]) -> int:
    """Run `serve` in the foreground until it is told to stop; returns the process's exit code.

    0: stopped by a signal, at whatever time. 1: `serve` failed, or returned without being told to.
    2: a setting is wrong (one line on stderr). Check with `required` before this call that the addresses are
    there: then that line is all that stderr carries.
    """
    leave_at_once()
    # Imported here, with a signal already answered: these take most of the start-up time.
    import uvloop

    from services.runtime.health import Health, health_server
    from services.runtime.logs import log_to_stderr
    from services.runtime.settings import SettingsError

    log_to_stderr(name)
    last_resort = threading.Timer(LAST_RESORT_SECONDS, os._exit, [0])
    last_resort.daemon = True

    async def run() -> None:
        health = Health(name)
        loop = asyncio.get_running_loop()
        # Not the loop's own handlers: taking those off at the end leaves a moment in which a signal kills.
        on_stop(lambda: loop.call_soon_threadsafe(_stop, health, last_resort))
        try:
            async with health_server(health, settings):
                await _attend(health, asyncio.ensure_future(serve(health)))
        finally:
            leave_at_once()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except (Exception, asyncio.CancelledError):
        log.critical("%s failed", name, exc_info=True)
        return 1
    finally:
        last_resort.cancel()
    return 0


def _stop(health: Health, last_resort: threading.Timer) -> None:
    if not health.stopping.is_set():
        log.info("stopping")
        last_resort.start()
        health.stopping.set()


async def _attend(health: Health, work: asyncio.Future[None]) -> None:
    """Wait for the work's end: until a stop for as long as it takes, from then on for a limited time.

    Raises what the work raises, except after a stop: then it is logged, and the stop has succeeded.
    """
    told = asyncio.ensure_future(health.stopping.wait())
    either: set[asyncio.Future[Any]] = {work, told}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not health.stopping.is_set():
        work.result()
        raise RuntimeError(f"{health.name} returned although nothing told it to stop")
    await asyncio.wait({work}, timeout=GRACE_SECONDS)
    if not work.done():
        log.warning("not finished %s s after the signal: cancelled", GRACE_SECONDS)
        work.cancel()
        await asyncio.wait({work}, timeout=CANCEL_SECONDS)
    if work.done() and not work.cancelled() and (error := work.exception()):
        log.error("failed while stopping", exc_info=error)
