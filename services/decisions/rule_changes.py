"""Change games. This keeps rule 6 against issuers that are at work: no switch to the single rule over active coupons.

A batch reads its games' versions `FOR SHARE` in its last statement. So: take the row `FOR UPDATE`, then count the
active coupons in a new statement. Whoever issued before us is counted; whoever comes after sees the new version and
decides again.

Issuers wait for that row, so what is slow comes before it: active coupons are counted without any lock first, and only
where there are next to none again under it; what else takes its time is `groundwork`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from services.adapters.postgres.clock import clock, trusted_clock
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.games import (
    UNCOUNTED,
    Defined,
    GameRow,
    StoredGame,
    active_coupons,
    coupons_that_count,
    games_by_id,
    lock_games,
    put_game,
    row_of,
    tell_issued_before,
)
from services.adapters.postgres.pool import Connection
from services.decisions.groundwork import NeedsGroundwork
from services.decisions.manner import USUAL, Manner
from services.decisions.passing_time import CLOSED_AT_ONCE, close_lapsed

COUNTED_AT_ONCE = 10_000
"""So many coupons are counted while others wait, as in the trigger `share_out_quota`: a few milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipleInUse:
    """Refusal: the single rule cannot be switched on while coupons issued under the other are active."""

    game_id: int
    active_coupons_count: int
    affected_customers: int

    MESSAGE = "Cannot disable multiple coupons when customers have active coupons"


async def update_games(
    connection: Connection,
    changes: Mapping[int, Defined],
    *,
    actor: str,
    manner: Manner = USUAL,
) -> list[MultipleInUse]:
    """Give existing games new definitions, all or none; returns the refusals of rule 6, empty when done.

    Run it in a transaction and roll back on a refusal. Coupons of a game that changes to the single rule whose validity
    is over are closed first, so that a clock set back cannot revive them beside a later one. Raises LostRace if such a
    change was made by somebody else meanwhile: begin again. Raises NeedsGroundwork, see `upon_groundwork`.
    """
    stored = await games_by_id(connection, changes)
    rows = _rows(stored, changes)
    disabling = _disabling(stored, rows)
    at = await trusted_clock(connection, manner.clock_offset, manner.guard)
    refusals = await _in_use(connection, disabling, at)
    if any(refusal.active_coupons_count > CLOSED_AT_ONCE for refusal in refusals):
        return refusals
    if disabling and not await close_lapsed(connection, manner, disabling, at, actor=actor):
        raise NeedsGroundwork(lapsed=frozenset(disabling))
    await _count_issued(connection, stored, rows)
    for game_id, allows_now in (await lock_games(connection, rows)).items():
        if allows_now != stored[game_id].definition["allow_multiple_active_coupons"]:
            raise LostRace(f"game {game_id} was changed by somebody else")
    refusals = await _in_use(connection, disabling, at)
    if not refusals:
        for game_id, row in rows.items():
            await put_game(connection, game_id, row)
    return refusals


async def preview_games(
    connection: Connection, changes: Mapping[int, Defined], *, manner: Manner = USUAL
) -> list[MultipleInUse]:
    """The refusals that `update_games` would come to now; nothing is locked, nothing changes."""
    stored = await games_by_id(connection, changes)
    rows = _rows(stored, changes)
    at = await clock(connection, manner.clock_offset)
    return await _in_use(connection, _disabling(stored, rows), at)


async def count_active(connection: Connection, game_id: int, at: datetime) -> MultipleInUse:
    """How many coupons of a game are active at that instant, and how many customers hold them; locks nothing."""
    coupons, customers = await active_coupons(connection, game_id, at)
    return MultipleInUse(
        game_id=game_id, active_coupons_count=coupons, affected_customers=customers
    )


def _rows(stored: Mapping[int, StoredGame], changes: Mapping[int, Defined]) -> dict[int, GameRow]:
    """Definitions that differ from what is stored: nobody waits for the others."""
    rows = {game_id: row_of(game) for game_id, game in changes.items()}
    return {
        game_id: row
        for game_id, row in rows.items()
        if row != GameRow(**stored[game_id].definition)
    }


def _disabling(stored: Mapping[int, StoredGame], rows: Mapping[int, GameRow]) -> set[int]:
    """Games that change to the single rule."""
    return {
        game_id
        for game_id, row in rows.items()
        if stored[game_id].definition["allow_multiple_active_coupons"]
        and not row.allow_multiple_active_coupons
    }


async def _in_use(
    connection: Connection, disabling: Collection[int], at: datetime
) -> list[MultipleInUse]:
    return [
        count
        for game_id in sorted(disabling)
        if (count := await count_active(connection, game_id, at)).active_coupons_count
    ]


async def _count_issued(
    connection: Connection, stored: Mapping[int, StoredGame], rows: Mapping[int, GameRow]
) -> None:
    """Where a game of many coupons gets its first limit, how many it has issued: not counted while others wait."""
    uncounted = set()
    for game_id, row in rows.items():
        limit = stored[game_id].definition["total_limit"]
        if row.total_limit in {None, UNCOUNTED} or limit not in {None, UNCOUNTED}:
            continue
        if await coupons_that_count(connection, game_id, COUNTED_AT_ONCE + 1) <= COUNTED_AT_ONCE:
            continue
        if limit is None:
            uncounted.add(game_id)
        else:
            await tell_issued_before(connection, game_id)
    if uncounted:
        raise NeedsGroundwork(uncounted=frozenset(uncounted))
