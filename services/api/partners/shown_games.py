"""Games as the partner API shows them: the definition, the partner's zone, and counters that lag a little."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import asyncpg

from services.adapters.postgres.games import Defined, StoredGame, stored_game
from services.adapters.postgres.queries import queries

_SQL = queries("games")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownGame:
    """A game with its counters. `time_zone` is what its dates mean."""

    stored: StoredGame
    time_zone: str
    total_players: int
    active_sessions: int
    completed_sessions: int

    def defined_as(self, game: Defined, at: datetime) -> ShownGame:
        """As it would be shown if it were changed at that instant; the same definition changes nothing."""
        fields = game.model_dump()
        definition = {name: fields[name] for name in self.stored.definition}
        if definition == self.stored.definition:
            return self
        return replace(self, stored=replace(self.stored, definition=definition, updated_at=at))


async def change_alone(connection: asyncpg.Connection, game_id: int) -> None:
    """Wait until nobody else changes this game, and keep them out until the commit."""
    await connection.execute(_SQL["keep_files_out"])
    await connection.execute(_SQL["change_alone"], game_id)


async def shown_game(
    connection: asyncpg.Connection, partner_id: int, game_id: int
) -> ShownGame | None:
    """The partner's own game, or None."""
    rows = await connection.fetch(_SQL["shown_game"], partner_id, game_id)
    if not rows:
        return None
    (row,) = rows
    return ShownGame(
        stored=stored_game(row),
        time_zone=row["time_zone"],
        total_players=row["players"] or 0,
        active_sessions=row["cards_begun"] or 0,
        completed_sessions=row["completions"] or 0,
    )


async def time_zone(connection: asyncpg.Connection, partner_id: int) -> str:
    """What the partner's dates mean."""
    return str(await connection.fetchval(_SQL["time_zone"], partner_id))


async def page_of_games(
    connection: asyncpg.Connection,
    partner_id: int,
    *,
    is_active: bool | None,
    game_type: str | None,
    offset: int,
    limit: int,
) -> tuple[list[asyncpg.Record], int]:
    """What a list shows of each game, in the order of ids, and how many the filters leave in all."""
    total: int = await connection.fetchval(_SQL["count_games"], partner_id, is_active, game_type)
    rows = await connection.fetch(
        _SQL["page_of_games"], partner_id, is_active, game_type, offset, limit
    )
    return list(rows), total
