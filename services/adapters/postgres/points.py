"""Wallets, the ledger and lots in the database; with the wallet what tier and campaigns have come to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import asyncpg
import orjson

from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import columns_of, fetch_by, text_of_array
from services.domain.campaigns import CampaignProgress, Progress
from services.domain.origins import Source, SourceKind
from services.domain.points.wallet import Lot, Post, Take, Wallet
from services.domain.tiers import Standing, TierRef

_SQL = queries("points")


class WalletRow(NamedTuple):
    """A row of `wallets`. Fields as in the query `put_wallets`: what was granted as the text of an array."""

    customer_no: int
    partner_id: int
    entries: int
    balance: int
    owed: int
    points_earned: int
    score: int
    spent: Decimal
    orders: int
    referrals: int
    tier_recorded: bool
    tier_id: int | None
    tier_order: int | None
    tier_name: str | None
    granted_ids: str
    granted_names: str
    campaigns: str


class EntryRow(NamedTuple):
    """A row of `ledger`: an entry, for ever."""

    customer_no: int
    number: int
    partner_id: int
    event_key: str | None
    at: datetime
    kind: str
    source_kind: str
    source_id: str
    points: int
    balance: int
    owed: int
    points_earned: int
    score: int
    spent: Decimal
    orders: int
    referrals: int
    takes: str | None
    order_id: str | None
    base_points: Decimal | None
    factor: Decimal | None
    expires_at: datetime | None
    reason: str | None


class LotRow(NamedTuple):
    """A row of `lots`."""

    customer_no: int
    number: int
    partner_id: int
    source_kind: str
    source_id: str
    earned_at: datetime
    expires_at: datetime | None
    notice_at: datetime | None
    amount: int
    remaining: int
    expired: int


class BookingRow(NamedTuple):
    """A row of `manual_transactions`: what a partner booked by hand, by the partner's own id."""

    partner_id: int
    transaction_id: str
    customer_no: int
    number: int


def wallet_row(
    wallet: Wallet,
    standing: Standing,
    campaigns: CampaignProgress,
    customer_no: int,
    partner_id: int,
) -> WalletRow:
    """What a customer has come to, as it is stored."""
    tier = standing.tier
    progress = [
        f'"{id_}":[{each.achieved},{each.round},{each.steps}]'
        for id_, each in campaigns.by_id.items()
    ]
    return WalletRow(
        customer_no, partner_id, wallet.entries, wallet.balance, wallet.owed, wallet.points_earned,
        wallet.score, wallet.spent, wallet.orders, wallet.referrals, standing.is_recorded,
        tier.id if tier else None, tier.order if tier else None, tier.name if tier else None,
        text_of_array(standing.granted_ids), text_of_array(standing.granted_names),
        f"{{{','.join(progress)}}}",
    )  # fmt: skip


def entry_row(entry: Post, customer_no: int, partner_id: int, event_key: str | None) -> EntryRow:
    """An entry as it is stored."""
    takes, opens = entry.takes, entry.opens
    return EntryRow(
        customer_no, entry.number, partner_id, event_key, entry.at, entry.kind, entry.source.kind,
        entry.source.id, entry.points, entry.balance, entry.owed, entry.points_earned, entry.score,
        entry.spent, entry.orders, entry.referrals, _takes(takes) if takes else None,
        entry.order_id, entry.base_points, entry.factor,
        opens.expires_at if opens is not None else None, entry.reason,
    )  # fmt: skip


def _takes(takes: Iterable[Take]) -> str:
    return orjson.dumps([[take.lot, take.points, take.counted] for take in takes]).decode()


def takes_from(text: str) -> tuple[Take, ...]:
    """What an entry took, from the text that is stored of it."""
    return tuple(Take(*each) for each in orjson.loads(text))


def lot_row(lot: Lot, customer_no: int, partner_id: int, notice_at: datetime | None) -> LotRow:
    """A lot as it is stored. `notice_at` counts where it is a new one."""
    return LotRow(
        customer_no, lot.number, partner_id, lot.source.kind, lot.source.id, lot.earned_at,
        lot.expires_at, notice_at, lot.amount, lot.left, lot.expired,
    )  # fmt: skip


def wallet_from(row: asyncpg.Record, lots: Mapping[int, Lot]) -> Wallet:
    """A wallet from a row that has its columns, with the lots at hand."""
    return Wallet(
        entries=row["entries"],
        balance=row["balance"],
        owed=row["owed"],
        points_earned=row["points_earned"],
        score=row["score"],
        spent=row["spent"],
        orders=row["orders"],
        referrals=row["referrals"],
        lots=lots,
    )


def standing_from(row: asyncpg.Record) -> Standing:
    """The tier recorded last, from the same row."""
    return _standing(
        row["tier_recorded"],
        row["tier_id"],
        row["tier_order"],
        row["tier_name"],
        tuple(row["granted_ids"]),
        tuple(row["granted_names"]),
    )


