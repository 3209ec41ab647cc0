"""A hostile tenant against every table and every verb, built from the catalog as the role of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from schemas.topics import http_source
from services.adapters.postgres.pool import API_ROLE, SCHEMA, connect
from services.runtime.settings import Settings

NOBODYS = {"coupon_transitions", "schema_migrations"}
"""Tables that say nothing about any partner."""

_FILL = """
WITH partner AS (
    INSERT INTO partners (id, name, time_zone, store_id, api_key_hash, secret_key_hash)
    VALUES ($1::bigint, 'P', 'UTC', $1::bigint::text, int8send($1::bigint), int8send($1::bigint))),
shop AS (INSERT INTO shops (id, partner_id, name) VALUES ($1, $1, 'S')),
product AS (INSERT INTO products (id, partner_id, name) VALUES ($1, $1, 'P')),
game AS (
    INSERT INTO games (id, partner_id, name, description, game_type, reward_description, total_limit)
    VALUES ($1, $1, 'A game', 'A game to test', 'wheel', 'A coffee', 50)),
card AS (INSERT INTO cards (id, partner_id, title, is_active, settings) VALUES ($1, $1, '{}', true, '{}')),
audit AS (
    INSERT INTO audit_log (partner_id, actor, request_id, action, subject_id) VALUES ($1, 'a', 'r', 'game.created', '1')),
waiting AS (
    INSERT INTO waiting_records (topic, partition, "offset", event_key, timestamp_ms, timestamp_type, header_names,
                                 header_values, partner_id, why, todo)
    VALUES ('t', 0, $1, 'k', 0, 1, '{}', '{}', $1, 'w', 't')),
reused AS (
    INSERT INTO reused_ids (topic, partition, "offset", event_key, partner_id, customer_id, event_type)
    VALUES ('t', 0, $1, $2, $1, 'c', 'game.completed')),
key AS (INSERT INTO idempotency_keys (partner_id, key, request_hash) VALUES ($1, 'k', '')),
counters AS (INSERT INTO game_counters (game_id, partner_id, players, completions, cards_begun) VALUES ($1, $1, 1, 1, 1)),
player AS (INSERT INTO game_players (game_id, customer_no, partner_id) VALUES ($1, $1, $1)),
customer AS (
    INSERT INTO customers (customer_no, partner_id, customer_id, last_at) OVERRIDING SYSTEM VALUE VALUES ($1, $1, 'c', now())),
decision AS (
    INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset", coupon_id,
                           partition, event_id, event_source, event_type, topic, outcome)
    VALUES ($2, now(), now(), $1, $1, $1, 0, $2, 0, 'e', 's', 'game.completed', 't', 'issued')),
coupon AS (
    INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, rule_version, rule_allow_multiple,
                         holds_single_place, code)
    VALUES ($2, $2, $1, $1, $1, now(), 1, true, false, $3)),
history AS (
    INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)
    VALUES ($2, 1, $1, now(), 'redeemed', 'active', 'redeemed', 'a')),
reversal AS (INSERT INTO reversed_orders (partner_id, order_id, customer_no, event_key) VALUES ($1, 'o', $1, $2)),
program AS (
    INSERT INTO program_versions (partner_id, version, actor, changed, sections, cards, time_zone)
    VALUES ($1, 1, 'a', '{}', '{}', '[]', 'UTC')),
profile AS (
    INSERT INTO profiles (customer_no, partner_id, tags, attributes, bonus_cards) VALUES ($1, $1, '{}', '{}', '{}')),
birthday AS (INSERT INTO birthdays (customer_no, year, partner_id, at) VALUES ($1, 2026, $1, now())),
wallet AS (
    INSERT INTO wallets (customer_no, partner_id, entries, balance, owed, points_earned, score, spent, orders, referrals,
                         tier_recorded, granted_ids, granted_names, campaigns)
    VALUES ($1, $1, 1, 1, 0, 1, 0, 0, 0, 0, false, '{}', '{}', '{}')),
