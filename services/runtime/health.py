"""The health endpoint of a process: `/livez`, `/startupz`, `/readyz`, `/metrics`, `/docs`, `/openapi.json`.

It runs on the service's own event loop on purpose: a loop that is stuck answers nothing, and an orchestrator
then restarts the process. Liveness comes from progress (the service's own checks), not from a ping. Readiness is red
for what keeps the process from its work, and for nothing else: what it works in spite of is a warning.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import REGISTRY, Gauge
from prometheus_client.exposition import choose_encoder

from services.runtime.docs_page import add_docs
from services.runtime.serving import serving
from services.runtime.settings import Settings

Check = Callable[[], str | None]
"""None: fine. A text: why not. Called on the event loop at every request, so it only looks, never waits."""

LICENSE: Final = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
"""Of every description that a process serves."""
OPEN: Final[dict[str, Any]] = {"security": []}
"""`openapi_extra` of what anybody may ask."""

FAILING = Gauge(
    "couponry_check_failing",
    "1 while this check of `/readyz` has a reason or a warning.",
    ["check"],
)


class Health:
    """What a service tells the outside about itself, and `stopping`, what the outside tells the service."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopping = asyncio.Event()
        """Set by SIGTERM or SIGINT: finish the batch in hand and return."""
        self._live: dict[str, Check] = {}
        self._needs: dict[str, list[Check]] = {}
        self._warns: dict[str, list[Check]] = {}
        self._has_started = False

    def live(self, check: Check, name: str | None = None) -> None:
        """Add to `/livez`, under the check's own name unless one is given: text = restart this process."""
        self._live[name or _name_of(check)] = check

    def needs(self, name: str, check: Check) -> None:
        """Add to `/readyz`: text = does not work now. Several of one name answer together."""
        self._needs.setdefault(name, []).append(check)

    def warns(self, name: str, check: Check) -> None:
        """Add to the warnings of `/readyz`: text = works in spite of this. Several of one name answer together."""
        self._warns.setdefault(name, []).append(check)

    def started(self) -> None:
        """The work has begun, everything it needs was connected: from now on `/startupz` says yes, for good."""
        self._has_started = True

    def liveness(self) -> dict[str, str | None]:
        """Every liveness check by name: None, or the reason why not."""
        return {name: _answer([check]) for name, check in self._live.items()}

    def startup(self) -> dict[str, str | None]:
        """Nothing but None once started; until then what it waits for, by name."""
        if self._has_started:
            return {"started": None}
        return _answers(self._needs) | {"started": "starting"}

    def readiness(self) -> dict[str, str | None]:
        """Every check of what it needs by name; a process that starts or stops is not ready."""
        answers = _answers(self._needs)
        answers["running"] = (
            "stopping" if self.stopping.is_set() else None if self._has_started else "starting"
        )
        return answers

    def warnings(self) -> dict[str, str]:
        """What it works in spite of, by name; nothing when all is well."""
        return {name: text for name, text in _answers(self._warns).items() if text}

    def measure(self) -> None:
        """Bring the gauge up to date, for who is about to read it."""
        texts = _answers(self._warns)
        for name, text in _answers(self._needs).items():
            texts[name] = text or texts.get(name)
        for name, text in texts.items():
            FAILING.labels(name).set(1 if text else 0)


def _name_of(check: Check) -> str:
    return getattr(check, "__name__", type(check).__name__).strip("_")


def _answers(checks: dict[str, list[Check]]) -> dict[str, str | None]:
    return {name: _answer(several) for name, several in checks.items()}


def _answer(checks: list[Check]) -> str | None:
    """What they say, each text once; None if none says anything."""
    texts: dict[str, None] = {}
    for check in checks:
        try:
            text = check()
        except Exception as error:  # a broken check is a red check, with its reason
            text = f"the check failed: {error!r}"
        if text:
            texts[text] = None
    return "; ".join(texts) or None


def health_app(health: Health) -> FastAPI:
    """The application: 200 when every check is fine, 503 otherwise, and each check's reason in the body."""
    app = FastAPI(
        title=f"couponry {health.name}",
        description="Health and metrics of this process.",
        license_info=LICENSE,
        servers=[{"url": "/", "description": "This process."}],
        docs_url=None,
        redoc_url=None,
    )
    add_health(app, health)
    add_docs(app)
    return app


def add_health(app: FastAPI, health: Health) -> None:
    """Serve `/livez`, `/startupz`, `/readyz` and `/metrics` for `app`."""
    late: dict[int | str, dict[str, Any]] = {
        408: {"description": "The request did not come in time."}
    }
    bad = {**late, 503: {"description": "At least one check has a reason why not."}}

    @app.get("/livez", responses=bad, openapi_extra=OPEN)
    async def livez() -> JSONResponse:
        """Does this process make progress? If not, restart it."""
        return _report(health.liveness())

    @app.get("/startupz", responses=bad, openapi_extra=OPEN)
    async def startupz() -> JSONResponse:
        """Has this process started and connected? Once yes, for good."""
        return _report(health.startup())

    @app.get("/readyz", responses=bad, openapi_extra=OPEN)
    async def readyz() -> JSONResponse:
        """Can this process do its work now: started, its servers reached, not stopping? And in spite of what?"""
        return _report(health.readiness(), warnings=health.warnings())

    @app.get("/metrics", response_class=PlainTextResponse, responses=late, openapi_extra=OPEN)
    async def metrics(request: Request) -> Response:
        """Every metric of this process, in the Prometheus or the OpenMetrics text format."""
        health.measure()
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), headers={"content-type": content_type})


def _report(answers: dict[str, str | None], **more: dict[str, str]) -> JSONResponse:
    fine = not any(answers.values())
    return JSONResponse(
        {"status": "ok" if fine else "unavailable", "checks": answers, **more},
        status_code=200 if fine else 503,
    )


def health_server(
    health: Health, settings: Settings
) -> contextlib.AbstractAsyncContextManager[str]:
    """Serve `health` where the settings say."""
    return serving(
        health_app(health), settings.health_host, settings.health_port, announce_as="health"
    )
