"""Games as partners define them, in the database. A change of one that exists goes through `decisions/rule_changes`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries

_SQL = queries("games")

COUNTING_SECONDS = 60.0
UNCOUNTED = 2**31 - 1
"""A total limit that no game reaches: nobody has counted what it has issued."""


class Defined(Protocol):
    """A definition that has been checked, as a wire model gives it."""

    def model_dump(self) -> dict[str, Any]:
        """Its fields, those of `GameRow` among them."""


class GameRow(NamedTuple):
    """What a partner defines of a game. Fields as in the queries `insert_game` and `update_game`."""

    name: str
    description: str
    game_type: str
    reward_description: str
    is_active: bool
    allow_multiple_active_coupons: bool
    coupon_validity_days: int | None
    product_ids: list[int]
    start_date: date | None
    end_date: date | None
    stamps_required: int
    customer_limit: int | None
    customer_limit_per_day: int | None
    customer_limit_per_week: int | None
    customer_limit_per_month: int | None
    total_limit: int | None
    code_prefix: str


def row_of(game: Defined) -> GameRow:
    """The row of a definition."""
    fields = game.model_dump()
    return GameRow(**{name: fields[name] for name in GameRow._fields})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredGame:
    """A game as it is in the database; `definition` has the fields of `GameRow`."""

    id: int
    partner_id: int
    version: int
    definition: dict[str, Any]
    created_at: datetime
    updated_at: datetime


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


async def reserve_ids(connection: Connection, highest: int) -> None:
    """New games get ids above this one from now on, also if the transaction is rolled back."""
    await connection.execute(_SQL["reserve_ids"], highest)


async def insert_game(
    connection: Connection, partner_id: int, game: Defined, game_id: int | None = None
) -> StoredGame:
    """Add a game of an existing partner, with this id or the next one."""
    (row,) = await connection.fetch(_SQL["insert_game"], game_id, partner_id, *row_of(game))
    return stored_game(row)


async def lock_games(connection: Connection, ids: Collection[int]) -> dict[int, bool]:
    """Keep these games as they are until the commit; whether each allows multiple active coupons, by id."""
    rows = await connection.fetch(_SQL["lock_games"], list(ids))
    return {row["id"]: row["allow_multiple_active_coupons"] for row in rows}


async def put_game(connection: Connection, game_id: int, row: GameRow) -> None:
    """Give an existing game this definition."""
    await connection.execute(_SQL["update_game"], game_id, *row)


async def active_coupons(connection: Connection, game_id: int, at: datetime) -> tuple[int, int]:
    """How many coupons of a game are active at that instant, and how many customers hold them."""
    async with _taking_time(connection):
        (row,) = await connection.fetch(
            _SQL["active_coupons"], game_id, at, timeout=COUNTING_SECONDS
        )
    return row["active_coupons_count"], row["affected_customers"]


async def coupons_that_count(connection: Connection, game_id: int, most: int) -> int:
    """How many coupons count towards a limit of this game, looked for up to `most` of them."""
    return int(await connection.fetchval(_SQL["coupons_that_count"], game_id, most))


async def limit_without_counting(connection: Connection, ids: Collection[int]) -> None:
    """Give those of these games that have no limit the largest there is, `UNCOUNTED`."""
    await connection.execute(_SQL["limit_without_counting"], list(ids))


async def unlimit(connection: Connection, ids: Collection[int]) -> None:
    """Take that limit back."""
    await connection.execute(_SQL["unlimit"], list(ids))


async def tell_issued_before(connection: Connection, game_id: int) -> None:
    """Count what a game with the limit `UNCOUNTED` had issued before, for a change in this transaction."""
    async with _taking_time(connection):
        await connection.execute(_SQL["tell_issued_before"], game_id, timeout=COUNTING_SECONDS)


@asynccontextmanager
async def _taking_time(connection: Connection) -> AsyncIterator[None]:
    """Counting millions may take longer than other statements, since nobody waits for it but who asked."""
    most_ms = str(int(COUNTING_SECONDS * 1000))
    before = await connection.fetchval(_SQL["take_time"], most_ms)
    yield
    await connection.fetchval(_SQL["take_time"], before)


def stored_game(row: asyncpg.Record) -> StoredGame:
    """The game in a row of its table."""
    return StoredGame(
        id=row["id"],
        partner_id=row["partner_id"],
        version=row["version"],
        definition={name: row[name] for name in GameRow._fields},
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
