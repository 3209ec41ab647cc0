"""The rules in force: an immutable snapshot of the games that a batch of events names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from enum import StrEnum
from zoneinfo import ZoneInfo


class GameType(StrEnum):
    STAMPS = "stamps"
    WHEEL = "wheel"
    COLLECTION = "collection"
    QUIZ = "quiz"
    MEMORY = "memory"
    SCRATCH = "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """One game's rules at one version.

    `starts_at` is inclusive and `ends_at` exclusive, both UTC instants (see `window`); None is unbounded.
    `coupon_validity_days` None means that the game's coupons never expire.
    """

    id: int
    partner_id: int
    version: int
    is_active: bool
    allow_multiple_active_coupons: bool
    coupon_validity_days: int | None
    starts_at: datetime | None
    ends_at: datetime | None
    reward_description: str
    product_ids: tuple[int, ...] = ()
    game_type: GameType = GameType.WHEEL
    code_prefix: str = ""
    stamps_required: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The merged snapshot of rules that `decide` needs, by game id."""

    games: Mapping[int, Game] = field(default_factory=dict)

    def game_of(self, partner_id: int, game_id: int) -> Game | None:
        """The partner's own game, or None: another partner's game is as unknown as a missing one."""
        game = self.games.get(game_id)
        return game if game is not None and game.partner_id == partner_id else None


def window(
    start_date: date | None, end_date: date | None, time_zone: str
) -> tuple[datetime | None, datetime | None]:
    """The half-open UTC interval of a game's dates in the partner's zone.

    From midnight that begins `start_date` to midnight that ends `end_date`. Midnight is resolved as
    Python does for a wall time: in a zone that skips it, the offset before the change applies.
    """
    zone = ZoneInfo(time_zone)

    def midnight(day: date) -> datetime:
        return datetime.combine(day, time_of_day.min, zone).astimezone(UTC)

    return (
        midnight(start_date) if start_date is not None else None,
        midnight(end_date + timedelta(days=1)) if end_date is not None else None,
    )
