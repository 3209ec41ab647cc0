"""Start whichever of Kafka, Postgres and Redis has no address in the settings; stop them in the end.

State and ports live in `settings.state_dir` and are used again by the next start, which also stops what a killed
owner left running. One owner at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass

from services.local import kafka, postgres, valkey
from services.local.process import Processes
from services.local.state import StateDir
from services.runtime.settings import WITHOUT_REDIS, Settings
from services.runtime.side_by_side import side_by_side

NAMES = ("kafka", "postgres", "redis")
SETTING = {"kafka": "kafka_bootstrap_servers", "postgres": "postgres_dsn", "redis": "redis_url"}


def quiet(line: str) -> None:
    """The default for `progress`: say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The addresses of all servers, and the processes of those that were started here."""

    processes: Processes
    addresses: dict[str, str | None]
    without_redis: bool = False

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
        return {name: self.processes.pid(name) for name in NAMES}

    def settings(self, settings: Settings) -> Settings:
        """The same settings with every address filled in."""
        found = {SETTING[name]: self.addresses[name] for name in NAMES}
        if self.without_redis:
            found["redis_url"] = WITHOUT_REDIS
        return settings.model_copy(update=found)

    async def stop(self) -> None:
        """Stop what was started here and let go of the state directory."""
        await self.processes.stop()
        self.processes.state.close()


async def start_servers(
    settings: Settings,
    *,
    want: Collection[str] = NAMES,
    progress: Callable[[str], None] = quiet,
) -> Servers:
    """Start what is wanted and has no address; return when everything answers.

    `progress` gets a line whenever there is something to tell. Raises LocalServerError, one line; nothing that was
    started is left behind then, nor when the caller is cancelled.
    """
    state = StateDir(settings.state_dir)
    addresses = {name: getattr(settings, SETTING[name]) for name in NAMES}
    if without_redis := settings.redis_url == WITHOUT_REDIS:
        addresses["redis"] = None
    servers = Servers(processes=Processes(state), addresses=addresses, without_redis=without_redis)
    try:
        left = await asyncio.to_thread(state.stop_leftovers)
        if left:
            progress(f"stopped what an earlier run left behind: {', '.join(left)}")
        missing = [
            name
            for name in NAMES
            if name in want and not addresses[name] and not (name == "redis" and without_redis)
        ]
        if missing:
            progress(f"starting {', '.join(missing)} in {state.path}")
        await side_by_side(*(_bring_up(servers, settings, name, progress) for name in missing))
    except BaseException:
        await servers.stop()
        raise
    return servers


async def _bring_up(
    servers: Servers, settings: Settings, name: str, progress: Callable[[str], None]
) -> None:
    match name:
        case "kafka":
            server = await kafka.server(servers.processes, progress, settings.maven_url)
        case "postgres":
            server = await postgres.server(servers.processes, progress)
        case "redis":
            server = valkey.server(servers.processes.state)
        case _:
            raise ValueError(f"there is no server {name!r}: one of {', '.join(NAMES)}")
    servers.addresses[name] = server.address
    await servers.processes.start(server)
    progress(f"{name} is ready")
