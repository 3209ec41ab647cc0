"""The database of a simulation: one partner with a game per kind of rule, emptied between two seeds."""

from __future__ import annotations

import asyncpg

from services.adapters.postgres.partners import add_partner
from tests.simulation.programs import CARDS
from tests.simulation.shopping import CAPPED, CARD, MULTIPLE, SINGLE, TOTAL

_GAMES = (
    # id, type, several at once, days, customer's limit, total limit
    (SINGLE, "wheel", False, 1, None, None),
    (MULTIPLE, "quiz", True, None, None, None),
    (CARD, "stamps", False, 7, None, None),
    (CAPPED, "memory", True, 30, 3, None),
    (TOTAL, "scratch", True, 30, None, 5),
)
_EMPTIED = (
    "decisions, coupons, coupon_history, reversed_orders, order_stamps, stamp_cards, outbox, dead_letters,"
    " customers, game_quota, game_versions, games, program_versions, profiles, birthdays, wallets, ledger, lots, purchases,"
    " refunds_before, coupon_uses, manual_transactions, cards, group_counts, pool_codes"
)


async def a_partner(owner: asyncpg.Connection) -> int:
    """The one partner of all seeds."""
    return (await add_partner(owner, "Simulated", "Europe/Vilnius")).id


async def empty_stage(owner: asyncpg.Connection, partner_id: int) -> None:
    """Nothing has happened yet."""
    await owner.execute(f"TRUNCATE {_EMPTIED} CASCADE")
    await owner.executemany(
        "INSERT INTO games (id, partner_id, name, description, game_type, reward_description,"
        " allow_multiple_active_coupons, coupon_validity_days, stamps_required, customer_limit, total_limit,"
        " product_ids) VALUES ($1, $2, 'A game', 'A simulated game', $3, 'A coffee', $4, $5, 2, $6, $7, '{}')",
        [(id_, partner_id, *rest) for id_, *rest in _GAMES],
    )
    await owner.execute(
        "UPDATE programs SET version = 0, revision = revision + 1, sections = '{}', cards = '[]'"
    )
    await owner.executemany(
        "INSERT INTO cards (id, partner_id, title, is_active, settings) VALUES ($1, $2, '{}', false, '{}')",
        [(card_id, partner_id) for card_id in CARDS],
    )
