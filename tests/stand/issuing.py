"""What the issuer's tests stand on: games to play, what the database says afterwards, and one audit of all of it."""

from __future__ import annotations

from typing import Any

import asyncpg

from schemas.partners.games import read_game
from services.adapters.postgres.games import insert_game
from services.adapters.postgres.partners import add_partner
from services.adapters.postgres.pool import Connection


async def a_partner(connection: Connection) -> int:
    """A partner's id."""
    return (await add_partner(connection, "Café Nord", "Europe/Vilnius")).id


async def a_game(connection: Connection, partner_id: int, **changes: Any) -> int:
    """A game's id: active, unbounded, one coupon at a time, seven days, unless changed."""
    definition = {
        "name": "Wheel of fortune",
        "description": "Spin it once a day.",
        "game_type": "wheel",
        "reward_description": "A coffee",
        "allow_multiple_active_coupons": False,
        "coupon_validity_days": 7,
    } | changes
    return (await insert_game(connection, partner_id, read_game(definition))).id


async def blocked_by(blocker: Connection, connection: asyncpg.Connection) -> int:
    """How many sessions wait for what the blocker's transaction holds."""
    query = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND $1 = ANY(pg_blocking_pids(pid))"
    return int(await connection.fetchval(query, blocker.get_server_pid()))


async def outcomes(connection: asyncpg.Connection) -> list[tuple[str, str, str | None]]:
    """(event id, outcome, reason) of every decision, in the order in which they were made."""
    rows = await connection.fetch(
        "SELECT event_id, outcome, reason FROM decisions ORDER BY decided_at, seq"
    )
    return [tuple(row) for row in rows]


async def letters(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Every dead letter, in the order in which they were kept."""
    return list(await connection.fetch("SELECT * FROM dead_letters ORDER BY id"))


async def queued(connection: asyncpg.Connection) -> list[tuple[str, str | None]]:
    """(topic, ce_type) of every outbox row, in order."""
    rows = await connection.fetch("SELECT topic, ce_type FROM outbox ORDER BY id")
    return [tuple(row) for row in rows]


async def count(connection: asyncpg.Connection, table: str) -> int:
    """How many rows a table has."""
    return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


_AUDIT = {
    "issued without its coupon": """
        SELECT event_id FROM decisions d WHERE outcome = 'issued'
        AND NOT EXISTS (SELECT FROM coupons c WHERE c.id = d.coupon_id AND c.event_key = d.event_key)""",
    "a coupon without its decision": """
        SELECT id FROM coupons c
        WHERE NOT EXISTS (SELECT FROM decisions d WHERE d.event_key = c.event_key AND d.coupon_id = c.id)""",
    "two coupons active at an instant": """
        SELECT a.id, b.id FROM coupons a JOIN coupons b USING (customer_no, game_id)
        WHERE a.id <> b.id AND NOT b.rule_allow_multiple AND a.issued_at <= b.issued_at
        AND (a.expires_at IS NULL OR a.expires_at > b.issued_at)""",
    "events that should wait and do not, or the reverse": """
        WITH due AS (
            SELECT id || '.issued' AS ce_id FROM coupons
            UNION ALL SELECT coupon_id || '.' || step || '.' || status FROM coupon_history
            UNION ALL SELECT event_key || '.declined.' || game_id FROM decisions WHERE outcome = 'declined'
            UNION ALL SELECT 'letter ' || id FROM dead_letters
        ), waiting AS (SELECT coalesce(ce_id, 'letter ' || dead_letter_id) AS ce_id FROM outbox)
        (SELECT * FROM due EXCEPT ALL SELECT * FROM waiting)
        UNION ALL (SELECT * FROM waiting EXCEPT ALL SELECT * FROM due)""",
}


async def audit(connection: asyncpg.Connection) -> None:
    """Nothing half-done, nothing twice. Holds as long as no relay empties the outbox and nobody redeems."""
    for what, query in _AUDIT.items():
        found = await connection.fetch(query)
        assert not found, f"{what}: {found[:5]}"
