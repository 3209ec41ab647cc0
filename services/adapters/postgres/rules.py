"""Games as the rules know them: read for a decision, at a version that is confirmed before the commit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.programs import stored_programs
from services.adapters.postgres.queries import queries
from services.adapters.postgres.stored_program import program_from
from services.adapters.postgres.tables import fetch_by
from services.domain.partner_program import PartnerProgram
from services.domain.program import NO_LIMITS, CustomerLimits, Game, GameType, window
from services.domain.unjudged import REPORT, UPGRADE, UnreadGame, UnreadProgram

_SQL = queries("rules")

_Row: TypeAlias = "asyncpg.Record | Mapping[str, Any]"


async def load_games(connection: Connection, ids: Collection[int]) -> dict[int, Game]:
    """The games of these ids that exist."""
    rows = await connection.fetch(_SQL["games"], sorted(ids)) if ids else []
    return {row["id"]: game_from(row) for row in rows}


async def load_readable(
    connection: Connection, ids: Collection[int]
) -> tuple[dict[int, Game], dict[int, UnreadGame]]:
    """The games of these ids that exist, and those that exist and cannot be read."""
    games: dict[int, Game] = {}
    unread: dict[int, UnreadGame] = {}
    for row in await connection.fetch(_SQL["games"], sorted(ids)) if ids else []:
        try:
            games[row["id"]] = game_from(row)
        except Exception as error:
            unread[row["id"]] = _unread(row, error)
    return games, unread


def _unread(row: _Row, error: Exception) -> UnreadGame:
    name = f"game {row['id']}"
    if row["game_type"] not in set(GameType):
        why, todo = (
            f"{name} is of a type that this release does not know: {row['game_type']!r}",
            UPGRADE,
        )
    elif isinstance(error, (ZoneInfoNotFoundError, ValueError, OSError)) and _lacks(
        row["time_zone"]
    ):
        why = f"{name} needs the time zone {row['time_zone']!r} of partner {row['partner_id']}, unknown here"
        todo = "install the package tzdata where the issuer runs, or give the partner a zone that exists"
    else:
        why, todo = f"{name} cannot be read ({type(error).__name__}: {error})", REPORT
    return UnreadGame(
        id=row["id"],
        partner_id=row["partner_id"],
        takes_stamps=row["game_type"] == GameType.STAMPS,
        why=why,
        todo=todo,
    )


def _lacks(time_zone: str) -> bool:
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return True
    return False


async def stamp_game_versions(
    connection: Connection, partner_ids: Collection[int]
) -> dict[int, int]:
    """Version by id of every stamp game of these partners."""
    rows = await connection.fetch(_SQL["stamp_games"], sorted(partner_ids))
    return {row["id"]: row["version"] for row in rows}


async def products_of_skus(
    connection: Connection, skus: Collection[tuple[int, str]]
) -> dict[tuple[int, str], frozenset[int]]:
    """Product ids by partner and SKU; a SKU that several products have means all of them."""
    found: dict[tuple[int, str], set[int]] = {}
    for row in await fetch_by(connection, _SQL["products_of_skus"], skus):
        found.setdefault((row["partner_id"], row["sku"]), set()).add(row["id"])
    return {sku: frozenset(ids) for sku, ids in found.items()}


def game_from(row: _Row) -> Game:
    """A game's rules from a row that has its columns and the partner's `time_zone`."""
    starts_at, ends_at = window(row["start_date"], row["end_date"], row["time_zone"])
    limits = _customer_limits(row)
    if limits.is_by_calendar:
        ZoneInfo(row["time_zone"])  # now, not when the rules ask for it
    return Game(
        id=row["id"],
        partner_id=row["partner_id"],
        version=row["version"],
        is_active=row["is_active"],
        allow_multiple_active_coupons=row["allow_multiple_active_coupons"],
        coupon_validity_days=row["coupon_validity_days"],
        starts_at=starts_at,
        ends_at=ends_at,
        reward_description=row["reward_description"],
        product_ids=tuple(row["product_ids"]),
        game_type=GameType(row["game_type"]),
        code_prefix=row["code_prefix"],
        stamps_required=row["stamps_required"],
        customer_limits=limits,
        total_limit=row["total_limit"],
        time_zone=row["time_zone"],
    )


def _customer_limits(row: _Row) -> CustomerLimits:
    """`NO_LIMITS` itself where there is none: the rules ask for it by identity, for every event."""
    limits = CustomerLimits(
        lifetime=row["customer_limit"],
        per_day=row["customer_limit_per_day"],
        per_week=row["customer_limit_per_week"],
        per_month=row["customer_limit_per_month"],
    )
    return NO_LIMITS if limits.largest is None else limits


async def load_programs(
    connection: Connection, partner_ids: Collection[int]
) -> tuple[dict[int, PartnerProgram], dict[int, UnreadProgram]]:
    """What these partners have set, at version 0 too, and what cannot be read of it."""
    programs: dict[int, PartnerProgram] = {}
    unread: dict[int, UnreadProgram] = {}
    for partner_id, stored in (await stored_programs(connection, partner_ids)).items():
        try:
            programs[partner_id] = replace(program_from(stored), revision=stored.revision)
        except Exception as error:
            why = f"the program of partner {partner_id} cannot be read ({type(error).__name__}: {error})"
            unread[partner_id] = UnreadProgram(partner_id=partner_id, why=why, todo=REPORT)
    return programs, unread


async def versions_in_force(
    connection: Connection, games: Collection[int], partners: Collection[int] = ()
) -> tuple[dict[int, int], dict[int, int]]:
    """Version by id of those of these games that exist, and the revision of these partners' programs; shared until the
    commit: a transaction's last statement."""
    if not games and not partners:
        return {}, {}
    versions: dict[int, int] = {}
    revisions: dict[int, int] = {}
    for row in await connection.fetch(_SQL["confirm_versions"], sorted(games), sorted(partners)):
        (revisions if row["is_program"] else versions)[row["id"]] = row["version"]
    return versions, revisions
