"""What partners' own coupon systems are told: lines of deliveries, one for each customer, and every attempt.

A line is served from its head, so a customer's coupons arrive in the order of issue and others do not wait. Whoever
adds to lines, or ends what is at their heads, holds them (`held`) until the commit; `served` then puts the first that
is pending at each head. To begin an attempt takes no line: the head is marked, by the one process that sends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import columns_of
from services.adapters.postgres.webhooks import SENDABLE
from services.domain.webhooks.webhook import Webhook

_SQL = queries("deliveries")

DELIVERIES_CHANNEL = "couponry_deliveries"
WAKE_SENDER = f"NOTIFY {DELIVERIES_CHANNEL}"
"""A statement of its own after the commit, as the relay's."""
SETTLED_AT_ONCE = 500
MOST_COUNTED = 100_000

Named = tuple[str, str]
"""A delivery: its coupon's id and its kind."""


class DeliveryRow(NamedTuple):
    """A delivery as it begins; `status` pending or held."""

    coupon_id: str
    kind: str
    partner_id: int
    customer_no: int
    at: datetime
    type: str
    status: str
    due_at: datetime


class Ending(NamedTuple):
    """What becomes of a delivery by an attempt that ends. Fields as in the query `end_attempts`."""

    coupon_id: str
    kind: str
    number: int
    status: str
    pause: timedelta


class AttemptRow(NamedTuple):
    """How an attempt went. `request` is JSON."""

    coupon_id: str
    kind: str
    number: int
    partner_id: int
    at: datetime
    status: int | None
    error: str | None
    duration_ms: int
    detail: str | None
    request: str | None


async def held(
    connection: Connection, customers: Collection[int], partners: Collection[int]
) -> None:
    """Hold these customers' lines until the commit."""
    await connection.execute(_SQL["lock_partners"], list(partners))
    await connection.execute(_SQL["lock_lines"], list(customers))


async def served(connection: Connection, customers: Collection[int]) -> None:
    """The first that is pending stands at the head of each of these lines, which are held."""
    named = sorted(set(customers))
    if named:
        await connection.execute(_SQL["give_way"], named)
        await connection.execute(_SQL["take_place"], named)


async def known(connection: Connection, partner_ids: Collection[int]) -> set[int]:
    """Those of these partners that have, or have had, a webhook."""
    rows = await connection.fetch(_SQL["known"], list(partner_ids))
    return {row["partner_id"] for row in rows}


async def sendable(connection: Connection, coupon_ids: Sequence[str]) -> list[asyncpg.Record]:
    """(id, partner_id, customer_no, issued_at, type) of those whose codes are to come, in this order."""
    return await connection.fetch(_SQL["sendable"], list(coupon_ids))


async def cancellable(connection: Connection, coupon_ids: Collection[str]) -> list[asyncpg.Record]:
    """(id, partner_id, customer_no, type) of those that a partner's system may know of."""
    return await connection.fetch(_SQL["cancellable"], list(coupon_ids))


async def owners_of_told(connection: Connection, coupon_ids: Collection[str]) -> set[int]:
    """The customers of those of these coupons that have a delivery."""
    rows = await connection.fetch(_SQL["owners_of_told"], list(coupon_ids))
    return {row["customer_no"] for row in rows}


async def enqueue(connection: Connection, told: Sequence[DeliveryRow]) -> int:
    """Put them into their lines, which are held, those that are not there; how many were new."""
    if not told:
        return 0
    new = await connection.fetch(_SQL["enqueue"], *columns_of(told))
    await served(connection, {row["customer_no"] for row in new})
    return len(new)


async def waiting_partners(connection: Connection, offset: timedelta) -> list[asyncpg.Record]:
    """(partner_id, due_at, now) of partners that have something to be begun, now or later."""
    return await connection.fetch(_SQL["waiting_partners"], offset)


async def due(
    connection: Connection, most: Mapping[int, int], at: datetime
) -> list[asyncpg.Record]:
    """What is due of these partners, up to so many of each, held until the commit."""
    return await connection.fetch(_SQL["due"], list(most), list(most.values()), at)


async def begin(
    connection: Connection, begun: Sequence[tuple[str, str, bool]], at: datetime
) -> None:
    """An attempt at each of these is under way, or (False) is none: its coupon was over before."""
    if begun:
        await connection.execute(_SQL["begin"], *columns_of(begun), at)


async def put_back(connection: Connection, named: Sequence[Named]) -> None:
    """Hold these, of which no attempt was made."""
    if named:
        await connection.execute(_SQL["put_back"], *columns_of(named))


async def under_way(connection: Connection) -> list[asyncpg.Record]:
    """What somebody has begun and not ended."""
    return await connection.fetch(_SQL["under_way"])


async def still_under_way(
    connection: Connection, attempts: Sequence[tuple[str, str, int]]
) -> set[Named]:
    """Those of these attempts (coupon id, kind, number) that nobody else has ended; their lines are held."""
    rows = await connection.fetch(_SQL["still_under_way"], *columns_of(attempts))
    return {(str(row["coupon_id"]), row["kind"]) for row in rows}