entry AS (
    INSERT INTO ledger (customer_no, number, partner_id, at, kind, source_kind, source_id, points, balance, owed,
                        points_earned, score, spent, orders, referrals)
    VALUES ($1, 1, $1, now(), 'earned', 'order', 'o', 1, 1, 0, 1, 0, 0, 0, 0)),
lot AS (
    INSERT INTO lots (customer_no, number, partner_id, source_kind, source_id, earned_at, amount, remaining, expired)
    VALUES ($1, 1, $1, 'order', 'o', now(), 1, 1, 0)),
purchase AS (
    INSERT INTO purchases (partner_id, order_id, customer_no, event_key, amount, points, score, refunded, is_closed, steps,
                           achievements)
    VALUES ($1, 'o', $1, $2, 1, 1, 0, 0, false, '[]', '[]')),
refund AS (INSERT INTO refunds_before (partner_id, order_id, customer_no, refunded) VALUES ($1, 'p', $1, 1)),
use AS (INSERT INTO coupon_uses (customer_no, order_id, coupon_id, partner_id, step) VALUES ($1, 'o', $2, $1, 1)),
counts AS (INSERT INTO group_counts (partner_id, handle) VALUES ($1, 'g')),
pool AS (INSERT INTO pool_codes (partner_id, code, handle) VALUES ($1, 'c', 'g')),
booking AS (
    INSERT INTO manual_transactions (partner_id, transaction_id, customer_no, number) VALUES ($1, 't', $1, 1)),
webhook AS (INSERT INTO webhooks (partner_id, since) VALUES ($1, now())),
delivery AS (
    INSERT INTO deliveries (coupon_id, kind, partner_id, customer_no, at, type, status, due_at)
    VALUES ($2, 'issued', $1, $1, now(), 'fixed', 'pending', now())),
attempt AS (
    INSERT INTO delivery_attempts (coupon_id, kind, number, partner_id, at, duration_ms) VALUES ($2, 'issued', 1, $1, now(), 0)),
secret AS (INSERT INTO webhook_secrets (partner_id, number, sealed) VALUES ($1, 1, 's')),
stamp AS (
    INSERT INTO order_stamps (partner_id, order_id, game_id, customer_no, card_no, event_key) VALUES ($1, 'o', $1, $1, 1, $2))
INSERT INTO stamp_cards (customer_no, game_id, partner_id, card_no, stamps) VALUES ($1, $1, $1, 1, 1)
"""
HOSTILE, VICTIM = 1_000_001, 1_000_002


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A database of its own with a row of each of two partners in every table."""
    connection = await connect(settings, "test", role=None)
    for number, partner_id in enumerate((HOSTILE, VICTIM)):
        coupon_id = f"00000000-0000-0000-0000-{number:012}"
        await connection.execute(_FILL, partner_id, coupon_id, f"{number}" * 16)
    yield connection
    await connection.close()


@pytest.fixture
async def hostile(
    settings: Settings, owner: asyncpg.Connection
) -> AsyncIterator[asyncpg.Connection]:
    """A session as the API has it for the hostile partner, in the hands of somebody who can send any SQL."""
    connection = await connect(settings, "test", role=API_ROLE)
    await connection.execute(f"SET couponry.partner_id = '{HOSTILE}'")
    yield connection
    await connection.close()


async def tables(owner: asyncpg.Connection) -> dict[str, list[str]]:
    """Every table with its columns, from the catalog."""
    rows = await owner.fetch(
        """
        SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) AS columns
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') GROUP BY c.relname ORDER BY c.relname
        """,
        SCHEMA,
    )
    return {row["relname"]: row["columns"] for row in rows}


async def may(owner: asyncpg.Connection, table: str, column: str, verb: str) -> bool:
    """Whether the API's role has this privilege on this column."""
    found: bool = await owner.fetchval(
        "SELECT has_column_privilege($1, $2, $3, $4)", API_ROLE, f"{SCHEMA}.{table}", column, verb
    )
    return found


