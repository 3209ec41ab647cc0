"""Store games. A change goes through `update_games`, which keeps rule 6 against issuers that are at work.

A batch reads its games' versions `FOR SHARE` as its last statement. So: take the row `FOR UPDATE`, then count the
active coupons in a new statement. Whoever issued before us is counted; whoever comes after sees the new version and
decides again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from schemas.partners.games import Game
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.rows import PLAIN, Writing
from services.adapters.postgres.settling import clock, close_lapsed

_SQL = queries("games")
_FIELDS = tuple(Game.model_fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredGame:
    """A game as it is in the database."""

    id: int
    partner_id: int
    version: int
    definition: Game
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipleInUse:
    """Refusal: the single rule cannot be switched on while coupons issued under the other are active."""

    game_id: int
    active_coupons_count: int
    affected_customers: int

    MESSAGE = "Cannot disable multiple coupons when customers have active coupons"


async def keep_other_changes_out(connection: Connection) -> None:
    """Until the commit nobody else adds or changes games; needed before `reserve_ids`."""
    await connection.execute(_SQL["keep_other_changes_out"])


async def games_by_id(connection: Connection, ids: Collection[int]) -> dict[int, StoredGame]:
    """Those of these games that exist."""
    rows = await connection.fetch(_SQL["games"], list(ids))
    return {row["id"]: stored_game(row) for row in rows}


async def list_games(
    connection: Connection,
    *,
    partner_id: int | None = None,
    is_active: bool | None = None,
    game_type: str | None = None,
) -> list[StoredGame]:
    """Games in the order of their ids; None does not filter."""
    rows = await connection.fetch(_SQL["list_games"], partner_id, is_active, game_type)
    return [stored_game(row) for row in rows]


async def unknown_products(
    connection: Connection, partner_id: int, product_ids: Collection[int]
) -> set[int]:
    """Those of the ids that are no product of this partner."""
    if not product_ids:
        return set()
    rows = await connection.fetch(_SQL["unknown_products"], partner_id, list(product_ids))
    return {row["id"] for row in rows}


async def reserve_ids(connection: Connection, highest: int) -> None:
    """New games get ids above this one from now on, also if the transaction is rolled back."""
    await connection.execute(_SQL["reserve_ids"], highest)


async def insert_game(
    connection: Connection, partner_id: int, game: Game, game_id: int | None = None
) -> StoredGame:
    """Add a game of an existing partner, with this id or the next one."""
    (row,) = await connection.fetch(_SQL["insert_game"], game_id, partner_id, *_values(game))
    return stored_game(row)


async def update_games(
    connection: Connection,
    changes: Mapping[int, Game],
    *,
    actor: str,
    clock_offset: timedelta = timedelta(),
    writing: Writing = PLAIN,
    by_copy: bool = True,
) -> list[MultipleInUse]:
    """Give existing games new definitions, all or none; returns the refusals of rule 6, empty when done.

    Run it in a transaction and roll back on a refusal. `by_copy=False` for a role under row-level security. Coupons
    of a game that changes to the single rule whose validity is over are closed first, so that a clock set back cannot
    revive them beside a later one. Raises LostRace if such a change was made by somebody else meanwhile: begin again.
    """
    stored = await games_by_id(connection, changes)
    disabling = {
        game_id
        for game_id, game in changes.items()
        if _disables_multiple(stored[game_id].definition, game)
    }
    at = await clock(connection, clock_offset)
    if disabling:
        await close_lapsed(
            connection,
            disabling,
            at,
            actor=actor,
            clock_offset=clock_offset,
            writing=writing,
            by_copy=by_copy,
        )
    for row in await connection.fetch(_SQL["lock_games"], list(changes)):
        allowed = row["allow_multiple_active_coupons"]
        if allowed != stored[row["id"]].definition.allow_multiple_active_coupons:
            raise LostRace(f"game {row['id']} was changed by somebody else")
    refusals = [
        count
        for game_id in sorted(disabling)
        if (count := await count_active(connection, game_id, at)).active_coupons_count
    ]
    if not refusals:
        for game_id, game in changes.items():
            await connection.execute(_SQL["update_game"], game_id, *_values(game))
    return refusals


def _disables_multiple(before: Game, after: Game) -> bool:
    return before.allow_multiple_active_coupons and not after.allow_multiple_active_coupons


async def count_active(connection: Connection, game_id: int, at: datetime) -> MultipleInUse:
    """How many coupons of a game are active at that instant, and how many customers hold them."""
    (row,) = await connection.fetch(_SQL["active_coupons"], game_id, at)
    return MultipleInUse(game_id=game_id, **row)


def _values(game: Game) -> list[Any]:
    return [getattr(game, field) for field in _FIELDS]


def stored_game(row: asyncpg.Record) -> StoredGame:
    """The game in a row of its table."""
    return StoredGame(
        id=row["id"],
        partner_id=row["partner_id"],
        version=row["version"],
        definition=Game.model_construct(**{field: row[field] for field in _FIELDS}),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
