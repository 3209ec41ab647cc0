"""Start whichever of Kafka, Postgres and Redis has no address in the settings; stop them in the end.

State and ports live in `settings.state_dir` and are used again by the next start, which also stops what a killed
owner left running. One owner at a time.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from services.local import kafka, postgres, valkey
from services.local.process import Server, spawn, stop, wait_until_it_answers
from services.local.state import LocalServerError, StateDir
from services.runtime.settings import Settings

NAMES = ("kafka", "postgres", "redis")
SETTING = {"kafka": "kafka_bootstrap_servers", "postgres": "postgres_dsn", "redis": "redis_url"}
ALL_READY_SECONDS = 180.0


def quiet(line: str) -> None:
    """The default for `progress`: say nothing."""


@dataclass(slots=True, kw_only=True)
class Servers:
    """The addresses of all servers, and the processes of those that were started here."""

    state: StateDir
    addresses: dict[str, str | None]
    local: dict[str, Server] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def kafka(self) -> str | None:
        """host:port[,host:port…]"""
        return self.addresses["kafka"]

    @property
    def postgres(self) -> str | None:
        """A DSN over TCP, with its password."""
        return self.addresses["postgres"]

    @property
    def redis(self) -> str | None:
        """A URL."""
        return self.addresses["redis"]

    @property
    def pids(self) -> dict[str, int | None]:
        """Per server: the process id if it was started here, else None."""
        return {
            name: self.processes[name].pid if name in self.processes else None for name in NAMES
        }

    def settings(self, settings: Settings) -> Settings:
        """The same settings with every address filled in."""
        return settings.model_copy(update={SETTING[name]: self.addresses[name] for name in NAMES})

    def ended(self) -> list[str]:
        """Names of servers that were started here and run no more."""
        return [name for name, process in self.processes.items() if process.poll() is not None]

    async def start(self, name: str) -> None:
        """Start a prepared server (again) on the same port and data; return when it answers."""
        server = self.local[name]
        self.processes[name] = spawn(self.state, server)
        await wait_until_it_answers(server, self.processes[name])

    async def stop(self) -> None:
        """Stop what was started here and let go of the state directory."""
        running = [
            stop(self.state, self.local[name], process) for name, process in self.processes.items()
        ]
        await asyncio.gather(*running)
        self.processes.clear()
        self.state.close()


async def start_servers(
    settings: Settings,
    *,
    want: Collection[str] = NAMES,
    progress: Callable[[str], None] = quiet,
) -> Servers:
    """Start what is wanted and has no address; return when everything answers.

    `progress` gets one line whenever there is something to tell. Raises LocalServerError, one line; nothing that was
    started is left behind then, nor when the caller is cancelled.
    """
    state = StateDir(settings.state_dir)
    servers = Servers(
        state=state, addresses={name: getattr(settings, SETTING[name]) for name in NAMES}
    )
    try:
        left = await asyncio.to_thread(state.stop_leftovers)
        if left:
            progress(f"stopped what an earlier run left behind: {', '.join(left)}")
        missing = [name for name in NAMES if name in want and not servers.addresses[name]]
        if missing:
            progress(f"starting {', '.join(missing)} in {state.path}")
        async with asyncio.timeout(ALL_READY_SECONDS), asyncio.TaskGroup() as starts:
            for name in missing:
                starts.create_task(_bring_up(servers, name, progress))
    except BaseException as error:
        await servers.stop()
        if isinstance(error, TimeoutError):
            raise LocalServerError(
                f"local servers did not start within {ALL_READY_SECONDS:.0f} s"
            ) from None
        if isinstance(error, BaseExceptionGroup):
            raise error.exceptions[0] from None
        raise
    return servers


async def _bring_up(servers: Servers, name: str, progress: Callable[[str], None]) -> None:
    match name:
        case "kafka":
            server = await kafka.prepare(servers.state, progress)
        case "postgres":
            server = await postgres.prepare(servers.state)
        case _:
            server = await valkey.prepare(servers.state)
    servers.local[name] = server
    servers.addresses[name] = server.address
    await servers.start(name)
    progress(f"{name} is ready")
