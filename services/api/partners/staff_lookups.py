"""Coupons as staff look them up: by id, by code, with history; each as it stands at this instant.

What time has done to a coupon counts here although nobody may have recorded it yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from unicodedata import normalize
from uuid import UUID

import asyncpg

from services.adapters.postgres.coupons import coupon_from
from services.adapters.postgres.queries import queries
from services.api.edge.problems import invalid, not_found
from services.api.edge.tenant import lent
from services.domain.coupons.codes import parse
from services.domain.coupons.coupon import Coupon
from services.domain.coupons.lifecycle import settle
from services.domain.terms import Terms

FOREIGN_SHOP: Final = {"shop_id": ["Must be the id of one of your shops"]}
LONGEST_PREFIX: Final = 12
TIME: Final = "time"
"""The actor of what has come about by itself and is not recorded yet."""

_SQL = queries("staff", __package__)
_words = re.compile(r"[^!-,./:-@\[-`{-~]+").findall
"""What stands between the marks of links, JSON and the like; a dash is none of them."""
_is_id = re.compile(r"[1-9][0-9]{0,18}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A coupon as it stands at `at`; `stored` is what is recorded of it."""

    stored: Coupon
    coupon: Coupon
    customer_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInGame(Found):
    """With what it is good for. `product_ids` are those that it is for, if it names any.

    Of a coupon that no game issued its terms say it: it has no name and no description.
    """

    game_name: str | None
    reward_description: str | None
    product_ids: tuple[int, ...]


def code_in(text: str) -> tuple[str, str] | None:
    """`(prefix, code)` of a typed or scanned text: its first word that can be a code of ours, else the whole of it."""
    for word in (*_words(normalize("NFKC", text)), text):
        read = parse(word)
        if read is not None and len(read[0]) <= LONGEST_PREFIX:
            return read
    return None


async def by_id(
    connection: asyncpg.Connection,
    coupon_id: UUID | str,
    clock_offset: timedelta,
    shop_id: int | None = None,
) -> FoundInGame:
    """The partner's coupon. Raises Problem 404, and 422 for a shop that is not the partner's."""
    (row,) = await connection.fetch(_SQL["coupon"], coupon_id, shop_id, clock_offset)
    if shop_id is not None and not row["is_own_shop"]:
        raise invalid(FOREIGN_SHOP)
    found = _found_in_game(row)
    if found is None:
        raise not_found("coupon_id")
    return found


async def by_code(
    pool: asyncpg.Pool,
    partner_id: int,
    written: str,
    code: str,
    shop_id: int,
    clock_offset: timedelta,
) -> tuple[FoundInGame, int, int] | None:
    """By a code that the partner brought, as written, else by ours, as read; with its owner's active coupons: how many,
    of how many games. Raises Problem 422 as above.

    Tills ask for this all day, so it is one round trip: the statement sets the partner for itself.
    """
    async with lent(pool, partner_id) as connection:
        row = await connection.fetchrow(
            _SQL["coupon_of_code"], partner_id, written, code, shop_id, clock_offset
        )
    assert row is not None
    if not row["is_own_shop"]:
        raise invalid(FOREIGN_SHOP)
    found = _found_in_game(row)
    return None if found is None else (found, row["coupons"], row["games"])


async def history_of(connection: asyncpg.Connection, found: Found) -> list[Mapping[str, Any]]:
    """Everything that happened to the coupon, its issue first, also what nobody has recorded yet."""
    rows = await connection.fetch(_SQL["history"], found.stored.id)
    unrecorded = [
        {
            "word": change.step, "status": change.coupon.status, "at": change.at, "actor": TIME,
            "reason": change.reason, "shop_id": None, "order_id": None,
        }
        for change in settle(found.stored, found.at).effects
    ]  # fmt: skip
    return [*map(dict, rows), *unrecorded]


def found_in(row: asyncpg.Record) -> Found:
    """The coupon in a row with its columns, `customer_id` and `at`."""
    stored = coupon_from(row)
    return Found(
        stored=stored,
        coupon=settle(stored, row["at"]).coupon,
        customer_id=row["customer_id"],
        at=row["at"],
    )


def _found_in_game(row: asyncpg.Record) -> FoundInGame | None:
    if row["id"] is None:
        return None
    stored = coupon_from(row)
    return FoundInGame(
        stored=stored,
        coupon=settle(stored, row["at"]).coupon,
        customer_id=row["customer_id"],
        at=row["at"],
        game_name=row["name"],
        reward_description=row["reward_description"],
        product_ids=_products_of(stored.terms) if stored.terms else tuple(row["product_ids"]),
    )


def _products_of(terms: Terms) -> tuple[int, ...]:
    """Ids of products that terms name; none where they name anything else too, which no id can be held against."""
    ids = tuple(int(each) for each in terms.product_ids if _is_id(each))
    return ids if len(ids) == len(terms.product_ids) and not terms.collection_ids else ()
