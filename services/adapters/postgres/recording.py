"""Write what was decided: decisions, coupons and their steps, orders and stamps, and last the outbox rows.

New rows go in by COPY, changes name the state they were decided upon; constraints judge both. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import SCHEMA, Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.rows import Row, Rows, Writing, add_verdict, dead_letter_row
from services.domain.arrival import Verdict
from services.domain.coupons.coupon import OPEN_STATUSES, Coupon
from services.domain.letters import DeadLetter
from services.domain.program import Program

_SQL = queries("record")

MAX_TIMESTAMP_MS = 253_402_300_799_000
"""The last second of the year 9999: later ones no `datetime` can hold."""

_DECISION_COLUMNS = (
    "event_key", "decided_at", "occurred_at", "partner_id", "customer_no", "game_id", "offset",
    "coupon_id", "blocking_coupon_id", "partition", "rule_version", "won",
    "event_id", "event_source", "event_type", "topic", "outcome", "reason", "order_id", "codes",
)  # fmt: skip
_COUPON_COLUMNS = (
    "id", "event_key", "partner_id", "game_id", "customer_no", "issued_at", "expires_at",
    "notice_at", "rule_version", "rule_validity_days", "rule_allow_multiple",
    "holds_single_place", "code", "code_prefix",
)  # fmt: skip
_OUTBOX_COLUMNS = (
    "ce_time", "dead_letter_id", "topic", "ce_type", "ce_id", "subject", "key", "value",
)  # fmt: skip
_HISTORY_COLUMNS = (
    "coupon_id", "step", "partner_id", "at", "event_key", "shop_id", "order_id", "word", "was",
    "status", "actor", "reason",
)  # fmt: skip
_REVERSED_COLUMNS = ("partner_id", "order_id", "customer_no", "event_key")
_STAMP_COLUMNS = ("partner_id", "order_id", "game_id", "customer_no", "card_no", "event_key")


async def record(
    connection: Connection,
    verdicts: Sequence[Verdict],
    program: Program,
    letters: Iterable[DeadLetter],
    writing: Writing,
) -> int:
    """Write all of it inside the caller's transaction; returns how many of the letters are new.

    Raises LostRace, or what a constraint raises.
    """
    rows = Rows()
    for verdict in verdicts:
        add_verdict(rows, verdict, program, writing)
    new_letters = [await _bury(connection, letter, rows) for letter in letters].count(True)
    await write(connection, rows)
    return new_letters


async def write(connection: Connection, rows: Rows, *, by_copy: bool = True) -> None:
    """Closed coupons first, since they free the places that opened and new ones take; the outbox last.

    `by_copy=False` for a role under row-level security, to which Postgres refuses COPY.
    """
    add = _copy if by_copy else _insert
    await add(connection, "decisions", _DECISION_COLUMNS, rows.decisions)
    for opens in (False, True):
        changed = [
            change
            for change in rows.changed.values()
            if (change[1].status in OPEN_STATUSES) is opens
        ]
        await _change(connection, changed)
    await add(connection, "coupons", _COUPON_COLUMNS, rows.coupons)
    await add(connection, "coupon_history", _HISTORY_COLUMNS, rows.history)
    await add(connection, "order_stamps", _STAMP_COLUMNS, rows.stamps)
    await add(connection, "reversed_orders", _REVERSED_COLUMNS, rows.reversed_orders)
    await _put(connection, "put_cards", rows.cards)
    if rows.stamps_back:
        taken = await connection.fetch(_SQL["take_stamps_back"], *_columns(rows.stamps_back))
        if len(taken) != len(rows.stamps_back):
            raise LostRace("a stamp to be taken back counts no more")
    await add(connection, "outbox", _OUTBOX_COLUMNS, rows.outbox)


async def _copy(
    connection: Connection, table: str, columns: tuple[str, ...], rows: list[Row]
) -> None:
    if rows:
        await connection.copy_records_to_table(
            table, schema_name=SCHEMA, columns=columns, records=rows
        )


async def _insert(
    connection: Connection, table: str, columns: tuple[str, ...], rows: list[Row]
) -> None:
    if rows:
        names = ", ".join(f'"{column}"' for column in columns)
        values = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        await connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({values})", rows)  # noqa: S608 - names are ours


async def _change(connection: Connection, changed: list[tuple[int, Coupon]]) -> None:
    """Bring coupons to their state after the batch, unless somebody else took a step on one meanwhile."""
    if not changed:
        return
    rows = [
        (
            coupon.id, steps_seen, coupon.status, coupon.steps, coupon.reserved_until,
            coupon.reserved_shop_id, coupon.redeemed_at, coupon.redeemed_order_id,
            coupon.holds_single_place, coupon.notice_at,
        )
        for steps_seen, coupon in changed
    ]  # fmt: skip
    done = await connection.fetch(_SQL["change_coupons"], *_columns(rows))
    if len(done) != len(rows):
        raise LostRace("somebody else took a step on a coupon of this batch")


async def _put(connection: Connection, query: str, rows: Mapping[Any, Row]) -> None:
    if rows:
        await connection.execute(_SQL[query], *_columns([rows[key] for key in sorted(rows)]))


def _columns(rows: Sequence[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


async def _bury(connection: Connection, letter: DeadLetter, rows: Rows) -> bool:
    """Keep a dead letter and queue its publication, unless this place in the topic has one already: then False."""
    letter_id = await connection.fetchval(
        _SQL["bury"],
        letter.position.topic, letter.position.partition, letter.position.offset,
        _record_time(letter.timestamp_ms), letter.stage, letter.exception,
        letter.message, letter.key, letter.value, letter.event_id, letter.event_source,
        letter.event_type, [name for name, _ in letter.headers],
        [value for _, value in letter.headers],
    )  # fmt: skip
    if letter_id is not None:
        rows.outbox.append(dead_letter_row(letter_id))
    return letter_id is not None


def _record_time(timestamp_ms: int) -> datetime:
    """A record's own time. A topic that takes the producer's word for it may carry any number."""
    return datetime.fromtimestamp(min(max(timestamp_ms, 0), MAX_TIMESTAMP_MS) / 1000, UTC)