async def tried(connection: asyncpg.Connection, statement: str, *arguments: Any) -> int | None:
    """How many rows a statement reached, undone again; None when it was refused."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        result = await connection.execute(statement, *arguments)
        return int(result.split()[-1])
    except (asyncpg.InsufficientPrivilegeError, asyncpg.GeneratedAlwaysError):
        return None
    finally:
        await transaction.rollback()


async def test_tenant_tables_are_all_under_forced_row_level_security(
    owner: asyncpg.Connection,
) -> None:
    """Whatever has a partner's column, or that the API may touch at all, is forced under row-level security."""
    exposed = []
    for table, columns in (await tables(owner)).items():
        is_forced = await owner.fetchval(
            "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = $1::text::regclass",
            f"{SCHEMA}.{table}",
        )
        touched = [verb for verb in ("SELECT", "INSERT", "UPDATE", "DELETE")
                   if await owner.fetchval("SELECT has_table_privilege($1, $2, $3)", API_ROLE, f"{SCHEMA}.{table}", verb)]  # fmt: skip
        if not is_forced and ("partner_id" in columns or touched) and table not in NOBODYS:
            exposed.append(table)
    assert exposed == []


async def test_tenant_tables_all_hold_a_row_to_steal(owner: asyncpg.Connection) -> None:
    """The tests below are about every table: a new one must be filled here as well."""
    empty = [
        table for table, columns in (await tables(owner)).items()
        if "partner_id" in columns
        and not await owner.fetchval(f"SELECT count(*) FROM {table} WHERE partner_id = $1", VICTIM)
    ]  # fmt: skip
    assert empty == []


async def test_tenant_reads_nothing_of_others(
    owner: asyncpg.Connection, hostile: asyncpg.Connection
) -> None:
    """No query returns another partner's row, nor one that locks it, nor one without a partner in the session."""
    leaks = []
    for table, columns in (await tables(owner)).items():
        if table in NOBODYS:
            continue
        readable = [column for column in columns if await may(owner, table, column, "SELECT")]
        if not readable:
            continue
        key = "partner_id" if "partner_id" in columns else "id"
        for lock in ("", "FOR UPDATE", "FOR KEY SHARE"):
            query = f"SELECT {readable[0]} FROM {table} WHERE {key} <> $1 {lock}"
            if await tried(hostile, query, HOSTILE):
                leaks.append(query)
        await hostile.execute("SET couponry.partner_id = ''")
        if await tried(hostile, f"SELECT {readable[0]} FROM {table}"):
            leaks.append(f"{table} without a partner")
        await hostile.execute(f"SET couponry.partner_id = '{HOSTILE}'")
    assert leaks == []


async def test_tenant_counts_nothing_of_others(
    owner: asyncpg.Connection, hostile: asyncpg.Connection
) -> None:
    """What is counted past row-level security is one's own, and nobody's without a partner in the session."""
    games = {
        partner: await owner.fetchval("SELECT id FROM games WHERE partner_id = $1", partner)
        for partner in (HOSTILE, VICTIM)
    }
    queries = (
        "SELECT active_coupons_count FROM active_coupons($1, 'epoch')",
        "SELECT coupons_that_count($1, NULL)",
        "SELECT taken_from_shares($1, 1, 1)",
    )
    for query in queries:
        assert await owner.fetchval(query, games[VICTIM]) is not None
        assert await hostile.fetchval(query, games[HOSTILE]) is not None
        assert await hostile.fetchval(query, games[VICTIM]) is None
    await hostile.execute("SET couponry.partner_id = ''")
    for query in queries:
        assert await hostile.fetchval(query, games[VICTIM]) is None


