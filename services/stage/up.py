"""`couponry up`: servers that have no address, then our own processes as children, kept running until told to stop.

Heavy imports wait until a stop signal is already answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

from services.runtime.processes import PROCESSES
from services.runtime.settings import read_settings
from services.runtime.side_by_side import side_by_side
from services.runtime.signals import leave_at_once, on_stop

if TYPE_CHECKING:
    from services.local.process import Processes
    from services.local.servers import Servers
    from services.runtime.settings import Settings

MOST_RESTARTS = 5
RESTART_WINDOW_SECONDS = 60.0


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when all are ready.")
@click.option("--api-port", type=click.IntRange(0, 65_535), help="Port of the API; 0: any.")
@click.option("--servers-only", is_flag=True, help="Start no process of the service itself.")
def up(as_json: bool, api_port: int | None, servers_only: bool) -> None:
    """Run the servers that have no address, then the service's processes, until interrupted.

    What dies is started again. Ports and data are kept under COUPONRY_STATE_DIR.
    """
    leave_at_once()
    settings = read_settings(**({} if api_port is None else {"api_port": api_port}))
    asyncio.run(_until_told(_serve(settings, as_json=as_json, servers_only=servers_only)))


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until a signal; then cancel it, let it clean up and end this process with exit code 0."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    on_stop(lambda: loop.call_soon_threadsafe(stopping.set))
    signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))  # the terminal was closed
    told, task = asyncio.ensure_future(stopping.wait()), asyncio.ensure_future(work)
    await asyncio.wait({told, task}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.is_set():
        told.cancel()
        task.result()
        return
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()):
        print(f"couponry: while stopping: {error}", file=sys.stderr)
    sys.stdout.flush()
    os._exit(0)  # not by returning: that would wait for a thread whose download hangs


async def _serve(settings: Settings, *, as_json: bool, servers_only: bool) -> None:
    # Heavy imports, made only now that a signal is answered.
    from services.local.servers import start_servers
    from services.terminal.narration import narration

    with narration() as progress:
        servers = await start_servers(settings, progress=progress)
    up_file = servers.processes.state.path / "up.json"
    try:
        up_file.unlink(missing_ok=True)  # of a run that was killed
        with narration() as progress:
            await prepare(servers, settings, progress)
            if not servers_only:
                await start_children(servers, settings, progress)
        line = _publish(servers, servers_only=servers_only)
        if as_json:
            print(line, flush=True)
        _describe(line, servers.processes)

        def publish() -> None:
            _publish(servers, servers_only=servers_only)

        await side_by_side(
            asyncio.Event().wait(),  # without end, also where there is nothing to keep
            *(_keep(servers.processes, name, publish) for name in servers.processes.names),
        )
    finally:
        up_file.unlink(missing_ok=True)
        await servers.processes.stop(PROCESSES)
        await servers.stop()


async def prepare(servers: Servers, settings: Settings, progress: Callable[[str], None]) -> None:
    """Schema and topics. Raises CommandError, one line."""
    from services.adapters.postgres.migrate import MigrationError, migrate
    from services.admin.topics import apply_topics
    from services.terminal.addresses import reaching_postgres
    from services.terminal.output import CommandError

    complete = servers.settings(settings)
    progress("migrating the database")
    with reaching_postgres(complete):
        try:
            await migrate(complete)
        except MigrationError as error:
            raise CommandError(str(error)) from None
    progress("creating the topics")
    await apply_topics(complete, insist=False)


async def start_children(
    servers: Servers, settings: Settings, progress: Callable[[str], None]
) -> None:
    """The service's own processes, together; return when they are ready. Raises LocalServerError."""
    from services.stage.children import start_together

    progress(f"starting {', '.join(PROCESSES)}")
    await start_together(PROCESSES, servers.processes, servers.settings(settings))


async def _keep(processes: Processes, name: str, changed: Callable[[], object]) -> None:
    """Start this process again whenever it ends, a limited number of times per minute, without end."""
    from services.local.state import LocalServerError
    from services.terminal.narration import tell

    restarts: deque[float] = deque(maxlen=MOST_RESTARTS)
    while True:
        code = await processes.ended(name)
        if len(restarts) == MOST_RESTARTS:
            pause = restarts[0] + RESTART_WINDOW_SECONDS - time.monotonic()
            if pause > 0:
                tell(
                    f"{name} has ended {MOST_RESTARTS + 1} times within a minute: next start in {pause:.0f} s"
                )
                await asyncio.sleep(pause)
        restarts.append(time.monotonic())
        tell(f"{name} has ended with exit code {code}: starting it again")
        try:
            await processes.restart(name)
            tell(f"{name} is ready again")
        except LocalServerError as error:
            tell(str(error))
        changed()


def _publish(servers: Servers, *, servers_only: bool) -> str:
    """Write the current announcement to `up.json` and return it: one line of JSON."""
    from services.local.state import write_private
    from services.stage.children import announced_url

    processes = servers.processes
    own = {name: processes.pid(name) for name in PROCESSES}
    health = {
        name: announced_url(processes.state.path / f"{name}.log") if pid else None
        for name, pid in own.items()
    }
    announcement = servers.addresses | {
        "api": announced_url(processes.state.path / "api.log", "api") if own["api"] else None,
        "pids": servers.pids | own,
        "health": None if servers_only else health,
    }
    line = json.dumps(announcement)
    write_private(processes.state.path / "up.json", line + "\n")
    return line


def _describe(line: str, processes: Processes) -> None:
    """The same for people, on stderr."""
    from services.terminal.narration import tell

    announcement = json.loads(line)
    for name in ("kafka", "postgres", "redis", "api"):
        tell(f"{name:<10}{announcement[name] or 'not started'}")
    for name, url in (announcement["health"] or {}).items():
        if url:
            tell(f"{name:<10}{url}/docs")
    tell(f"logs in {processes.state.path}; Ctrl-C stops everything that was started here")
