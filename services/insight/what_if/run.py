"""From what was asked to what came of it: one pass over history, in one read-only snapshot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from services.adapters.postgres.catalogue import PRODUCTS, unknown_entries
from services.adapters.postgres.games import stored_game
from services.insight.what_if.changes import checked
from services.insight.what_if.comparing import Change, Comparison, Days, recorded_answer
from services.insight.what_if.history import (
    CHUNK,
    customer_ids,
    events_decided,
    game_row,
    history,
    products_by_sku,
    versions_of,
)
from services.insight.what_if.products import Orders, read_orders
from services.insight.what_if.report import Asked
from services.insight.what_if.rules import Rules, rules_of
from services.insight.what_if.world import World
from services.runtime.settings import Settings
from services.terminal.output import CommandError, progress
from services.terminal.pace import PROGRESS_SECONDS, Tick


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The rules in both worlds, and what was counted."""

    asked: Asked
    comparison: Comparison
    orders: Orders


async def what_if(
    settings: Settings,
    connection: asyncpg.Connection,
    game_id: int,
    changes: Mapping[str, Any],
    *,
    since: datetime | None,
    to: datetime | None,
) -> Tried:
    """Decide the game's history again. Inside a read-only transaction. Raises CommandError, one line."""
    row = await game_row(connection, game_id)
    if row is None:
        raise CommandError(f"game {game_id} does not exist: see `couponry games list`")
    partner_id, zone = row["partner_id"], row["time_zone"]
    values = checked(changes, stored_game(row).definition)
    products = values.get("product_ids", ())
    if unknown := await unknown_entries(connection, PRODUCTS, partner_id, products):
        raise CommandError(f"--set product_ids: product {min(unknown)} does not exist")
    versions = await versions_of(connection, game_id)
    recorded = rules_of(game_id, versions, {}, time_zone=zone)
    changed = rules_of(game_id, versions, values, time_zone=zone, since=since)
    orders = Orders()
    if values and changed.products:
        of_skus = await products_by_sku(connection, partner_id, changed.products)
        orders = await read_orders(settings, partner_id, changed.products, of_skus)
    tried = Tried(
        asked=Asked(
            game_id=game_id,
            partner_id=partner_id,
            time_zone=zone,
            changes=values,
            since=since,
            to=to,
        ),
        comparison=Comparison(days=Days(zone)),
        orders=orders,
    )
    await _run(connection, tried, recorded, changed)
    return tried


async def _run(
    connection: asyncpg.Connection, tried: Tried, recorded: Rules, changed: Rules
) -> None:
    """Decide everything. The recorded rules run too where they are asked for: as a check, or for the orders."""
    asked, comparison = tried.asked, tried.comparison
    with_orders = recorded.stamps or changed.stamps
    as_was = World(recorded, asked.partner_id, tried.orders.recorded)
    as_changed = World(changed, asked.partner_id, tried.orders.changed)
    check = with_orders or not asked.changes
    orders_of = asked.partner_id if with_orders else None
    telling, read = Tick(PROGRESS_SECONDS), 0
    async for batch in history(connection, asked.game_id, to=asked.to, orders_of=orders_of):
        for happened in batch:
            again = as_was.decide(happened) if check else None
            after = as_changed.decide(happened) if asked.changes else again
            if asked.since is not None and happened.decided_at < asked.since:
                continue
            before = recorded_answer(happened, again)
            assert after is not None
            comparison.add(happened, before, after)
            if again is not None and again != before:
                comparison.mismatch(happened, again)
        read += len(batch)
        if telling.is_due():
            progress(f"what-if: {read:,} decisions so far")


async def named(
    connection: asyncpg.Connection, changes: Sequence[tuple[int, Change]]
) -> AsyncIterator[list[tuple[str, Change]]]:
    """The same by the customers' ids, in chunks."""
    start = 0
    async for ids in customer_ids(connection, [number for number, _ in changes]):
        yield [(ids[number], change) for number, change in changes[start : start + CHUNK]]
        start += CHUNK


async def mismatches(
    connection: asyncpg.Connection, comparison: Comparison
) -> list[dict[str, Any]]:
    """The first decisions that the recorded rules do not reproduce: which event, what stands there, what came out."""
    decisions = [(one.happened.customer_no, one.happened.seq) for one in comparison.mismatches]
    events = await events_decided(connection, decisions) if decisions else {}
    shown = []
    for happened, decided in comparison.mismatches:
        before = recorded_answer(happened, decided)
        shown.append(
            {
                **events[happened.seq],
                "decided_at": happened.decided_at,
                "recorded": before._asdict(),
                "decided": decided._asdict(),
            }
        )
    return shown
