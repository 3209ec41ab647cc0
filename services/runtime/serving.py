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
MOST_HEAD_BYTES = 64 * 1024
"""Of a head that is not whole yet; one that comes at once may have some more, as much as one read takes."""
_HARDENING = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class _QuietServer(uvicorn.Server):
    """uvicorn without its signal handling: it would take the signals over and raise them again at its end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Patient(HttpToolsProtocol):
    """uvicorn's protocol, but not for ever: a head that does not come in time, or does not end, ends its connection."""

    _late: asyncio.TimerHandle | None = None
    """Another one for every head; None while none is awaited."""
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        head = self._late
        super().data_received(data)
        # What came with the end of another request is not counted: it may be that one's body.
        if head is not None and head is self._late:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")

    def send_400_response(self, msg: str) -> None:
        self._refuse(b"400 Bad Request", msg.encode())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._late is None:
            self._wait()

    def on_headers_complete(self) -> None:
        self._wait_no_more()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._wait_no_more()
        self._head_bytes = 0
        self._late = self.loop.call_later(HEAD_SECONDS, self._refuse, b"408 Request Timeout")

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self, status: bytes, text: bytes = b"") -> None:
        """The last answer on this connection, to what is no request yet."""
        self._wait_no_more()
        if self.transport.is_closing():
            return
        headers = (
            *_HARDENING,
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(text)).encode()),
            (b"connection", b"close"),
        )
        lines = [b"HTTP/1.1 " + status, *(name + b": " + value for name, value in headers)]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + text)
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
