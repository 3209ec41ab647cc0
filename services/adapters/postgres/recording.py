"""Write what a batch decided: decisions, coupons, steps, dead letters, and last the outbox rows that tell the world.

Rows go in by COPY; constraints judge them. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg

from services.adapters import wire
from services.adapters.kafka import COUPON_ISSUED, COUPON_LIFECYCLE, DEAD_LETTERS, ISSUANCE_DECLINED
from services.adapters.postgres.pool import SCHEMA
from services.adapters.postgres.queries import queries
from services.domain.arrival import Verdict
from services.domain.coupon import CouponStatus
from services.domain.decision import DeclineIssuance, ExpireCoupon, IssueCoupon
from services.domain.letters import DeadLetter

_SQL = queries("record")

ISSUER_ACTOR = "issuer"

MAX_TIMESTAMP_MS = 253_402_300_799_000
"""The last second of the year 9999: later ones no `datetime` can hold."""

_DECISION_COLUMNS = (
    "event_key", "decided_at", "occurred_at", "partner_id", "customer_no", "game_id", "offset",
    "coupon_id", "blocking_coupon_id", "partition", "rule_version", "won",
    "event_id", "event_source", "event_type", "topic", "outcome", "reason",
)  # fmt: skip
_COUPON_COLUMNS = (
    "id", "event_key", "partner_id", "game_id", "customer_no", "issued_at", "expires_at",
    "rule_version", "rule_validity_days", "rule_allow_multiple", "holds_single_place",
    "code", "code_prefix",
)  # fmt: skip
_OUTBOX_COLUMNS = (
    "ce_time", "dead_letter_id", "topic", "ce_type", "ce_id", "subject", "key", "value",
)  # fmt: skip
_HISTORY_COLUMNS = (
    "coupon_id", "step", "partner_id", "at", "event_key", "status", "actor", "reason",
)  # fmt: skip


class LostRace(Exception):
    """Somebody else changed what this batch was decided upon: roll back, load again, decide again."""


Row = tuple[Any, ...]


@dataclass(slots=True, kw_only=True)
class Rows:
    """Rows of one batch, per table, each in the order in which it was decided."""

    decisions: list[Row] = field(default_factory=list)
    coupons: list[Row] = field(default_factory=list)
    outbox: list[Row] = field(default_factory=list)


async def record(
    connection: asyncpg.Connection,
    verdicts: Sequence[Verdict],
    letters: Iterable[DeadLetter],
    *,
    mask_codes: bool = False,
) -> None:
    """Write all of it inside the caller's transaction. Raises LostRace, or what a constraint raises."""
    rows = Rows()
    # Expiries first: they free the places that new coupons take, and their events come before.
    history = await _expire(connection, verdicts, rows, mask_codes)
    for verdict in verdicts:
        _add_verdict(rows, verdict, mask_codes)
    await _copy(connection, "decisions", _DECISION_COLUMNS, rows.decisions)
    await _copy(connection, "coupons", _COUPON_COLUMNS, rows.coupons)
    await _copy(connection, "coupon_history", _HISTORY_COLUMNS, history)
    for letter in letters:
        await _bury(connection, letter, rows)
    await _copy(connection, "outbox", _OUTBOX_COLUMNS, rows.outbox)


async def _copy(
    connection: asyncpg.Connection, table: str, columns: tuple[str, ...], rows: list[Row]
) -> None:
    if rows:
        await connection.copy_records_to_table(
            table, schema_name=SCHEMA, columns=columns, records=rows
        )


