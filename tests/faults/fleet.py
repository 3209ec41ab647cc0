"""The service's own processes, kept running as an orchestrator keeps them: what dies is started again at once.

Whoever kills one says so first; an end that nobody asked for is a failure of the run.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from services.local.state import StateDir
from services.runtime.settings import Settings
from tests.stand.processes import environment
from tests.stand.waiting import eventually

READY_SECONDS = 90.0
STOP_SECONDS = 60.0
CRASH_SECONDS = 60.0
"""A point that is not reached within this is not on the way of what was sent."""
PAUSE_SECONDS = 0.5
"""Before what ended by itself is started again."""
TAIL_BYTES = 1_500


@dataclass(slots=True, kw_only=True)
class Member:
    """A process and what is meant to become of it. `doomed`: somebody kills it; `leaving`: it was told to stop."""

    name: str
    command: str
    settings: Settings
    log: Path
    process: Process | None = None
    keeper: asyncio.Task[None] | None = None
    doomed: bool = False
    leaving: bool = False

    @property
    def url(self) -> str:
        """Of its health endpoint."""
        return f"http://{self.settings.health_host}:{self.settings.health_port}"

    @property
    def runs(self) -> bool:
        """Is there a process now?"""
        return self.process is not None and self.process.returncode is None


@dataclass(slots=True, kw_only=True)
class Fleet:
    """Owns the processes. `failures`: ends that nobody asked for, and stops that did not end well."""

    settings: Settings
    state: StateDir
    failures: list[str] = field(default_factory=list)
    _members: dict[str, Member] = field(default_factory=dict)
    _http: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(timeout=5, trust_env=False)
    )

    def of(self, command: str) -> list[Member]:
        """Every member that runs this command."""
        return [one for one in self._members.values() if one.command == command and one.runs]

    async def start(self, name: str, crash_at: str | None = None, *, ready: bool = False) -> Member:
        """Start `issuer-1` and the like, if need be to die at a point; wait until it has started, if so wanted."""
        settings = self.settings.model_copy(
            update={"health_port": self.state.port(f"{name}-health")}
        )
        member = Member(
            name=name, command=name.rpartition("-")[0], settings=settings,
            log=self.state.path / f"{name}.log", doomed=crash_at is not None,
        )  # fmt: skip
        self._members[name] = member
        await self._spawn(member, crash_at)
        member.keeper = asyncio.create_task(self._keep(member))
        if ready:
            await self.started(member)
        return member

    async def started(self, member: Member) -> None:
        """Wait until it has connected to everything."""

        async def answers() -> bool:
            try:
                return (await self._http.get(f"{member.url}/startupz")).status_code == 200
            except httpx.HTTPError:
                return False

        await eventually(answers, f"{member.name} has started", READY_SECONDS)

    async def kill(self, member: Member) -> None:
        """Kill −9. It is started again by itself."""
        assert member.process
        victim, member.doomed = member.process, True
        if member.runs:
            victim.send_signal(signal.SIGKILL)
        await victim.wait()

    async def drop(self, member: Member) -> None:
        """Kill −9, and leave it at that."""
        member.leaving = True
        await self.kill(member)

    async def crash(self, member: Member) -> bool:
        """Wait until it dies at the point that it was started with. False: it never came there, and was stopped."""
        assert member.process
        try:
            await asyncio.wait_for(asyncio.shield(member.process.wait()), CRASH_SECONDS)
        except TimeoutError:
            await self.stop([member])
            return False
        return True

    async def stop(self, members: Sequence[Member]) -> None:
        """Tell them to stop, together; each has to end with exit code 0."""
        for member in members:
            member.leaving = True
            if member.runs and member.process:
                member.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*(self._gone(member) for member in members))

    async def _gone(self, member: Member) -> None:
        assert member.process
        try:
            code = await asyncio.wait_for(member.process.wait(), STOP_SECONDS)
        except TimeoutError:
            member.process.kill()
            code = await member.process.wait()
        if code and not member.doomed:
            self.failures.append(f"{member.name} was told to stop and ended with {code}")
        if member.keeper:
            await member.keeper

    async def leader(self) -> Member:
        """The relay that publishes."""

        async def leads() -> Member | None:
            for member in self.of("relay"):
                try:
                    text = (await self._http.get(f"{member.url}/metrics")).text
                except httpx.HTTPError:
                    continue
                if "couponry_relay_active 1.0" in text:
                    return member
            return None

        found: Member = await eventually(leads, "one relay leads", READY_SECONDS)
        return found

    async def _spawn(self, member: Member, crash_at: str | None = None) -> None:
        settings = member.settings.model_copy(
            update={"crash_at": crash_at, "allow_crash_points": crash_at is not None}
        )
        with member.log.open("ab") as log:
            member.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.cli", member.command,
                env=environment(settings), stdin=DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    async def _keep(self, member: Member) -> None:
        while True:
            assert member.process
            code = await member.process.wait()
            if member.leaving:
                return
            if member.doomed and code == -signal.SIGKILL:
                member.doomed = False
            else:
                end = member.log.read_bytes()[-TAIL_BYTES:].decode(errors="replace")
                self.failures.append(f"{member.name} ended by itself with {code}: {end}")
                await asyncio.sleep(PAUSE_SECONDS)
            await self._spawn(member)

    async def end(self) -> None:
        """At once, whatever happens."""
        for member in self._members.values():
            member.leaving = True
            if member.runs and member.process:
                member.process.send_signal(signal.SIGCONT)
                member.process.kill()
        await asyncio.gather(*(one.keeper for one in self._members.values() if one.keeper))
        await self._http.aclose()


@asynccontextmanager
async def fleet_of(settings: Settings, state: StateDir) -> AsyncIterator[Fleet]:
    """Nobody runs yet; whoever does at the end of the block is killed."""
    fleet = Fleet(settings=settings, state=state)
    try:
        yield fleet
    finally:
        await fleet.end()
