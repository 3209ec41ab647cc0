"""Typed rows against what they are written into: the table's columns, or the query that takes them by position."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module
from typing import Any, NamedTuple

import asyncpg
import pytest

from services.adapters import postgres
from services.adapters.postgres.birthdays import BirthdayRow
from services.adapters.postgres.cards import LoyaltyCardRow
from services.adapters.postgres.closed_orders import ReversedOrderRow
from services.adapters.postgres.coupons import CouponChange, CouponRow, HistoryRow
from services.adapters.postgres.dead_letters import LetterRow
from services.adapters.postgres.deliveries import AttemptRow, DeliveryRow, Ending
from services.adapters.postgres.games import GameRow
from services.adapters.postgres.groups import GivenCode
from services.adapters.postgres.inbox import DecisionRow
from services.adapters.postgres.outbox import OutboxRow
from services.adapters.postgres.points import BookingRow, EntryRow, LotRow, WalletRow
from services.adapters.postgres.pools import PoolCodeRow
from services.adapters.postgres.profiles import ProfileRow
from services.adapters.postgres.purchases import (
    PurchaseRow,
    RefundBefore,
    RefundRow,
    UseBack,
    UseRow,
)
from services.adapters.postgres.queries import queries
from services.adapters.postgres.stamps import CardRow, StampBack, StampRow
from services.adapters.postgres.tables import text_of_array


class Table(NamedTuple):
    """A row's table, and the columns of it that somebody else fills."""

    name: str
    row: Any
    others: set[str]


TABLES = [
    Table("decisions", DecisionRow, {"seq"}),
    Table(
        "coupons",
        CouponRow,
        {"status", "steps", "reserved_until", "reserved_shop_id", "redeemed_at", "redeemed_order_id", "mended_at", "used_count"},
    ),
    Table("coupon_history", HistoryRow, set()),
    Table("order_stamps", StampRow, {"taken_back"}),
    Table("reversed_orders", ReversedOrderRow, set()),
    Table("stamp_cards", CardRow, set()),
    Table("dead_letters", LetterRow, {"id", "state", "attempts", "created_at", "closed_at", "emptied_at"}),
    Table("cards", LoyaltyCardRow, {"id", "partner_id", "created_at", "updated_at", "deleted_at"}),
    Table("profiles", ProfileRow, set()),
    Table("birthdays", BirthdayRow, set()),
    Table("wallets", WalletRow, set()),
    Table("ledger", EntryRow, {"id"}),
    Table("lots", LotRow, set()),
    Table("manual_transactions", BookingRow, set()),
    Table("purchases", PurchaseRow, set()),
    Table("refunds_before", RefundBefore, set()),
    Table("coupon_uses", UseRow, {"given_back"}),
    Table("pool_codes", PoolCodeRow, {"number", "coupon_id"}),
    Table(
        "deliveries",
        DeliveryRow,
        {"number", "is_next", "begun_at", "attempts", "tries", "was_sent", "delivered_at"},
    ),
    Table("delivery_attempts", AttemptRow, set()),
    Table("outbox", OutboxRow, {"id", "queued_at", "refused"}),
    Table("games", GameRow, {"id", "partner_id", "version", "quota_epoch", "created_at", "updated_at"}),
]  # fmt: skip

CHANGES: list[tuple[Any, str, str, set[str]]] = [
    # row           file       query               names of its arguments that are not columns
    (CouponChange,  "coupons", "change_coupons",   {"steps_seen"}),
    (StampBack,     "stamps",  "take_stamps_back", set()),
    (RefundRow,     "purchases", "note_refunds",   set()),
    (UseBack,       "purchases", "give_uses_back", set()),
    (GivenCode,     "groups",  "give_codes",       set()),
    (Ending,        "deliveries", "end_attempts",  {"pause"}),
]  # fmt: skip
"""Rows that change what is there: the query names its arguments."""

INSERTS: list[tuple[Any, str, str, int]] = [
    # row        file      query               arguments before the row's
    (CardRow,    "stamps", "put_cards",         0),
    (GameRow,    "games",  "insert_game",       2),
    (LetterRow,  "dead_letters", "bury",        0),
    (LoyaltyCardRow, "cards", "insert_card",    1),
    (ProfileRow, "profiles", "put_profile",     0),
    (WalletRow,  "points", "put_wallets",       0),
    (RefundBefore, "purchases", "put_refunds_before", 0),
    (UseRow,     "purchases", "put_uses",       0),
    (DeliveryRow, "deliveries", "enqueue",      0),
    (AttemptRow, "deliveries", "keep_attempts", 0),
]  # fmt: skip
"""Rows whose query adds them, by a list of columns."""

