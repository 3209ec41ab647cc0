"""Operations in bulk: begun, moved on, resumed after a kill, finished, all of it kept in the database.

One session runs an operation and holds its advisory lock. Counts are added in the transaction of what they count, so
they are exact whenever the session was cut off; progress says where the rest begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries

LOCK_CLASS = int.from_bytes(b"ops!", "big", signed=True)
"""The first half of the advisory locks' keys; the second is the operation's id."""

_SQL = queries("operations")

Request = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Operation:
    """An operation that this session runs. `request`, `progress`: JSON objects; `counts`: numbers by name."""

    id: int
    request: dict[str, Any]
    progress: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    resumed: bool = False


async def begin(
    connection: Connection,
    command: str,
    *,
    actor: str,
    reason: str | None,
    request: Request,
    progress: Request,
) -> Operation:
    """A new operation, run by this session."""
    async with connection.transaction():
        id_ = await connection.fetchval(
            _SQL["begin"], command, actor, reason, _json(request), _json(progress)
        )
        await connection.fetchval(_SQL["take"], LOCK_CLASS, id_)
    return Operation(id=id_, request=dict(request), progress=dict(progress))


async def resume(
    connection: Connection, command: str, request: Request | None = None
) -> Operation | None:
    """The newest operation of this command (and exactly this request, if given) that was interrupted; now ours."""
    for id_ in await _interrupted(connection, command, request):
        if await connection.fetchval(_SQL["take"], LOCK_CLASS, id_):
            # As it stands now that nobody else can move it.
            if row := await connection.fetchrow(_SQL["operation"], id_):
                return Operation(
                    id=id_,
                    request=orjson.loads(row["request"]),
                    progress=orjson.loads(row["progress"]),
                    counts=orjson.loads(row["counts"]),
                    resumed=True,
                )
            await connection.fetchval(_SQL["leave"], LOCK_CLASS, id_)
    return None


async def was_interrupted(connection: Connection, command: str, request: Request) -> int | None:
    """The newest interrupted operation with this request, left as it is."""
    for id_ in await _interrupted(connection, command, request):
        if await connection.fetchval(_SQL["take"], LOCK_CLASS, id_):
            await connection.fetchval(_SQL["leave"], LOCK_CLASS, id_)
            return id_
    return None


async def add_counts(
    connection: Connection, operation: Operation, counts: Mapping[str, int]
) -> None:
    """Add to the operation's counts, in the caller's transaction. `operation` itself learns them at the commit."""
    if any(counts.values()):
        await connection.execute(_SQL["add_counts"], operation.id, _json(counts))


async def move(connection: Connection, operation: Operation) -> None:
    """Keep the operation's progress."""
    await connection.execute(_SQL["move"], operation.id, _json(operation.progress))


async def finish(connection: Connection, operation: Operation) -> None:
    """The operation has ended, and its counts are final: read them back."""
    row = await connection.fetchrow(_SQL["operation"], operation.id)
    assert row is not None
    operation.counts = orjson.loads(row["counts"])
    await connection.execute(_SQL["finish"], operation.id)
    await connection.fetchval(_SQL["leave"], LOCK_CLASS, operation.id)


async def _interrupted(connection: Connection, command: str, request: Request | None) -> list[int]:
    """Ids of operations that have not ended, running ones among them."""
    wanted = None if request is None else _json(request)
    return [row["id"] for row in await connection.fetch(_SQL["unfinished"], command, wanted)]


def _json(document: Request) -> str:
    return orjson.dumps(document).decode()
