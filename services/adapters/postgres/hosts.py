"""Which server of an address: the first that takes writes, or for who only reads the first that answers.

A host that does not answer, is starting up or has become a standby is passed over for the next one of the address; a
client's own patience would be spent on the first alone.
"""

from __future__ import annotations

from typing import Any, cast

import asyncpg

CONNECT_TIMEOUT_SECONDS = 10.0
"""Of one host."""

_NEXT = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.PostgresConnectionError,
)


class ReadOnlyServer(ConnectionError):
    """Postgres refuses writes (read-only); waiting for one that takes them"""


def hosts_of(dsn: str) -> list[str]:
    """The same address once for each of its hosts, in their order."""
    scheme, separator, rest = dsn.partition("://")
    end = min((place for mark in "/?" if (place := rest.find(mark)) >= 0), default=len(rest))
    login, at, hosts = rest[:end].rpartition("@")
    return [f"{scheme}{separator}{login}{at}{host}{rest[end:]}" for host in hosts.split(",")]


async def reach(dsn: str, *, writes: bool = True, **options: Any) -> asyncpg.Connection:
    """Connect. Raises ReadOnlyServer where nobody takes writes, otherwise what the last host said."""
    options |= {"timeout": CONNECT_TIMEOUT_SECONDS}
    if writes:
        options["target_session_attrs"] = "read-write"
    refusal: Exception | None = None
    for host in hosts_of(dsn):
        try:
            return cast(asyncpg.Connection, await asyncpg.connect(host, **options))
        except _NEXT as error:
            # That one is up and takes no writes says more than that another is away.
            if not isinstance(refusal, asyncpg.TargetServerAttributeNotMatched):
                refusal = error
    if isinstance(refusal, asyncpg.TargetServerAttributeNotMatched):
        raise ReadOnlyServer(ReadOnlyServer.__doc__) from None
    assert refusal is not None
    raise refusal
