"""Read a share of what was decided of a partner's events, in one pass, and what of it the world asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

import asyncpg
import orjson

from services.adapters.postgres.coupon_terms import terms_from
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.rules import game_from
from services.domain.coupons.coupon import Step
from services.domain.program import Game
from services.domain.terms import Terms
from services.insight.what_if.program.families import Share
from services.insight.what_if.program.groups import Groups, groups_of

BATCH_ROWS = 5_000

_SQL = queries("what_if_program", __package__)


class Happened(NamedTuple):
    """One decision as it is recorded. A tuple, because there are millions."""

    family: int
    decided_at: datetime
    customer_no: int
    event_key: Any
    event_type: str
    event_id: str
    event_source: str
    topic: str
    partition: int
    offset: int
    program_version: int | None
    game_id: int | None
    rule_version: int | None
    occurred_at: datetime


class Stepped(NamedTuple):
    """A coupon that something was done with: what it was granted for, its terms and codes."""

    coupon_id: Any
    source: tuple[str, str]
    terms: Terms
    code: str
    code_prefix: str
    external_code: str | None


class Taken(NamedTuple):
    """A step on a coupon. `until`: when a reservation ends that nobody has ended yet."""

    at: datetime
    step: Step
    shop_id: int | None
    order_id: str | None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Of the whole share: orders told of more than once, referrals that were told, who brought others, coupons by the
    key of the event that granted them, and what staff did with them, by coupon in its order."""

    told_again: frozenset[str]
    referrals: frozenset[str]
    referrers: Mapping[str, int]
    coupons: Mapping[Any, Sequence[Stepped]]
    by_staff: Mapping[Any, Sequence[Taken]]
    groups: Groups = field(default_factory=Groups)


async def known_of(connection: Connection, share: Share, capped: Iterable[str]) -> Known:
    """What the world must know before it begins."""
    coupons: dict[Any, list[Stepped]] = {}
    terms: dict[str, Terms] = {}  # each once, for coupons are alike
    for row in await connection.fetch(_SQL["coupons_stepped"], *share.place):
        stored = row["terms"]
        if stored not in terms:
            terms[stored] = terms_from(orjson.loads(stored))
        coupons.setdefault(row["event_key"], []).append(
            Stepped(
                row["id"],
                (row["source_kind"], row["source_id"]),
                terms[stored],
                row["code"],
                row["code_prefix"],
                row["external_code"],
            )
        )
    by_staff: dict[Any, list[Taken]] = {}
    for row in await connection.fetch(_SQL["steps_of_staff"], *share.place):
        by_staff.setdefault(row["coupon_id"], []).append(_taken(row, row["reserved_until"]))
    referrals = await connection.fetch(_SQL["completed_referrals"], *share.place)
    referrers = await connection.fetch(_SQL["referrers"], *share.place)
    return Known(
        told_again=share.told_again,
        referrals=frozenset(row["event_id"] for row in referrals),
        referrers={row["customer_id"]: row["customer_no"] for row in referrers},
        coupons=coupons,
        by_staff=by_staff,
        groups=await groups_of(connection, share, capped),
    )


def _taken(row: asyncpg.Record, until: datetime | None = None) -> Taken:
    return Taken(row["at"], Step(row["word"]), row["shop_id"], row["order_id"], until)


async def history(connection: Connection, share: Share) -> AsyncIterator[list[Happened]]:
    """Batches of what was decided, family by family, in the order in which it was; inside a transaction."""
    cursor = await connection.cursor(_SQL["decisions"], *share.place)
    while rows := await cursor.fetch(BATCH_ROWS):
        yield [Happened(*row) for row in rows]


@dataclass(slots=True, kw_only=True)
class Unread:
    """What events did whose records cannot be read: rows of the ledger, how many coupons, and steps on coupons by id,
    by the event's key; and who their customers are, by number. What a tier brought is not among it, since this world
    has its own tiers."""

    entries: dict[Any, list[asyncpg.Record]] = field(default_factory=dict)
    coupons: dict[Any, int] = field(default_factory=dict)
    steps: dict[Any, list[tuple[str, Taken]]] = field(default_factory=dict)
    customers: dict[int, asyncpg.Record] = field(default_factory=dict)


async def unread(connection: Connection, some: Sequence[Happened]) -> Unread:
    """Of these decisions."""
    found = Unread()
    if not some:
        return found
    numbers = list({each.customer_no for each in some})
    keys = [each.event_key for each in some]
    for row in await connection.fetch(_SQL["entries"], numbers, keys):
        found.entries.setdefault(row["event_key"], []).append(row)
    for row in await connection.fetch(_SQL["coupons_granted"], numbers, keys):
        found.coupons[row["event_key"]] = row["coupons"]
    for row in await connection.fetch(_SQL["steps_of_events"], numbers, keys):
        step = (str(row["coupon_id"]), _taken(row))
        found.steps.setdefault(row["event_key"], []).append(step)
    for row in await connection.fetch(_SQL["described"], numbers):
        found.customers[row["customer_no"]] = row
    return found


class Games:
    """Games as they were at their versions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._games: dict[tuple[int, int], Game] = {}

    async def at(self, game_id: int | None, version: int | None) -> Mapping[int, Game]:
        """By id: the game of a completion, none where it was not found."""
        if game_id is None or version is None:
            return {}
        if (game_id, version) not in self._games:
            (row,) = await self._connection.fetch(_SQL["game_version"], game_id, version)
            rules = {"time_zone": row["time_zone"], **orjson.loads(row["rules"])}
            for name in ("start_date", "end_date"):
                rules[name] = rules[name] and date.fromisoformat(rules[name])
            self._games[game_id, version] = game_from(rules)
        return {game_id: self._games[game_id, version]}


async def stored_ends(
    connection: Connection, share: Share, at: datetime
) -> AsyncIterator[list[asyncpg.Record]]:
    """Batches of what each customer of the share has, in the order of `history`; inside a transaction."""
    cursor = await connection.cursor(_SQL["ended"], *share.place, at)
    while rows := await cursor.fetch(BATCH_ROWS):
        yield rows
