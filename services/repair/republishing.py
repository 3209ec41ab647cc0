"""Queue `coupon.issued` once more for coupons that exist: the same id and data as the first time, marked.

Everything is made again from what is stored: the coupon, the event that issued it, and its game at the version it was
issued under. The one thing that may differ is whether codes are masked: that is a setting of now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from services.adapters.postgres import tables
from services.adapters.postgres.coupon_terms import terms_from
from services.adapters.postgres.coupons import FROM_POOL
from services.adapters.postgres.outbox import OutboxRow
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.decisions.telling import granted_row
from services.decisions.verdicts import issued_row
from services.domain.coupons.effects import GrantCoupon, IssueCoupon
from services.domain.events import Cause
from services.domain.origins import Source, SourceKind
from services.domain.program import Game

FIRST = UUID(int=0)
"""Below every coupon's id."""

_SQL = queries("republish", __package__)

GameVersion = tuple[int, int]


class Unaccounted(Exception):
    """A coupon lacks its customer, its decision or its game's version. The message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which coupons: None is no filter. Issued from `from_at` on, and before `to_at`."""

    game_id: int | None = None
    partner_id: int | None = None
    customer_nos: Sequence[int] | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (self.game_id, self.partner_id, self.customer_nos, self.from_at, self.to_at)


class Republisher:
    """Pages of coupons, into the outbox. Keeps the games it met."""

    def __init__(self, connection: Connection, *, mask_codes: bool) -> None:
        self._connection = connection
        self._mask_codes = mask_codes
        self._games: dict[GameVersion, Game] = {}

    async def queue(self, which: Which, after: UUID, limit: int) -> tuple[UUID, int]:
        """Queue the next `limit` coupons with ids above `after`, in the caller's transaction.

        Returns the last id and how many there were; none: that was all. Raises Unaccounted.
        """
        rows = await self._connection.fetch(_SQL["coupons"], after, *which.arguments, limit)
        if not rows:
            return after, 0
        await self._load_games(
            {(row["game_id"], row["rule_version"]) for row in rows if row["terms"] is None}
        )
        await tables.add(self._connection, "outbox", [self._outbox_row(row) for row in rows])
        return rows[-1]["id"], len(rows)

    async def _load_games(self, wanted: set[GameVersion]) -> None:
        unknown = sorted(wanted - self._games.keys())
        if unknown:
            ids, versions = zip(*unknown, strict=True)
            for row in await self._connection.fetch(_SQL["rules"], ids, versions):
                self._games[row["game_id"], row["version"]] = _game(row)

    def _outbox_row(self, row: asyncpg.Record) -> OutboxRow:
        game = self._games.get((row["game_id"], row["rule_version"]))
        is_accounted = row["customer_id"] is not None and row["event_id"] is not None
        if not is_accounted or (game is None and row["terms"] is None):
            raise Unaccounted(f"coupon {row['id']} is not accounted for: run `couponry verify`")
        cause = Cause(source=row["event_source"], id=row["event_id"], type=row["event_type"])
        if game is None:
            return granted_row(
                _grant(row),
                row["partner_id"],
                row["customer_id"],
                cause,
                mask_codes=self._mask_codes,
                republished=True,
                traceparent=row["traceparent"],
            )
        issue = IssueCoupon(
            coupon_id=str(row["id"]),
            code=row["code"],
            code_prefix=row["code_prefix"],
            game_id=game.id,
            issued_at=row["issued_at"],
            expires_at=row["expires_at"],
            allow_multiple_active_coupons=row["rule_allow_multiple"],
            coupon_validity_days=row["rule_validity_days"],
            rule_version=row["rule_version"],
        )
        return issued_row(
            issue,
            game,
            row["customer_id"],
            cause,
            mask_codes=self._mask_codes,
            republished=True,
            traceparent=row["traceparent"],
        )


def _grant(row: asyncpg.Record) -> GrantCoupon:
    """As it was told: a code that the partner's system gave later was not known yet."""
    return GrantCoupon(
        coupon_id=str(row["id"]),
        code=row["code"],
        code_prefix=row["code_prefix"],
        source=Source(SourceKind(row["source_kind"]), row["source_id"]),
        terms=terms_from(orjson.loads(row["terms"])),
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
        program_version=row["program_version"],
        external_code=row["external_code"] if row["code_from"] == FROM_POOL else None,
        code_is_pending=row["code_was_pending"],
    )


def _game(row: asyncpg.Record) -> Game:
    """As much of a game at a version as `coupon.issued` tells."""
    rules = orjson.loads(row["rules"])
    return Game(
        id=row["game_id"],
        partner_id=row["partner_id"],
        version=row["version"],
        is_active=rules["is_active"],
        allow_multiple_active_coupons=rules["allow_multiple_active_coupons"],
        coupon_validity_days=rules["coupon_validity_days"],
        starts_at=None,
        ends_at=None,
        reward_description=rules["reward_description"],
        product_ids=tuple(rules["product_ids"]),
    )