async def end_attempts(
    connection: Connection,
    endings: Sequence[Ending],
    rows: Sequence[AttemptRow],
    at: datetime,
) -> dict[Named, str]:
    """What became of these, whose lines are held: the status of each that was still under way. Keeps how those went."""
    ended = await connection.fetch(
        _SQL["end_attempts"],
        *columns_of([ending[:4] for ending in endings]),
        at,
        [ending.pause for ending in endings],
    )
    known = {(str(row["coupon_id"]), row["kind"]): row["status"] for row in ended}
    kept = [row for row in rows if (row.coupon_id, row.kind) in known]
    if kept:
        await connection.execute(_SQL["keep_attempts"], *columns_of(kept))
    return known


async def settle_partner(
    connection: Connection, partner_id: int, webhook: Webhook | None, at: datetime
) -> bool:
    """Hold or let go what the configuration of now says, of some customers; False: there were none."""
    sends = sorted(webhook.sends) if webhook is not None and webhook.is_active else []
    cancels = webhook is not None and webhook.cancel_url is not None
    asked = (partner_id, sends, cancels)
    rows = await connection.fetch(_SQL["to_settle"], *asked, SETTLED_AT_ONCE)
    customers = [row["customer_no"] for row in rows]
    if not customers:
        return False
    await held(connection, customers, [partner_id])
    await connection.execute(_SQL["settle"], *asked, customers, at)
    await served(connection, customers)
    return True


async def configured(connection: Connection) -> dict[int, int]:
    """At which revision the program is of each partner that ever had a webhook."""
    return {
        row["partner_id"]: row["revision"] for row in await connection.fetch(_SQL["configured"])
    }


async def figures(connection: Connection, offset: timedelta) -> tuple[int, float]:
    """How many are pending, counted up to `MOST_COUNTED`, and how old the first of those is, in seconds."""
    (row,) = await connection.fetch(_SQL["figures"], MOST_COUNTED, offset)
    return row["pending"], row["oldest_seconds"]


async def delivery(connection: Connection, coupon_id: str, kind: str) -> asyncpg.Record | None:
    """One of them, with its coupon's owner and code."""
    rows = await connection.fetch(_SQL["delivery"], coupon_id, kind)
    return rows[0] if rows else None


async def queue_again(
    connection: Connection, found: asyncpg.Record, coupon_id: str, at: datetime
) -> None:
    """Send this one again, now; one that is under way goes on."""
    await held(connection, [found["customer_no"]], [found["partner_id"]])
    await connection.execute(_SQL["queue_again"], coupon_id, found["kind"], at)
    await served(connection, [found["customer_no"]])


async def redrive(
    connection: Connection,
    partner_id: int,
    webhook: Webhook | None,
    begin_at: datetime,
    end_at: datetime,
    at: datetime,
) -> int:
    """Queue what is dead, and what nobody was ever told of, of coupons issued between these; how many."""
    sends = sorted(SENDABLE if webhook is None else webhook.sends)
    status = "pending" if webhook is not None and webhook.is_active else "held"
    await connection.execute(_SQL["lock_all_lines"], partner_id)
    again = await connection.fetch(_SQL["revive"], partner_id, begin_at, end_at, status, at)
    new = await connection.fetch(
        _SQL["enqueue_untold"], partner_id, begin_at, end_at, sends, status, at
    )
    await served(connection, {row["customer_no"] for row in (*again, *new)})
    return len(again) + len(new)


async def take_code(connection: Connection, coupon_id: str, at: datetime) -> None:
    """Its code has come by another way: it is delivered, and its line, which is held, goes on."""
    await connection.execute(_SQL["take_code"], coupon_id, at)


async def codes_taken(
    connection: Connection,
    given: Sequence[tuple[str, int, str]],
    read: Sequence[tuple[str, str] | None],
) -> set[int]:
    """Which of these codes (coupon id, partner id, code) are somebody's already, by index.

    `read`: each as a code of ours, prefix and code, if it can be one.
    """
    own = [(number, *one) for number, one in enumerate(read) if one is not None]
    rows = await connection.fetch(_SQL["taken_as_written"], *columns_of(given)) if given else []
    found = {row["place"] - 1 for row in rows}
    if own:
        numbers, prefixes, codes = columns_of(own)
        ids = [given[number][0] for number in numbers]
        rows = await connection.fetch(_SQL["reads_as_own"], ids, prefixes, codes)
        found |= {numbers[row["place"] - 1] for row in rows}
    return found


async def give_codes(connection: Connection, codes: Sequence[tuple[str, str]]) -> set[str]:
    """Give coupons their codes (coupon id, code); those that had none yet."""
    rows = await connection.fetch(_SQL["give_codes"], *columns_of(codes)) if codes else []
    return {str(row["id"]) for row in rows}
