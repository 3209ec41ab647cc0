"""Pools of codes, which groups of coupons issue in their order: filled, counted and given up.

A partner brings codes, or has them made, before there is a coupon. In the database a code is a partner's once, and one
of ours once for everybody; that it reads as nobody's is looked up as it comes in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import add
from services.domain.coupons.codes import is_prefix, parse

_SQL = queries("pools")
_PAGE: Final = 50_000


class PoolCodeRow(NamedTuple):
    """A row of `pool_codes`: a code that we made. The database numbers it."""

    partner_id: int
    code: str
    handle: str
    own_code: str
    own_prefix: str
    run: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of a list of codes: how many came in, and those that did not, in their order."""

    accepted: int
    duplicates: Sequence[str]


async def add_codes(
    connection: Connection, partner_id: int, handle: str, codes: Sequence[str]
) -> Added:
    """Put codes behind those that the group has, in the caller's transaction.

    A duplicate is a code that the partner has already, or a second time in the list, or that reads as one of ours that
    anybody has or will have. Whoever adds codes of the same partner meanwhile is waited for. `open_pool` comes last.
    """
    await connection.execute(_SQL["add_alone"], partner_id)
    ours = await _read_as_ours(connection, codes)
    wanted = [code for code in dict.fromkeys(codes) if code not in ours]
    rows = await connection.fetch(_SQL["add_codes"], partner_id, handle, wanted)
    new = {row["code"] for row in rows}
    duplicates = []
    for code in codes:
        if code in new:
            new.remove(code)
        else:
            duplicates.append(code)
    return Added(accepted=len(rows), duplicates=duplicates)


async def _read_as_ours(connection: Connection, codes: Collection[str]) -> set[str]:
    """Those that read as a code of ours that somebody has, whatever is written before it or between."""
    read = {code: found for code in codes if (found := parse(code)) is not None}
    if not read:
        return set()
    prefixes = await _own_prefixes(connection, {own for _, own in read.values()})
    return {
        code
        for code, (prefix, own) in read.items()
        if own in prefixes and is_prefix(prefix, prefixes[own])
    }


async def _own_prefixes(connection: Connection, own: Collection[str]) -> dict[str, str]:
    """Of those of these codes of ours that somebody has, what stands before each."""
    rows = await connection.fetch(_SQL["own_codes_taken"], list(own))
    return {row["code"]: row["code_prefix"] for row in rows}


async def add_made(connection: Connection, rows: Sequence[PoolCodeRow]) -> int:
    """The same of codes that we made; how many: one that somebody has by now is left out."""
    taken = (await _own_prefixes(connection, [row.own_code for row in rows])).keys()
    shown = await connection.fetch(
        _SQL["shown_already"], rows[0].partner_id, [row.code for row in rows]
    )
    texts = {row["code"] for row in shown}
    free = [row for row in rows if row.own_code not in taken and row.code not in texts]
    await add(connection, "pool_codes", free)
    return len(free)


async def open_pool(connection: Connection, partner_id: int, handle: str) -> None:
    """From the commit on the group issues codes it was given, and no others. Late in a transaction: issuers wait.

    Look afterwards whether the program has such a group: whoever deletes it has come before, or waits from here on.
    """
    await connection.execute(_SQL["open_pool"], partner_id, handle)


async def close_pools(connection: Connection, partner_id: int, handles: Collection[str]) -> None:
    """Of groups that are to go: the codes that they have not issued are nobody's any more, what they issued stays.

    Whoever issues of them waits from here on, for the seconds that a million codes take.
    """
    if handles:
        await connection.execute(_SQL["close_pools"], partner_id, list(handles))
        await connection.execute(_SQL["free_codes"], partner_id, list(handles))


async def left_of(
    connection: Connection,
    partner_id: int,
    groups: Mapping[str, int | None],
    *,
    most: int | None = None,
    coming: int = 0,
) -> dict[str, int | None]:
    """What can still be issued of groups, given with their caps; None of one without an end.

    Codes are counted, up to `most`: who asks only whether there is one need not wait for a million. `coming`: so many
    more as if each pool had them.
    """
    if not groups:
        return {}
    rows = await connection.fetch(
        _SQL["left_of_groups"], partner_id, list(groups), list(groups.values()), most, coming
    )
    return {row["handle"]: row["remaining"] for row in rows}


async def hold_run(connection: Connection, run: UUID) -> None:
    """Nobody else makes codes of this run while the session lives. Raises LockNotAvailableError if somebody does."""
    await connection.execute(_SQL["hold_run"], run)


async def size_of_run(connection: Connection, run: UUID) -> int:
    """How many codes it has made so far, issued ones among them."""
    size: int = await connection.fetchval(_SQL["size_of_run"], run)
    return size


async def run_of_code(
    connection: Connection, partner_id: int, code: str
) -> tuple[UUID, str, str] | None:
    """The run that made this code, its group's handle and its prefix; None of a code that no run has made."""
    row = await connection.fetchrow(_SQL["run_of_code"], partner_id, code)
    return None if row is None else (row["run"], row["handle"], row["own_prefix"])


async def codes_of_run(connection: Connection, run: UUID) -> AsyncIterator[list[str]]:
    """All codes of a run in their order, page by page."""
    last = 0
    while rows := await connection.fetch(_SQL["page_of_run"], run, last, _PAGE):
        yield [row["code"] for row in rows]
        last = rows[-1]["number"]