def _add_verdict(rows: Rows, verdict: Verdict, mask_codes: bool) -> None:
    incoming, decision = verdict.incoming, verdict.decision
    event, place, cause = incoming.event, incoming.position, incoming.event.cause
    rows.decisions.append(
        (
            incoming.event_key, decision.decided_at, event.occurred_at, event.partner_id,
            verdict.customer_no, event.game_id, place.offset, decision.coupon_id,
            decision.blocking_coupon_id, place.partition, decision.rule_version, event.won,
            cause.id, cause.source, cause.type, place.topic, decision.outcome, decision.reason,
        )
    )  # fmt: skip
    for effect in decision.effects:
        match effect:
            case IssueCoupon():
                assert verdict.game is not None
                rows.coupons.append(
                    (
                        effect.coupon_id, incoming.event_key, event.partner_id, effect.game_id,
                        verdict.customer_no, effect.issued_at, effect.expires_at,
                        effect.rule_version, effect.coupon_validity_days,
                        effect.allow_multiple_active_coupons,
                        not effect.allow_multiple_active_coupons, effect.code, effect.code_prefix,
                    )
                )  # fmt: skip
                value = wire.issued_value(
                    effect, verdict.game, event.customer_id, cause, mask_codes=mask_codes
                )
                rows.outbox.append(
                    (
                        effect.issued_at, None, COUPON_ISSUED, "coupon.issued",
                        f"{effect.coupon_id}.issued", effect.coupon_id, event.customer_id, value,
                    )
                )  # fmt: skip
            case DeclineIssuance():
                value = wire.declined_value(
                    effect,
                    verdict.game,
                    event.partner_id,
                    event.customer_id,
                    cause,
                    decision.decided_at,
                )
                rows.outbox.append(
                    (
                        decision.decided_at, None, ISSUANCE_DECLINED, "issuance.declined",
                        f"{incoming.event_key}.declined.{effect.game_id}", None,
                        event.customer_id, value,
                    )
                )  # fmt: skip
            case ExpireCoupon():
                pass  # written before all others, by _expire


async def _expire(
    connection: asyncpg.Connection, verdicts: Sequence[Verdict], rows: Rows, mask_codes: bool
) -> list[Row]:
    """Close the coupons whose end these decisions rely on; returns their steps, queues their events."""
    ending = {
        effect.coupon_id: (effect, verdict)
        for verdict in verdicts
        for effect in verdict.decision.effects
        if isinstance(effect, ExpireCoupon)
    }
    if not ending:
        return []
    closed = await connection.fetch(_SQL["expire_coupons"], sorted(ending))
    if len(closed) != len(ending):
        raise LostRace("a coupon whose validity is over was closed by somebody else")
    history = []
    for row in closed:
        coupon_id, step = str(row["id"]), row["steps"] + 1
        effect, verdict = ending[coupon_id]
        event = verdict.incoming.event
        history.append(
            (
                coupon_id, step, row["partner_id"], effect.at, verdict.incoming.event_key,
                CouponStatus.EXPIRED, ISSUER_ACTOR, "validity_over",
            )
        )  # fmt: skip
        value = wire.lifecycle_value(
            coupon_id=coupon_id,
            code=row["code"],
            code_prefix=row["code_prefix"],
            partner_id=row["partner_id"],
            game_id=row["game_id"],
            customer_id=event.customer_id,
            status=CouponStatus.EXPIRED,
            at=effect.at,
            cause=event.cause,
            expires_at=effect.at,
            mask_codes=mask_codes,
        )
        rows.outbox.append(
            (
                effect.at, None, COUPON_LIFECYCLE, "coupon.expired",
                f"{coupon_id}.{step}.expired", coupon_id, event.customer_id, value,
            )
        )  # fmt: skip
    return history


async def _bury(connection: asyncpg.Connection, letter: DeadLetter, rows: Rows) -> None:
    """Keep a dead letter and queue its publication, unless this place in the topic has one already."""
    letter_id = await connection.fetchval(
        _SQL["bury"],
        letter.position.topic, letter.position.partition, letter.position.offset,
        _record_time(letter.timestamp_ms), letter.stage, letter.exception,
        letter.message, letter.key, letter.value, letter.event_id, letter.event_source,
        letter.event_type, [name for name, _ in letter.headers],
        [value for _, value in letter.headers],
    )  # fmt: skip
    if letter_id is not None:
        rows.outbox.append((None, letter_id, DEAD_LETTERS, None, None, None, None, None))


def _record_time(timestamp_ms: int) -> datetime:
    """A record's own time. A topic that takes the producer's word for it may carry any number."""
    return datetime.fromtimestamp(min(max(timestamp_ms, 0), MAX_TIMESTAMP_MS) / 1000, UTC)
