"""The health endpoint of a process: `/livez`, `/readyz`, `/metrics`, `/docs`, `/openapi.json`.

It runs on the service's own event loop on purpose: a loop that is stuck answers nothing, and an orchestrator
then restarts the process. Liveness comes from progress (the service's own checks), not from a ping.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from services.runtime.docs_page import add_docs
from services.runtime.settings import PREFIX, Settings, SettingsError

Check = Callable[[], str | None]
"""None: fine. A text: why not. Called on the event loop at every request, so it only looks, never waits."""


class Health:
    """What a service tells the outside about itself, and `stopping`, what the outside tells the service."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopping = asyncio.Event()
        """Set by SIGTERM or SIGINT: finish the batch in hand and return."""
        self._live: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}

    def live(self, check: Check, name: str | None = None) -> None:
        """Add to `/livez`, under the check's own name unless one is given: text = restart this process."""
        self._live[name or _name_of(check)] = check

    def ready(self, check: Check, name: str | None = None) -> None:
        """Add to `/readyz`: text = works, but not now. Without any such check a process is still starting."""
        self._ready[name or _name_of(check)] = check

    def liveness(self) -> dict[str, str | None]:
        """Every liveness check by name: None, or the reason why not."""
        return _answers(self._live)

    def readiness(self) -> dict[str, str | None]:
        """Every readiness check by name; a process that starts or stops is not ready."""
        answers = _answers(self._ready)
        answers["running"] = (
            "stopping" if self.stopping.is_set() else None if self._ready else "starting"
        )
        return answers


def _name_of(check: Check) -> str:
    return getattr(check, "__name__", type(check).__name__).strip("_")


def _answers(checks: dict[str, Check]) -> dict[str, str | None]:
    answers: dict[str, str | None] = {}
    for name, check in checks.items():
        try:
            answers[name] = check()
        except Exception as error:  # a broken check is a red check, with its reason
            answers[name] = f"the check failed: {error!r}"
    return answers


def health_app(health: Health) -> FastAPI:
    """The application: 200 when every check is fine, 503 otherwise, and each check's reason in the body."""
    app = FastAPI(
        title=f"couponry {health.name}",
        description="Health and metrics of this process.",
        docs_url=None,
        redoc_url=None,
    )
    add_health(app, health)
    add_docs(app)
    return app


def add_health(app: FastAPI, health: Health) -> None:
    """Serve `/livez`, `/readyz` and `/metrics` for `app`."""
    bad: dict[int | str, dict[str, Any]] = {
        503: {"description": "At least one check has a reason why not."}
    }

    @app.get("/livez", responses=bad)
    async def livez() -> JSONResponse:
        """Does this process make progress? If not, restart it."""
        return _report(health.liveness())

    @app.get("/readyz", responses=bad)
    async def readyz() -> JSONResponse:
        """Can this process do its work now: started, its servers reached, not stopping?"""
        return _report(health.readiness())

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        """Every metric of this process, in the Prometheus or the OpenMetrics text format."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), headers={"content-type": content_type})


def _report(answers: dict[str, str | None]) -> JSONResponse:
    fine = not any(answers.values())
    return JSONResponse(
        {"status": "ok" if fine else "unavailable", "checks": answers},
        status_code=200 if fine else 503,
    )


class _QuietServer(uvicorn.Server):
    """uvicorn without its signal handling: it would take the signals over and raise them again at its end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(
    app: FastAPI, host: str, port: int, *, announce_as: str, grace_seconds: int = 1
) -> AsyncIterator[str]:
    """Serve `app` on host:port (0: any free port); yields its URL after one JSON line with it on stderr.

    In the end requests in hand have `grace_seconds` to finish. SettingsError, naming the settings
    `COUPONRY_<announce_as>_HOST` and `_PORT`, when the address cannot be had.
    """
    bound = _bind(host, port, f"{PREFIX}{announce_as.upper()}")
    config = uvicorn.Config(
        app,
        access_log=False,
        lifespan="off",
        log_config=None,
        loop="none",
        server_header=False,
        timeout_graceful_shutdown=grace_seconds,
        ws="none",
    )
    server = _QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - only read here
    url = f"http://{reachable}:{bound.getsockname()[1]}"
    print(json.dumps({announce_as: url}), file=sys.stderr, flush=True)
    try:
        yield url
    finally:
        server.should_exit = True
        await task


def health_server(
    health: Health, settings: Settings
) -> contextlib.AbstractAsyncContextManager[str]:
    """Serve `health` where the settings say."""
    return serving(
        health_app(health), settings.health_host, settings.health_port, announce_as="health"
    )


def _bind(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = str(error.strerror).partition(" (while")[0]
        raise SettingsError(
            f"cannot listen on {host}:{port}: {why}; "
            f"set {setting}_HOST and {setting}_PORT to a free address (port 0: any)"
        ) from None
