"""Change games. This keeps rule 6 against issuers that are at work: no switch to the single rule over active coupons.

A batch reads its games' versions `FOR SHARE` in its last statement. So: take the row `FOR UPDATE`, then count the
active coupons in a new statement. Whoever issued before us is counted; whoever comes after sees the new version and
decides again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.adapters.postgres.clock import clock
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.games import (
    Defined,
    active_coupons,
    games_by_id,
    lock_games,
    put_game,
    row_of,
)
from services.adapters.postgres.pool import Connection
from services.decisions.manner import USUAL, Manner
from services.decisions.passing_time import close_lapsed


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
    change was made by somebody else meanwhile: begin again.
    """
    rows = {game_id: row_of(game) for game_id, game in changes.items()}
    stored = await games_by_id(connection, changes)
    allowed = {
        game_id: bool(game.definition["allow_multiple_active_coupons"])
        for game_id, game in stored.items()
    }
    disabling = {
        game_id
        for game_id, row in rows.items()
        if allowed[game_id] and not row.allow_multiple_active_coupons
    }
    at = await clock(connection, manner.clock_offset)
    manner.guard.check(at - manner.clock_offset)
    if disabling:
        await close_lapsed(connection, manner, disabling, at, actor=actor)
    for game_id, allows_now in (await lock_games(connection, changes)).items():
        if allows_now != allowed[game_id]:
            raise LostRace(f"game {game_id} was changed by somebody else")
    refusals = [
        count
        for game_id in sorted(disabling)
        if (count := await count_active(connection, game_id, at)).active_coupons_count
    ]
    if not refusals:
        for game_id, row in rows.items():
            await put_game(connection, game_id, row)
    return refusals


async def count_active(connection: Connection, game_id: int, at: datetime) -> MultipleInUse:
    """How many coupons of a game are active at that instant, and how many customers hold them."""
    coupons, customers = await active_coupons(connection, game_id, at)
    return MultipleInUse(
        game_id=game_id, active_coupons_count=coupons, affected_customers=customers
    )