AS_TEXT = {"granted_ids", "granted_names"}
"""Columns of arrays that a query over arrays takes as their text, and casts."""


async def columns_of(connection: asyncpg.Connection, table: str) -> dict[str, str]:
    """Name → type, in the table's order; of an array the type of what is in it."""
    rows = await connection.fetch(
        "SELECT column_name, udt_name FROM information_schema.columns"
        " WHERE table_schema = 'couponry' AND table_name = $1 ORDER BY ordinal_position",
        table,
    )
    return {row["column_name"]: row["udt_name"].removeprefix("_") for row in rows}


def words(text: str) -> list[str]:
    """The names in a list of columns."""
    return re.findall(r"\w+", text)


async def types_of(connection: asyncpg.Connection, query: str) -> list[str]:
    """The types of a query's arguments, in the same words."""
    statement = await connection.prepare(query)
    return [parameter.name.removesuffix("[]") for parameter in statement.get_parameters()]


async def test_row_has_the_columns_of_its_table(owner: asyncpg.Connection) -> None:
    """A column that a migration adds is in the row, or it is said here that somebody else fills it."""
    for table, row, others in TABLES:
        assert (table, set(row._fields)) == (table, set(await columns_of(owner, table)) - others)


async def test_insert_takes_its_row_in_order(owner: asyncpg.Connection) -> None:
    """Its list of columns is the row's fields, in that order; arguments by type as the columns are."""
    for row, file, query, before in INSERTS:
        text = queries(file)[query]
        (found,) = re.findall(r"INSERT INTO (\w+)(?: AS known)? \(([^)]+)\)", text)
        table, listed = found
        assert (query, words(listed)[before:]) == (query, list(row._fields))
        columns = await columns_of(owner, table)
        taken = (await types_of(owner, text))[before : before + len(row._fields)]
        wanted = ["text" if name in AS_TEXT else columns[name] for name in row._fields]
        assert (query, taken) == (query, wanted)


async def test_change_takes_its_row_in_order(owner: asyncpg.Connection) -> None:
    """The names of its arguments are the row's fields, in that order, and each is used; what is set is a column."""
    for row, file, query, others in CHANGES:
        text = queries(file)[query]
        (named,) = re.findall(r"AS n \(([^)]+)\)", text)
        assert (query, words(named)) == (query, list(row._fields))
        used = set(re.findall(r"\bn\.(\w+)", text))
        assert (query, used) == (query, set(row._fields))
        table = re.findall(r"^ *UPDATE (\w+)", text, re.MULTILINE)[0]
        assert used - others <= (await columns_of(owner, table)).keys(), query


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        (frozenset[int](), []),
        (frozenset({30, 4}), ["4", "30"]),
        (frozenset({'Gold "A"', "a\\b", "{x,y}", "NULL", "", " "}), ["", " ", 'Gold "A"', "NULL", "a\\b", "{x,y}"]),
    ],
)  # fmt: skip
async def test_text_of_an_array_is_that_array(
    owner: asyncpg.Connection, values: frozenset[Any], stored: list[str]
) -> None:
    """Whatever is in its texts: quotes, braces, commas, backslashes, what Postgres takes for nothing."""
    found = await owner.fetchval("SELECT $1::text::text[]", text_of_array(values))
    assert found == stored


def test_change_of_a_game_sets_every_field() -> None:
    """`update_game` sets each field of the row by its number, after the id."""
    (listed,) = re.findall(r"SET (.*?)\nWHERE", queries("games")["update_game"], re.DOTALL)
    expected = [(name, str(number)) for number, name in enumerate(GameRow._fields, start=2)]
    assert re.findall(r"(\w+) = \$(\d+)", listed) == expected


def test_every_typed_row_is_held_against_its_table() -> None:
    """A row of a new table, or of a new query, must be put into the tables above."""
    rows = {
        value
        for module in pkgutil.iter_modules(postgres.__path__)
        for value in vars(import_module(f"{postgres.__name__}.{module.name}")).values()
        if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields")
    }
    assert rows == {table.row for table in TABLES} | {row for row, *_ in CHANGES}