@lru_cache(maxsize=4096)  # partners have few tiers, and wallets are read by the thousand
def _standing(
    is_recorded: bool,
    id: int | None,
    order: int,
    name: str,
    granted_ids: tuple[int, ...],
    granted_names: tuple[str, ...],
) -> Standing:
    return Standing(
        tier=None if id is None else TierRef(id=id, order=order, name=name),
        is_recorded=is_recorded,
        granted_ids=frozenset(granted_ids),
        granted_names=frozenset(granted_names),
    )


def campaigns_from(row: asyncpg.Record) -> CampaignProgress:
    """Progress in campaigns, from the same row."""
    return _campaigns(row["campaigns"])


@lru_cache(maxsize=4096)  # most customers have come a short way
def _campaigns(text: str) -> CampaignProgress:
    stored: dict[str, list[int]] = orjson.loads(text)
    return CampaignProgress(
        by_id={
            int(id_): Progress(achieved=achieved, round=round_, steps=steps)
            for id_, (achieved, round_, steps) in stored.items()
        }
    )


def lot_from(row: asyncpg.Record) -> Lot:
    """A lot from a row that has its columns."""
    return Lot(
        number=row["number"],
        source=Source(SourceKind(row["source_kind"]), row["source_id"]),
        earned_at=row["earned_at"],
        expires_at=row["expires_at"],
        amount=row["amount"],
        left=row["remaining"],
        expired=row["expired"],
    )


async def wallets_of(connection: Connection, numbers: Collection[int]) -> list[asyncpg.Record]:
    """The wallets of customers of these numbers that have one."""
    return await connection.fetch(_SQL["wallets"], sorted(numbers)) if numbers else []


async def lots_over(
    connection: Connection, customers: Collection[tuple[int, datetime]]
) -> list[asyncpg.Record]:
    """Lots of these customers, by (number, instant), that are over by then and not ended yet."""
    return await fetch_by(connection, _SQL["lots_over"], customers)


async def open_lots(connection: Connection, numbers: Collection[int]) -> list[asyncpg.Record]:
    """All lots of these customers that have something left."""
    return await connection.fetch(_SQL["open_lots"], sorted(numbers)) if numbers else []


async def lots(
    connection: Connection, numbers: Collection[tuple[int, int]]
) -> list[asyncpg.Record]:
    """These lots, by (customer number, lot number), whatever is left of them."""
    return await fetch_by(connection, _SQL["lots"], numbers)


async def put_wallets(connection: Connection, rows: Collection[WalletRow]) -> None:
    """The wallets as they stand now."""
    if rows:
        await connection.execute(_SQL["put_wallets"], *columns_of(sorted(rows)))


async def change_lots(connection: Connection, rows: Collection[LotRow]) -> None:
    """Lots that are there, as they stand now. Raises LostRace of one that is not."""
    if rows:
        kept = [(row.customer_no, row.number, row.remaining, row.expired) for row in rows]
        done = await connection.fetch(_SQL["change_lots"], *columns_of(kept))
        if len(done) != len(kept):
            raise LostRace("a lot that was taken from is not there")


async def is_booked(connection: Connection, partner_id: int, transaction_id: str) -> bool:
    """Whether the partner has booked a transaction of this id."""
    return bool(await connection.fetchval(_SQL["booked"], partner_id, transaction_id))


async def lots_due(
    connection: Connection, at: datetime, limit: int, without: Collection[int], floor: datetime
) -> list[asyncpg.Record]:
    """Customers, locked unless somebody else has, of the first lots due at `floor` or later: over, or to be told of.

    (partner id, customer id, customer number, program version, first_at); but for those numbered in `without`.
    """
    return await connection.fetch(_SQL["lots_due"], at, limit, list(without), floor)


async def due_of(
    connection: Connection, customers: Iterable[tuple[int, datetime]]
) -> list[asyncpg.Record]:
    """Lots of these customers, by (number, instant), that are over by then, or whose notice is due."""
    return await fetch_by(connection, _SQL["due_of"], list(customers))


async def move_notices(
    connection: Connection, rows: Collection[tuple[int, int, datetime | None]]
) -> None:
    """When the next notices of these lots, by (customer number, lot number), are due; None: never."""
    if rows:
        await connection.execute(_SQL["move_notices"], *columns_of(rows))


async def entries_of_events(
    connection: Connection, customer_nos: Collection[int], event_keys: Collection[object]
) -> list[asyncpg.Record]:
    """What these events of these customers wrote into the ledger, in its order, with what it had come to by each."""
    return list(
        await connection.fetch(_SQL["entries_of_events"], list(customer_nos), list(event_keys))
    )
