"""What is said of a decided event, in JSON: by `explain`, and to the partner who told the event over HTTP.

The decision keeps what became of tier, campaigns, codes and a referral; amounts stand in the ledger, whose every row
moves the wallet, the five meters and the debt at once, and is told here as one entry for each of those that it moves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import asyncpg
import orjson

from schemas.topics import http_source
from services.adapters.postgres.inbox import decision_of
from services.adapters.postgres.points import entries_of_events
from services.adapters.postgres.pool import Connection
from services.domain.exact import MOST
from services.domain.points.wallet import EntryKind

MEASURES: Final = (
    ("points", "balance"), ("points_earned", "points_earned_then"), ("score", "score_then"), ("spent", "spent_then"),
    ("orders", "orders_then"), ("referrals", "referrals_then"), ("owed", "owed_then"),
)  # fmt: skip
"""What a row of the ledger moves, each with what it had come to by then."""
_STOP: Final = frozenset({"points", "points_earned", "score"})


async def told_decision(
    connection: Connection, partner_id: int, event_id: str
) -> dict[str, Any] | None:
    """What has become of an event that this partner told over HTTP; None while it is not decided."""
    made = await decision_of(connection, http_source(partner_id), event_id)
    if made is None:
        return None
    entries = await entries_of_events(connection, [made["customer_no"]], [made["event_key"]])
    return said_of(
        (made["event_id"], made["event_source"], made["event_type"]),
        outcome=made["outcome"],
        reason=made["reason"],
        decision=made,
        program=said_of_program(made, entries),
    )


def said_of(
    identity: tuple[str | None, str | None, str | None],
    *,
    outcome: str,
    reason: str | None,
    decision: Mapping[str, Any] | asyncpg.Record,
    program: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Of an event of this id, source and type."""
    event_id, source, type_ = identity
    return {
        "event_id": event_id,
        "source": source,
        "type": type_,
        "outcome": outcome,
        "reason": reason,
        "rule_version": decision["rule_version"],
        "blocking_coupon_id": decision["blocking_coupon_id"],
        "coupon_id": decision["coupon_id"],
        "codes": json.loads(decision["codes"] or "[]"),
        "program": program,
        "decided_at": decision["decided_at"],
    }


def said_of_program(
    decision: asyncpg.Record, entries: Sequence[asyncpg.Record]
) -> dict[str, Any] | None:
    """`program` of a decision; None where its partner had none. Amounts are above 0: `kind` says which way.

    `stopped` is there only where earning came to the most that there can be.
    """
    if decision["program_version"] is None:
        return None
    kept = orjson.loads(decision["program"])
    stopped = stopped_by(entries)
    return {
        "version": decision["program_version"],
        "tier": kept["tier"],
        "entries": [
            {
                "measure": measure,
                "kind": row["kind"],
                "amount": abs(_number(row[measure])),
                "balance": _number(row[then]),
                "source": {"kind": row["source_kind"], "id": row["source_id"]},
            }
            for row in entries
            for measure, then in MEASURES
            if row[measure]
        ],
        "campaigns": kept["campaigns"],
        "discounts": [
            {**each, "amount": _number(Decimal(each["amount"]))} for each in kept["discounts"]
        ],
        "referral": kept["referral"],
        **({"stopped": [{"measure": each, "at": MOST} for each in stopped]} if stopped else {}),
    }


def stopped_by(entries: Iterable[asyncpg.Record]) -> list[str]:
    """Measures of which these entries earned up to the most that there can be: whatever was above it is not earned."""
    earned = [row for row in entries if row["kind"] == EntryKind.EARNED]
    return [
        measure
        for measure, then in MEASURES
        if measure in _STOP and any(row[then] >= MOST for row in earned)
    ]


def _number(amount: int | Decimal) -> int | Decimal:
    """Whole where it is, so that points are integers to every reader."""
    return int(amount) if amount == int(amount) else amount
