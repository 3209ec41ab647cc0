"""Who customers are, in the database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import NamedTuple

import asyncpg
import orjson

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import fetch_by
from services.domain.exact import text_of
from services.domain.profiles import Profile

_SQL = queries("profiles")


class ProfileRow(NamedTuple):
    """A row of `profiles`. Fields as in the query `put_profile`.

    `referral_key` is the event that has just completed the referral, `birthday_at` counts where the day is a new one.
    """

    customer_no: int
    partner_id: int
    registered_at: datetime | None
    tags: list[str]
    birthday: date | None
    locale: str | None
    attributes: str
    referred_by: str | None
    referral_key: str | None
    card_id: int | None
    card_since: datetime | None
    bonus_cards: list[int]
    birthday_at: datetime | None


def profile_row(
    profile: Profile,
    *,
    customer_no: int,
    partner_id: int,
    referral_key: str | None,
    birthday_at: datetime | None,
) -> ProfileRow:
    """The whole of a profile as it is stored."""
    return ProfileRow(
        customer_no, partner_id, profile.registered_at, sorted(profile.tags), profile.birthday,
        profile.locale, orjson.dumps(profile.attributes, default=text_of).decode(), profile.referred_by,
        referral_key, profile.card_id, profile.card_since, sorted(profile.bonus_cards), birthday_at,
    )  # fmt: skip


def profile_from(row: asyncpg.Record) -> Profile:
    """A profile from a row that has its columns."""
    return Profile(
        registered_at=row["registered_at"],
        tags=frozenset(row["tags"]),
        birthday=row["birthday"],
        locale=row["locale"],
        attributes=orjson.loads(row["attributes"]),
        referred_by=row["referred_by"],
        referral_done=row["referral_key"] is not None,
        card_id=row["card_id"],
        card_since=row["card_since"],
        bonus_cards=frozenset(row["bonus_cards"]),
    )


async def of_customers(connection: Connection, numbers: Collection[int]) -> list[asyncpg.Record]:
    """The profiles of customers of these numbers that have one."""
    return await connection.fetch(_SQL["profiles"], sorted(numbers)) if numbers else []


async def registered_among(
    connection: Connection, customers: Collection[tuple[int, str]]
) -> list[asyncpg.Record]:
    """Those of these customers, by (partner id, customer id), who have registered."""
    return await fetch_by(connection, _SQL["registered"], customers)


async def completed_referrals(
    connection: Connection, friends: Collection[tuple[int, str]]
) -> list[asyncpg.Record]:
    """Whose referral is completed: (partner id, customer id, referred by, referral key)."""
    return await fetch_by(connection, _SQL["completed_referrals"], friends)


async def put(connection: Connection, rows: Collection[ProfileRow]) -> None:
    """The profiles as they stand now."""
    if rows:
        in_order = sorted(rows, key=lambda row: row.customer_no)
        await connection.executemany(_SQL["put_profile"], in_order)