async def test_tenant_changes_nothing_of_others(
    owner: asyncpg.Connection, hostile: asyncpg.Connection
) -> None:
    """No update or delete reaches another partner's row, and no own row can be given away."""
    reached = []
    for table, columns in (await tables(owner)).items():
        key = "partner_id" if "partner_id" in columns else columns[0]
        for column in columns:
            if await tried(
                hostile,
                f'UPDATE {table} SET "{column}" = "{column}" WHERE {key}::text <> \'{HOSTILE}\'',
            ):
                reached.append(f"UPDATE {table}.{column}")
            everything = await tried(hostile, f'UPDATE {table} SET "{column}" = "{column}"')
            own = await owner.fetchval(
                f"SELECT count(*) FROM {table} WHERE {key}::text = '{HOSTILE}'"
            )
            if everything is not None and everything > own:
                reached.append(f"UPDATE {table}.{column} everywhere")
        if "partner_id" in columns and await tried(
            hostile, f"UPDATE {table} SET partner_id = {VICTIM}"
        ):
            reached.append(f"gave away {table}")
        if await tried(hostile, f"DELETE FROM {table} WHERE {key}::text <> '{HOSTILE}'"):
            reached.append(f"DELETE {table}")
    assert reached == []


async def test_tenant_adds_nothing_to_others(
    owner: asyncpg.Connection, hostile: asyncpg.Connection
) -> None:
    """A copy of another partner's row, in the columns that the role may fill, is refused for every table."""
    added, tested = [], 0
    for table, columns in (await tables(owner)).items():
        if "partner_id" not in columns:
            continue
        row = await owner.fetchval(
            f"SELECT to_jsonb(t)::text FROM {table} t WHERE partner_id = $1 LIMIT 1", VICTIM
        )
        fillable = [
            column for column in columns if await may(owner, table, column, "INSERT")
        ] or columns
        names = ", ".join(f'"{column}"' for column in fillable)
        statement = f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM jsonb_populate_record(NULL::{table}, $1)"
        if await tried(hostile, statement, row) is not None:
            added.append(table)
        tested += fillable is not columns
    assert added == []
    assert tested >= 10


@pytest.mark.parametrize(
    ("partner_id", "letter", "queued"),
    [(HOSTILE, None, 1), (VICTIM, None, None), (HOSTILE, 1, None)],
)
async def test_tenant_speaks_for_itself_only(
    hostile: asyncpg.Connection, partner_id: int, letter: int | None, queued: int | None
) -> None:
    """The outbox takes events whose data names the session's partner, and no dead letters; it shows nothing."""
    value, ce_id = (f'{{"partner_id": {partner_id}}}', "1") if letter is None else (None, None)
    statement = "INSERT INTO outbox (topic, value, ce_id, dead_letter_id) VALUES ('t', $1, $2, $3)"
    assert await tried(hostile, statement, value, ce_id, letter) == queued
    assert await tried(hostile, "SELECT 1 FROM outbox") is None


@pytest.mark.parametrize(
    ("source", "queued"),
    [
        (http_source(HOSTILE), 1),
        (http_source(VICTIM), None),
        (f"{http_source(HOSTILE)}0", None),
        ("/games/wheel", None),
    ],
)
async def test_tenant_speaks_under_its_own_source_only(
    hostile: asyncpg.Connection, source: str, queued: int | None
) -> None:
    """An event's id is used up for its source: under another's, theirs would be passed over as repeats."""
    statement = "INSERT INTO outbox (topic, value, ce_id, source) VALUES ('t', $1, '1', $2)"
    assert await tried(hostile, statement, f'{{"partner_id": {HOSTILE}}}', source) == queued


async def test_tenant_cannot_leave_its_role(hostile: asyncpg.Connection) -> None:
    """The role owns nothing, creates nothing, and bypasses nothing."""
    row = await hostile.fetchrow(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles WHERE rolname = current_user"
    )
    assert row is not None
    assert not any(row.values())
    assert await tried(hostile, "CREATE TABLE mine (id int)") is None
    assert await tried(hostile, "TRUNCATE games") is None
