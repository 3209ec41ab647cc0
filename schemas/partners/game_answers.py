"""Games as the partner API shows them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WithJsonSchema

from schemas.fields import Id, Outgoing
from schemas.partners.answers import Pagination, Success

Instant = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}),
]
"""UTC with six decimals."""
Number = Annotated[int, Field(ge=0)]


class GameInList(Outgoing):
    """What a list shows of a game."""

    id: Id
    name: str
    game_type: str
    is_active: bool
    allow_multiple_active_coupons: bool
    coupon_validity_days: int | None
    total_players: Number
    created_at: Instant


class GameBody(Outgoing):
    """A game. Its dates are the first and the last second of its days in the partner's zone."""

    id: Id
    name: str
    description: str
    game_type: str
    reward_description: str
    is_active: bool
    allow_multiple_active_coupons: bool
    coupon_validity_days: int | None
    product_ids: list[Id]
    start_date: Instant | None
    end_date: Instant | None
    stamps_required: int
    customer_limit: int | None
    customer_limit_per_day: int | None
    customer_limit_per_week: int | None
    customer_limit_per_month: int | None
    total_limit: int | None
    code_prefix: str
    created_at: Instant
    updated_at: Instant


class CountedGame(GameBody):
    """A game with its counters, which may be a minute old."""

    total_players: Number
    active_sessions: Number
    completed_sessions: Number


class ActiveCoupons(Outgoing):
    """What stands in the way of one active coupon per customer."""

    active_coupons_count: Number
    affected_customers: Number


class GameAnswer(Success):
    """One game, just created or changed."""

    message: str
    data: GameBody


class GamePreview(GameAnswer):
    """One game, changed; of a dry run also the active coupons it has."""

    details: ActiveCoupons | None = None


class GameWithCounters(Success):
    """One game."""

    data: CountedGame


class GamePage(Outgoing):
    """Some of a partner's games."""

    games: list[GameInList]
    pagination: Pagination


class GameList(Success):
    """A page of games."""

    data: GamePage
