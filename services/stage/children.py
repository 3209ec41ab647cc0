"""The service's own processes as children of `up` and `demo`: one way to start each."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import sys
import urllib.error
from collections.abc import Callable, Iterable
from pathlib import Path

from services.local.process import Processes, Server
from services.local.servers import SETTING
from services.local.state import (
    CODE_SECRET_FILE,
    SECRET_FILE,
    SECRETS_KEY_FILE,
    StateDir,
    write_private,
)
from services.runtime.settings import CODE_SECRET_BYTES, PREFIX, Settings
from services.runtime.side_by_side import side_by_side
from services.runtime.web import open_url

STOP_SECONDS = 15.0
PACKAGES = Path(__file__).parents[2]


def child(name: str, settings: Settings, state: StateDir) -> Server:
    """One of `PROCESSES` on its remembered health port. It answers when its `/startupz` does.

    Everything it needs reaches it through its environment; `settings` has to carry all addresses. Their clock is the
    process's, whatever clock this one has.
    """
    log = state.path / f"{name}.log"
    port = state.port(f"{name}-health")
    addresses = {PREFIX + field.upper(): getattr(settings, field) for field in SETTING.values()}
    own = {
        PREFIX + "STATE_DIR": str(state.path),
        PREFIX + "HEALTH_PORT": str(port),
        PREFIX + "ALLOW_TEST_CLOCK": str(settings.allow_test_clock),
        PREFIX + "CLOCK_OFFSET_SECONDS": str(settings.clock_offset_seconds),
        PREFIX + "WEBHOOK_ALLOW_PRIVATE": str(settings.webhook_allow_private),
        **_made_once(state, "JWT_SECRET", SECRET_FILE, lambda: secrets.token_urlsafe(48)),
        **_made_once(state, "CODE_SECRET", CODE_SECRET_FILE, new_code_secret),
        **_made_once(state, "SECRETS_KEY", SECRETS_KEY_FILE, new_code_secret),
        **(
            {PREFIX + "API_PORT": str(settings.api_port or state.port("api"))}
            if name == "api"
            else {}
        ),
        # Found wherever the parent found it, however the parent was started.
        "PYTHONPATH": os.pathsep.join(filter(None, (str(PACKAGES), os.environ.get("PYTHONPATH")))),
    }

    async def answers() -> None:
        await asyncio.to_thread(_get, announced_url(log) + "/startupz")

    return Server(
        name=name,
        address=f"http://{settings.health_host}:{port}",
        argv=(sys.executable, "-P", "-m", "services.cli", name),
        log=log,
        answers=answers,
        environment=addresses | own,
        stop_seconds=STOP_SECONDS,
    )


async def start_together(names: Iterable[str], processes: Processes, settings: Settings) -> None:
    """Start these side by side; return when all are ready. Raises LocalServerError."""
    children = [child(name, settings, processes.state) for name in names]
    await side_by_side(*map(processes.start, children))


def announced_url(log: Path, what: str = "health") -> str:
    """The address from the `{"health": …}` line of a process. Raises ConnectionError until it is there."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(f'{{"{what}"'):
            return str(json.loads(line)[what])
    raise ConnectionError("the process has not told its address yet")


def _made_once(state: StateDir, name: str, file: str, make: Callable[[], str]) -> dict[str, str]:
    """A secret of this state directory, made when it is first needed, unless one is given."""
    variable = PREFIX + name
    if variable in os.environ or f"{variable}_FILE" in os.environ:
        return {}
    path = state.path / file
    if not path.exists():
        write_private(path, make())
    return {f"{variable}_FILE": str(path)}


def new_code_secret() -> str:
    """Base64 of 32 random bytes."""
    return base64.b64encode(secrets.token_bytes(CODE_SECRET_BYTES)).decode()


def _get(url: str) -> None:
    """Raises OSError, with the answer's text where there is one, unless the answer is 200."""
    try:
        with open_url(url, timeout_seconds=5):
            pass
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(500).decode(errors="replace")
        raise ConnectionError(said) from None
