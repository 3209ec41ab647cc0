"""Store a partner's program: its sections as they are written, and every version that there was.

What the sections say to the rules is `stored_program`'s to tell.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
import orjson

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries

ONE_FREE_SHIPPING_RULE: Final = "a_partner_has_one_free_shipping_rule"
"""The constraint on what is saved."""
_SQL = queries("programs")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProgram:
    """A program as it is in the database. `revision` moves with all that the rules see, `version` once anything is set.

    `cards`: JSON of the partner's cards, as text, since its numbers are exact. `default_rule_id` is kept for the
    default rule of redemption until a section says one; None: for nobody. `has_had_webhook`: at some time.
    """

    partner_id: int
    version: int
    revision: int
    sections: dict[str, Any]
    cards: str
    time_zone: str
    default_rule_id: int | None = None
    has_had_webhook: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionMade:
    """When a version came to be, by whom, and which sections it changed; or `cards`, or `time_zone`."""

    version: int
    at: datetime
    actor: str
    changed: list[str]


async def stored_programs(
    connection: Connection, partner_ids: Collection[int]
) -> dict[int, StoredProgram]:
    """By partner, of those that exist."""
    rows = await connection.fetch(_SQL["programs"], sorted(partner_ids)) if partner_ids else []
    return {row["partner_id"]: _stored(row) for row in rows}


async def revision_of(connection: Connection, partner_id: int) -> int | None:
    """At which revision its program is, or None for nobody's."""
    revision: int | None = await connection.fetchval(_SQL["revision_of"], partner_id)
    return revision


async def currency_of(connection: Connection, partner_id: int) -> str | None:
    """What it counts in; None: any currency, at par."""
    found: str | None = await connection.fetchval(_SQL["currency_of"], partner_id)
    return found


async def lock_program(connection: Connection, partner_id: int) -> int | None:
    """Keep it as it is until the commit; its revision, or None for nobody's."""
    revision: int | None = await connection.fetchval(_SQL["lock_program"], partner_id)
    return revision


async def new_item_ids(connection: Connection, number: int) -> list[int]:
    """So many ids, each given once."""
    rows = await connection.fetch(_SQL["program_item_ids"], number) if number else []
    return [row["id"] for row in rows]


async def save_program(
    connection: Connection,
    partner_id: int,
    sections: Mapping[str, Any],
    *,
    actor: str,
    changed: Sequence[str],
) -> int:
    """Its next version, under the lock; the number of it."""
    version: int = await connection.fetchval(
        _SQL["save_program"], partner_id, orjson.dumps(sections).decode(), actor, list(changed)
    )
    return version


async def program_version(
    connection: Connection, partner_id: int, version: int
) -> StoredProgram | None:
    """A program as it was at that version, or None: there is no such version."""
    rows = await connection.fetch(_SQL["program_version"], partner_id, version)
    return _stored(rows[0]) if rows else None


async def program_versions(connection: Connection, partner_id: int) -> list[VersionMade]:
    """All of its versions, the oldest first; none of a program that was never set."""
    rows = await connection.fetch(_SQL["program_versions"], partner_id)
    return [VersionMade(**row) for row in rows]


async def rules_since(connection: Connection, partner_id: int) -> dict[int, datetime]:
    """Since when there has been a redemption rule of each id, gone ones among them."""
    rows = await connection.fetch(_SQL["rules_since"], partner_id)
    return {row["id"]: row["at"] for row in rows}


def _stored(row: asyncpg.Record) -> StoredProgram:
    return StoredProgram(**{**row, "sections": orjson.loads(row["sections"])})
