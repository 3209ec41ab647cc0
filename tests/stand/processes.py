"""Our processes as they run in production: `couponry issuer`, `relay`, …, each one of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from services.runtime.settings import PREFIX, Settings
from tests.stand.waiting import DEADLINE_SECONDS, eventually


@dataclass(slots=True, kw_only=True)
class ServiceProcess:
    """One that runs. `lines` is what it says on stderr."""

    process: asyncio.subprocess.Process
    url: str
    lines: list[str] = field(default_factory=list)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def ended(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        try:
            return await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            raise AssertionError(f"still runs after {seconds} s; it said {self.lines}") from None

    async def stopped(self) -> int:
        """Tell it to stop, and wait for its end."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    async def readyz(self) -> dict[str, Any]:
        """The body of `/readyz`."""
        return json.loads(await asyncio.to_thread(_get, f"{self.url}/readyz"))  # type: ignore[no-any-return]

    async def checks(self) -> dict[str, str | None]:
        """The answers of `/readyz` by check."""
        return (await self.readyz())["checks"]  # type: ignore[no-any-return]

    async def warnings(self) -> dict[str, str]:
        """The warnings of `/readyz` by check."""
        return (await self.readyz())["warnings"]  # type: ignore[no-any-return]

    async def is_ready(self) -> bool:
        """Does `/readyz` say yes, without a warning?"""
        return not await self.complaint()

    async def ready(self) -> ServiceProcess:
        """Wait until nothing is wrong: an issuer has its partitions then."""
        await eventually(self.is_ready, f"it is ready; it said {self.lines[-3:]}")
        return self

    async def complaint(self) -> str:
        """What `/readyz` has against it, warnings too; empty when nothing."""
        body = await self.readyz()
        return "; ".join(
            text for part in ("checks", "warnings") for text in body[part].values() if text
        )

    async def leads(self) -> bool:
        """Is it the relay that publishes?"""
        return await self.metric("couponry_relay_active") == 1

    async def metric(self, name: str) -> float:
        """The sum of a metric's samples; 0 if there are none."""
        text = (await asyncio.to_thread(_get, f"{self.url}/metrics")).decode()
        return sum(
            float(line.split()[-1])
            for line in text.splitlines()
            if line.startswith((f"{name} ", f"{name}{{"))
        )


@asynccontextmanager
async def service(
    command: str, settings: Settings, **changes: Any
) -> AsyncIterator[ServiceProcess]:
    """Run `couponry COMMAND` with these settings until the block ends; then it is killed if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", command,
        env=environment(settings.model_copy(update=changes)), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr
    reading: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            first = await process.stderr.readline()
        running = ServiceProcess(process=process, url=json.loads(first)["health"])
        reading = asyncio.create_task(_collect(process.stderr, running.lines))
        try:
            yield running
        except Exception as error:
            error.add_note(f"{command} {process.pid} said {running.lines}")
            if process.returncode is None:
                error.add_note(f"and has {await running.checks()}")
            raise
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()
        if reading is not None:
            await reading


issuer = partial(service, "issuer")
relay = partial(service, "relay")


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a process that is to read these settings, and no others."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    changed = settings.model_dump(exclude_defaults=True, warnings=False)  # lists come as text
    return others | {f"{PREFIX}{name.upper()}": str(value) for name, value in changed.items()}


async def _collect(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while line := await stream.readline():
        lines.append(line.decode())


def _get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read()  # type: ignore[no-any-return]
    except urllib.error.HTTPError as error:
        with error:
            return error.read()
