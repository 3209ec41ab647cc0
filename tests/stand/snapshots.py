"""What decisions have left of customers, apart from instants, numbers of rows and the order of writing."""

from __future__ import annotations

from typing import Any

from services.adapters.postgres.pool import Connection

Snapshot = dict[str, list[Any]]
_OF_CUSTOMERS = {
    "decisions": "d.event_key, d.event_type, d.outcome, d.reason, d.order_id, d.codes, d.program_version, d.program",
    "ledger": (
        "d.number, d.event_key, d.kind, d.source_kind, d.source_id, d.points, d.balance, d.owed, d.points_earned, d.score, d.spent,"
        " d.orders, d.referrals, d.takes, d.order_id, d.base_points, d.factor"
    ),
    "wallets": (
        "d.entries, d.balance, d.owed, d.points_earned, d.score, d.spent, d.orders, d.referrals, d.tier_recorded, d.tier_id,"
        " d.tier_order, d.tier_name, d.granted_ids, d.granted_names, d.campaigns"
    ),
    "lots": "d.number, d.source_kind, d.source_id, d.expires_at - d.earned_at, d.amount, d.remaining, d.expired",
    "purchases": "d.order_id, d.event_key, d.amount, d.points, d.score, d.entry, d.refunded, d.is_closed, d.steps, d.achievements",
    "refunds_before": "d.order_id, d.refunded",
    "profiles": (
        "d.registered_at IS NOT NULL, d.tags, d.birthday, d.locale, d.attributes, d.referred_by, d.referral_key, d.card_id,"
        " d.bonus_cards"
    ),
    "coupons": (
        "d.id, d.event_key, d.code, d.game_id, d.status, d.steps, d.source_kind, d.source_id, d.terms, d.used_count,"
        " d.program_version, d.expires_at IS NULL"
    ),
    "coupon_uses": "d.order_id, d.coupon_id, d.step, d.given_back",
}


async def everything(connection: Connection) -> Snapshot:
    """By table, each row as text, in an order of its own; and the ids of all that waits to leave."""
    found = {
        table: [
            row["said"]
            for row in await connection.fetch(
                f"SELECT (c.customer_id, {columns})::text AS said FROM {table} d JOIN customers c USING (customer_no) ORDER BY said"
            )
        ]
        for table, columns in _OF_CUSTOMERS.items()
    }
    rows = await connection.fetch("SELECT topic, ce_type, ce_id FROM outbox ORDER BY topic, ce_id")
    return found | {"outbox": [tuple(row) for row in rows]}


def differences(one: Snapshot, other: Snapshot) -> list[str]:
    """What only one of the two has."""
    return [
        f"{table}: {row} in {len(set(one[table]) & {row})} against {len(set(other[table]) & {row})}"
        for table in one
        for row in sorted(set(one[table]) ^ set(other[table]))
    ]
