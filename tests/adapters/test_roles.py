"""What the group roles may do, tried as those roles."""

from __future__ import annotations

import asyncpg
import pytest

from services.adapters.postgres.pool import API_ROLE, WORKER_ROLE, connect
from services.runtime.settings import Settings
from tests.stand.issuing import a_game, a_partner

TENANT_TABLES = (
    "shops",
    "products",
    "games",
    "game_versions",
    "customers",
    "decisions",
    "coupons",
    "coupon_history",
)

FORBIDDEN_TO_WORKERS = [
    "UPDATE decisions SET outcome = 'declined'",
    "DELETE FROM decisions",
    "UPDATE coupon_history SET at = now()",
    "DELETE FROM coupon_history",
    "UPDATE coupons SET code = code",
    "UPDATE coupons SET expires_at = NULL",
    "UPDATE coupons SET rule_validity_days = 1",
    "DELETE FROM coupons",
    "DELETE FROM customers",
    "DELETE FROM games",
    "DELETE FROM partners",
    "DELETE FROM dead_letters",
    "UPDATE game_versions SET rules = '{}'",
    "UPDATE deployment SET id = gen_random_uuid()",
    "INSERT INTO schema_migrations VALUES (9, '9', '')",
    "UPDATE operations SET actor = 'nobody'",
    "DELETE FROM operations",
    "UPDATE dead_letter_actions SET outcome = 'decided'",
    "DELETE FROM dead_letter_actions",
    "TRUNCATE decisions",
    "DROP TABLE outbox",
    "CREATE TABLE couponry.mine ()",
]
FORBIDDEN_TO_THE_API = [
    "SELECT api_key_hash FROM partners",
    "SELECT secret_key_hash FROM partners",
    "SELECT * FROM dead_letters",
    "SELECT * FROM outbox",
    "SELECT * FROM deployment",
    "UPDATE games SET partner_id = 2",
    "UPDATE shops SET partner_id = 2",
    "UPDATE coupons SET code = code",
    "UPDATE coupons SET expires_at = NULL",
    "UPDATE decisions SET outcome = 'declined'",
    "UPDATE coupon_history SET at = now()",
    "UPDATE partners SET name = 'x'",
    "DELETE FROM decisions",
    "DELETE FROM coupons",
    "DELETE FROM games",
]


@pytest.fixture
async def two_partners(settings: Settings) -> tuple[int, int]:
    """Two partners with a row in every table of theirs."""
    worker = await connect(settings, "test")
    partners = (await a_partner(worker), await a_partner(worker))
    for number, partner_id in enumerate(partners):
        game_id = await a_game(worker, partner_id)
        await worker.execute(
            """
            WITH product AS (INSERT INTO products (partner_id, name) VALUES ($1, 'Coffee')),
            customer AS (
                INSERT INTO customers (partner_id, customer_id, last_at) VALUES ($1, 'c', now())
                RETURNING customer_no),
            decision AS (
                INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
                                       coupon_id, partition, event_id, event_source, event_type, topic, outcome)
                SELECT $4, now(), now(), $1, customer_no, $2, 0, $4, 0, 'e', 's', 'game.completed', 't', 'issued'
                FROM customer),
            history AS (
                INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)
                VALUES ($4, 1, $1, now(), 'redeemed', 'active', 'redeemed', 'test'))
            INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, rule_version,
                                 rule_allow_multiple, holds_single_place, code)
            SELECT $4, $4, $1, $2, customer_no, now(), 1, true, false, $3 FROM customer
            """,
            partner_id,
            game_id,
            f"{number}" * 16,
            f"00000000-0000-0000-0000-{number:012}",
        )
    await worker.close()
    return partners


async def test_worker_rewrites_no_history(settings: Settings) -> None:
    """Not even a worker rewrites what was decided, issued or agreed."""
    assert await _allowed(settings, WORKER_ROLE, FORBIDDEN_TO_WORKERS) == []


async def test_api_reads_only_what_it_shows(settings: Settings) -> None:
    """The API reads its partner's rows, no keys, and nothing that belongs to the machinery."""
    assert await _allowed(settings, API_ROLE, FORBIDDEN_TO_THE_API) == []


async def _allowed(settings: Settings, role: str, statements: list[str]) -> list[str]:
    """Those of the statements that are not refused for want of a privilege."""
    connection = await connect(settings, "test", role=role)
    allowed = []
    for statement in statements:
        try:
            await connection.execute(statement)
            allowed.append(statement)
        except asyncpg.InsufficientPrivilegeError:
            pass
    await connection.close()
    return allowed


async def test_worker_moves_a_coupon_through_its_states(
    settings: Settings, two_partners: tuple[int, int]
) -> None:
    """A worker sees every partner's coupons and may close them."""
    worker = await connect(settings, "test")
    assert (
        await worker.execute("UPDATE coupons SET status = 'redeemed', redeemed_at = now()")
        == "UPDATE 2"
    )
    await worker.close()


async def test_api_sees_its_partners_rows_only(
    settings: Settings, two_partners: tuple[int, int]
) -> None:
    """With a partner in the session the API sees that partner's rows, without one it sees nothing."""
    api = await connect(settings, "test", role=API_ROLE)
    for table in TENANT_TABLES:
        assert await api.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    for partner_id in two_partners:
        await api.execute(f"SET couponry.partner_id = '{partner_id}'")
        for table in TENANT_TABLES:
            seen = await api.fetch(f"SELECT DISTINCT partner_id FROM {table}")
            assert [row["partner_id"] for row in seen] == [partner_id], table
        mine = await api.fetch("SELECT id, name, time_zone, store_id, created_at FROM partners")
        assert [row["id"] for row in mine] == [partner_id]
    await api.close()


async def test_api_changes_its_partners_rows_only(
    settings: Settings, two_partners: tuple[int, int]
) -> None:
    """A change reaches none of another partner's rows, and no row can be given to another partner."""
    mine, other = two_partners
    api = await connect(settings, "test", role=API_ROLE)
    await api.execute(f"SET couponry.partner_id = '{mine}'")
    assert await api.execute("UPDATE games SET is_active = false") == "UPDATE 1"
    assert (
        await api.execute("UPDATE shops SET name = 'x' WHERE partner_id = $1", other) == "UPDATE 0"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await api.execute("INSERT INTO shops (partner_id, name) VALUES ($1, 'x')", other)
    await api.close()
