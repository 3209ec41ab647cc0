"""Coupons in the database: new ones, their steps, and the look-ups that decisions begin with.

Owners' rows are locked by whoever calls, so nothing changes between looking and writing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg

from services.adapters.postgres.coupon_terms import terms_of
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import columns_of, fetch_by
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.coupons.issuing import Draw
from services.domain.origins import Source, SourceKind

_SQL = queries("coupons")

DRAWN_ONCE = ("code_is_unique", "coupon_id_is_unique")
"""Constraints that a draw can break."""
# A look-up instead of a call of the enum: a row is read for every code of an order.
_STATUS = {status.value: status for status in CouponStatus}

FROM_POOL = "pool"
"""Where a code comes from that a group had before the coupon was issued; one of ours too."""
FROM_WEBHOOK = "webhook"
"""Where one comes from that the partner's own system gave since."""


class CouponRow(NamedTuple):
    """A row of `coupons` as it begins: a game's, or one with a source and terms."""

    id: str
    event_key: str
    partner_id: int
    game_id: int | None
    customer_no: int
    issued_at: datetime
    expires_at: datetime | None
    notice_at: datetime | None
    rule_version: int | None
    rule_validity_days: int | None
    rule_allow_multiple: bool | None
    holds_single_place: bool
    code: str
    code_prefix: str
    source_kind: str | None = None
    source_id: str | None = None
    terms: str | None = None
    program_version: int | None = None
    external_code: str | None = None
    code_from: str | None = None
    code_pending: bool = False


class HistoryRow(NamedTuple):
    """A row of `coupon_history`: one step."""

    coupon_id: str
    step: int
    partner_id: int
    at: datetime
    event_key: str | None
    shop_id: int | None
    order_id: str | None
    word: str
    was: str
    status: str
    actor: str
    reason: str | None


class CouponChange(NamedTuple):
    """A coupon as it stands after its last step; `steps_seen` is how long its history was when it was read.

    Fields as in the query `change_coupons`.
    """

    id: str
    steps_seen: int
    status: CouponStatus
    steps: int
    reserved_until: datetime | None
    reserved_shop_id: int | None
    redeemed_at: datetime | None
    redeemed_order_id: str | None
    holds_single_place: bool
    notice_at: datetime | None
    used_count: int


def change_of(coupon: Coupon, steps_seen: int) -> CouponChange:
    """What is stored of a coupon once it has changed."""
    return CouponChange(
        coupon.id, steps_seen, coupon.status, coupon.steps, coupon.reserved_until,
        coupon.reserved_shop_id, coupon.redeemed_at, coupon.redeemed_order_id,
        coupon.holds_single_place, coupon.notice_at, coupon.used_count,
    )  # fmt: skip


async def change(connection: Connection, changes: Sequence[CouponChange]) -> None:
    """Bring coupons to their new state. Raises LostRace if somebody else took a step on one meanwhile."""
    if not changes:
        return
    done = await connection.fetch(_SQL["change_coupons"], *columns_of(changes))
    if len(done) != len(changes):
        raise LostRace("somebody else took a step on a coupon of this batch")


async def holders(
    connection: Connection, places: Collection[tuple[int, int]]
) -> list[asyncpg.Record]:
    """Coupons that hold these places, by (customer number, game id)."""
    return await fetch_by(connection, _SQL["single_coupons"], places)


async def of_codes(
    connection: Connection, codes: Collection[str], written: Collection[tuple[int, str]] = ()
) -> list[asyncpg.Record]:
    """Coupons of these stored codes, or of codes that partners bring, by (partner id, as written); whoever owns them.

    One that is named both ways comes twice.
    """
    if not codes and not written:
        return []
    partners, texts = columns_of(sorted(written)) if written else ([], [])
    return await connection.fetch(_SQL["coupons_of_codes"], sorted(codes), partners, texts)


async def used_by_orders(
    connection: Connection, orders: Collection[tuple[int, str]]
) -> list[asyncpg.Record]:
    """Coupons that these orders have redeemed, by (customer number, order id)."""
    return await fetch_by(connection, _SQL["coupons_of_orders"], orders)


async def past_issues(
    connection: Connection, wanted: Collection[tuple[int, int, int]]
) -> list[asyncpg.Record]:
    """Instants of the newest issues by (customer number, game id, how many)."""
    return await fetch_by(connection, _SQL["past_issues"], wanted)


async def with_owners(connection: Connection, ids: Collection[object]) -> list[asyncpg.Record]:
    """These coupons as they are now, with whose they are, in the order of their ids."""
    return await connection.fetch(_SQL["coupons"], list(ids))


async def bought(
    connection: Connection, coupons: Collection[tuple[int, str]]
) -> list[asyncpg.Record]:
    """Coupons by (customer number, id), each with the `takes` of its redemption; None of one that was no such."""
    return await fetch_by(connection, _SQL["bought"], coupons)


BEGINNING = datetime.min.replace(tzinfo=UTC)
"""Before all that is due."""


async def due(
    connection: Connection,
    at: datetime,
    limit: int,
    without: Collection[str] = (),
    floor: datetime = BEGINNING,
) -> list[asyncpg.Record]:
    """(id, partner id, customer id, first_at) of coupons that time has changed; nobody else has locked their customers.

    Of the first ones due at `floor` or later, which were due from `first_at` on.
    """
    return await connection.fetch(_SQL["due"], at, limit, list(without), floor)


async def lapsed_of_games(
    connection: Connection, game_ids: Collection[int], at: datetime, limit: int
) -> list[asyncpg.Record]:
    """The same of up to `limit` open coupons of these games that are over at the instant; nothing is locked."""
    return await connection.fetch(_SQL["lapsed_of_games"], list(game_ids), at, limit)


def coupon_from(row: asyncpg.Record) -> Coupon:
    """A coupon from a row that has its columns; those of terms may be missing where only games' coupons are."""
    terms = row.get("terms")
    return Coupon(
        id=str(row["id"]),
        code=row["code"],
        code_prefix=row["code_prefix"],
        game_id=row["game_id"],
        status=_STATUS[row["status"]],
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
        holds_single_place=row["holds_single_place"],
        steps=row["steps"],
        notice_at=row["notice_at"],
        reserved_until=row["reserved_until"],
        reserved_shop_id=row["reserved_shop_id"],
        redeemed_at=row["redeemed_at"],
        redeemed_order_id=row["redeemed_order_id"],
        source=None if terms is None else Source(SourceKind(row["source_kind"]), row["source_id"]),
        terms=None if terms is None else terms_of(terms),
        program_version=None if terms is None else row["program_version"],
        used_count=0 if terms is None else row["used_count"],
        external_code=None if terms is None else row.get("external_code"),
        code_is_pending=terms is not None and row["code_pending"],
        is_delivered=row.get("code_from") == FROM_WEBHOOK,
    )


async def taken(connection: Connection, draws: Collection[Draw]) -> set[Draw]:
    """Those of the draws whose id or code a coupon has already."""
    rows = await connection.fetch(
        _SQL["taken"], [draw.coupon_id for draw in draws], [draw.code for draw in draws]
    )
    ids, codes = {str(row["id"]) for row in rows}, {row["code"] for row in rows}
    return {draw for draw in draws if draw.coupon_id in ids or draw.code in codes}
