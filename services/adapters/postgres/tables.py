"""Rows into tables: a table's columns are the fields of its row's type, and nowhere else.

Rows are named tuples.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

import asyncpg

from services.adapters.postgres.pool import SCHEMA, Connection


async def add(
    connection: Connection, table: str, rows: Sequence[Any], *, by_copy: bool = True
) -> None:
    """New rows, all of one type. `by_copy=False` for a role under row-level security: Postgres refuses it COPY.

    Workers are under it too, where nobody could make a role that is not: their session knows.
    """
    if not rows:
        return
    columns: tuple[str, ...] = rows[0]._fields
    if by_copy and getattr(connection, "may_copy", True):
        # Plain tuples: encoding reads fields of a named one at half the speed.
        await connection.copy_records_to_table(
            table, schema_name=SCHEMA, columns=columns, records=map(tuple, rows)
        )
        return
    names = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    await connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({values})", rows)  # noqa: S608 - names are ours


def columns_of(rows: Collection[Sequence[Any]]) -> list[list[Any]]:
    """The same values column by column, as a statement over `unnest` takes them; at least one row.

    A column without a value is empty, which `unnest` fills up: each item of an array takes a microsecond to send.
    """
    empty = len(rows)
    return [
        [] if column.count(None) == empty else list(column) for column in zip(*rows, strict=True)
    ]


@lru_cache(maxsize=1024)
def text_of_array(values: frozenset[int] | frozenset[str]) -> str:
    """Their array, in ascending order, as Postgres writes one: asked of few, by the thousand."""
    texts = (str(each).replace("\\", r"\\").replace('"', r"\"") for each in sorted(values))
    return "{" + ",".join([f'"{each}"' for each in texts]) + "}"


async def fetch_by(
    connection: Connection, query: str, keys: Collection[tuple[Any, ...]]
) -> list[asyncpg.Record]:
    """Rows of a query whose arguments are the columns of these keys; nothing to ask costs nothing."""
    return await connection.fetch(query, *columns_of(sorted(keys))) if keys else []
