"""The run's own databases: made, filled with the games of the workload, dropped when the run is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench.workload import MULTIPLE_GAMES, PARTNER_ID, SINGLE_GAMES
from services.adapters.postgres.migrate import migrate
from services.runtime.settings import Settings

HERE = Path(__file__).parent
VALIDITY_DAYS = 30
REWARD = "A free coffee of any size"

ADD_PARTNER = """
    INSERT INTO partners (id, name, time_zone, store_id, api_key_hash, secret_key_hash)
    VALUES ($1, 'Benchmark', 'UTC', 'benchmark', 'benchmark', 'benchmark')
"""
ADD_GAME = """
    INSERT INTO games (id, partner_id, name, description, game_type, reward_description,
                       allow_multiple_active_coupons, coupon_validity_days)
    VALUES ($1::bigint, $2, 'Game ' || ($1::bigint)::text, 'A game of the benchmark', 'wheel', $3, $4, $5)
"""
COPY_GAMES_FOR_PEERS = """
    INSERT INTO bench.games
    SELECT id, partner_id, is_active, allow_multiple_active_coupons, coupon_validity_days, reward_description
    FROM games
"""
KEYS = """
    SELECT conrelid::regclass::text AS of, quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint WHERE conrelid = ANY ($1::text[]::regclass[]) AND contype IN ('p', 'u')
"""
INDEXES = """
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
    FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid
    WHERE i.indrelid = ANY ($1::text[]::regclass[]) AND c.oid IS NULL
"""


@asynccontextmanager
async def new_database(
    settings: Settings, name: str, *, template: str = "template1"
) -> AsyncIterator[tuple[Settings, asyncpg.Connection]]:
    """A database for as long as the block runs: settings that name it, and a connection of its owner."""
    assert settings.postgres_dsn
    maintenance = await asyncpg.connect(settings.postgres_dsn)
    try:
        # Copied file by file: through the log, five million coupons would take minutes.
        await maintenance.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            dsn = with_database(settings.postgres_dsn, name)
            owner = await asyncpg.connect(dsn, server_settings={"search_path": "couponry"})
            try:
                yield settings.model_copy(update={"postgres_dsn": dsn}), owner
            finally:
                await owner.close()
        finally:
            await maintenance.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await maintenance.close()


async def prepare_database(settings: Settings, owner: asyncpg.Connection) -> None:
    """Our schema, the peers' schema, one partner and the games of the workload."""
    await migrate(settings)
    await owner.execute((HERE / "peers" / "schema.sql").read_text(encoding="utf-8"))
    await owner.execute(ADD_PARTNER, PARTNER_ID)
    for game_id in SINGLE_GAMES + MULTIPLE_GAMES:
        many = game_id in MULTIPLE_GAMES
        await owner.execute(ADD_GAME, game_id, PARTNER_ID, REWARD, many, VALIDITY_DAYS)
    await owner.execute(COPY_GAMES_FOR_PEERS)


@asynccontextmanager
async def without_indexes(owner: asyncpg.Connection, tables: Sequence[str]) -> AsyncIterator[None]:
    """Fill these tables in the block: their indexes, also those of keys, are gone and made afterwards, in less time."""
    constraints = await owner.fetch(KEYS, tables)
    indexes = await owner.fetch(INDEXES, tables)
    for key in constraints:
        await owner.execute(f"ALTER TABLE {key['of']} DROP CONSTRAINT {key['name']}")
    for index in indexes:
        await owner.execute(f"DROP INDEX {index['name']}")
    yield
    await owner.execute("SET maintenance_work_mem = '512MB'")
    for key in constraints:
        await owner.execute(f"ALTER TABLE {key['of']} ADD CONSTRAINT {key['name']} {key['definition']}")  # fmt: skip
    for index in indexes:
        await owner.execute(index["definition"])


def with_database(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
