"""Where the name of a partner's system leads at this moment: each address is judged, and a judged one is dialled.

A name that has one forbidden address has none: whoever answers for it may answer with another one the next time. Those
who ask for a name while it is being looked up share the look-up, so a server of names that hangs holds one thread.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

Address = IPv4Address | IPv6Address
Judge = Callable[[Address], bool]
"""Whether nothing may be sent to this address."""
LookUp = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a name, now. Raises OSError: it has none, or nobody can tell."""

MOST_LOOK_UPS: Final = 64
"""At once, of as many names."""


class ForbiddenAddress(Exception):
    """The name, or the address itself, leads where nothing may be sent."""


class Unresolved(Exception):
    """The name has no address, or nobody can tell."""


class Names:
    """Looks names up by the machine's resolver, in threads of its own: others of the process do not wait for it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MOST_LOOK_UPS, thread_name_prefix="names")

    async def look_up(self, host: str) -> Sequence[str]:
        """Every address of it. Raises OSError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _addresses, host)

    def close(self) -> None:
        """Begin no more; who hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


class Judged:
    """The one way to an address: `forbidden` judges each."""

    def __init__(self, forbidden: Judge, look_up: LookUp) -> None:
        self._forbidden = forbidden
        self._look_up = look_up
        self._under_way: dict[str, asyncio.Task[Sequence[str]]] = {}

    async def addresses(self, host: str) -> Sequence[str]:
        """Those that may be dialled. Raises ForbiddenAddress, Unresolved."""
        try:
            found: Sequence[str] = [str(ip_address(host))]
        except ValueError:
            found = await self._found(host)
        for address in found:
            if self._forbidden(ip_address(address)):
                raise ForbiddenAddress(f"{host} leads to {address}")
        if not found:
            raise Unresolved(host)
        return found

    async def _found(self, host: str) -> Sequence[str]:
        task = self._under_way.get(host)
        if task is None:
            task = self._under_way[host] = asyncio.ensure_future(_all_of(self._look_up, host))
            task.add_done_callback(lambda _: self._under_way.pop(host, None))
        try:
            # Whoever gives up leaves it to the others.
            return await asyncio.shield(task)
        except OSError as error:
            raise Unresolved(f"{host}: {error}") from None


async def _all_of(look_up: LookUp, host: str) -> Sequence[str]:
    try:
        return await look_up(host)
    except UnicodeError as error:
        raise OSError(f"no name of a host: {error}") from None


class JudgedResolver(AbstractResolver):
    """What a connection is made by: the addresses that were judged for this attempt, and nothing else.

    Without any it is a proxy's name that is asked for, which is set by who runs us and judged by nobody.
    """

    def __init__(self, look_up: LookUp) -> None:
        self.judged: ContextVar[Sequence[str] | None] = ContextVar("judged", default=None)
        self._look_up = look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = self.judged.get()
        if addresses is None:
            addresses = await self._look_up(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing of its own is open."""
