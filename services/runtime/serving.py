"""An HTTP server on the service's own event loop, for whatever a process serves: health pages, the partner API.

Nobody waits here for a client without end, and nothing that leaves is stored on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.runtime.settings import PREFIX, SettingsError

KEEP_ALIVE_SECONDS = 75
"""Longer than a proxy in front keeps its connections, so that it is the proxy who closes them."""
HEAD_SECONDS = 30.0
"""How long the head of a request may take, and the first one of a connection."""
_HARDENING = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class _QuietServer(uvicorn.Server):
    """uvicorn without its signal handling: it would take the signals over and raise them again at its end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Patient(HttpToolsProtocol):
    """uvicorn's protocol, but not for ever: a request whose head does not come in time ends its connection."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        self._wait_no_more()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._wait_no_more()
        self._late = self.loop.call_later(HEAD_SECONDS, self._end)

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n")
            self.transport.close()


def _hardened(app: ASGIApp) -> ASGIApp:
    """The same application: nothing of its answers is stored on the way, or taken for what it does not say it is."""

    async def hardened(scope: Scope, receive: Receive, send: Send) -> None:
        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HARDENING]
            await send(message)

        await app(scope, receive, answered)

    return hardened


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, host: str, port: int, *, announce_as: str, grace_seconds: int = 1
) -> AsyncIterator[str]:
    """Serve `app` on host:port (0: any free port); yields its URL after one JSON line with it on stderr.

    In the end requests in hand have `grace_seconds` to finish. SettingsError, naming the settings
    `COUPONRY_<announce_as>_HOST` and `_PORT`, when the address cannot be had.
    """
    bound = _bind(host, port, f"{PREFIX}{announce_as.upper()}")
    config = uvicorn.Config(
        _hardened(app),
        http=Patient,
        access_log=False,
        lifespan="off",
        log_config=None,
        loop="none",
        server_header=False,
        timeout_graceful_shutdown=grace_seconds,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
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
