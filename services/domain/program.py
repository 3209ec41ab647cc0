"""The rules in force: an immutable snapshot of the games that a batch of events names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as time_of_day
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.domain.partner_program import PartnerProgram
from services.domain.points.earning import CardRules


class GameType(StrEnum):
    """What a game is to its players. Only `STAMPS` means something to the rules: orders stamp its cards."""

    STAMPS = "stamps"
    WHEEL = "wheel"
    COLLECTION = "collection"
    QUIZ = "quiz"
    MEMORY = "memory"
    SCRATCH = "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerLimits:
    """How many coupons of a game one customer may ever get, and per day, week (from Monday) and month.

    Days, weeks and months are the partner's, in its time zone. None: no limit.
    """

    lifetime: int | None = None
    per_day: int | None = None
    per_week: int | None = None
    per_month: int | None = None

    @property
    def largest(self) -> int | None:
        """The number of past issues that must be known to judge every limit; None: there is no limit."""
        limits = (self.lifetime, self.per_day, self.per_week, self.per_month)
        return max((limit for limit in limits if limit is not None), default=None)

    @property
    def is_by_calendar(self) -> bool:
        """Whether any limit begins anew with a day, a week or a month."""
        return (self.per_day, self.per_week, self.per_month) != (None, None, None)


NO_LIMITS = CustomerLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """One game's rules at one version.

    `starts_at` is inclusive and `ends_at` exclusive, both UTC instants (see `window`); None is unbounded.
    `coupon_validity_days` None means that the game's coupons never expire. `total_limit` is how many coupons
    the game may issue to all customers together; None: no limit.
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
    customer_limits: CustomerLimits = NO_LIMITS
    total_limit: int | None = None
    time_zone: str = "UTC"

    def is_open(self, occurred_at: datetime) -> bool:
        """Active, and inside its dates at that instant."""
        return (
            self.is_active
            and (self.starts_at is None or occurred_at >= self.starts_at)
            and (self.ends_at is None or occurred_at < self.ends_at)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The merged snapshot of what `decide` needs: games by id, which products the partners' SKUs mean, and the programs
    of the partners that have set something."""

    games: Mapping[int, Game] = field(default_factory=dict)
    products: Mapping[tuple[int, str], frozenset[int]] = field(default_factory=dict)
    partners: Mapping[int, PartnerProgram] = field(default_factory=dict)
    _stamp_games: dict[int, tuple[Game, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def game_of(self, partner_id: int, game_id: int) -> Game | None:
        """The partner's own game, or None: another partner's game is as unknown as a missing one."""
        game = self.games.get(game_id)
        return game if game is not None and game.partner_id == partner_id else None

    def of_partner(self, partner_id: int) -> PartnerProgram | None:
        """What the partner has set; None at version 0, where nothing ever was."""
        found = self.partners.get(partner_id)
        return found if found is not None and found.version else None

    def card_to_assign(self, partner_id: int, held: int | None) -> CardRules | None:
        """The card that who registers is given who holds none, also where no program is in force.

        One that was deleted is nobody's: who `held` it holds none.
        """
        found = self.partners.get(partner_id)
        return found.assigned_card() if found is not None and held not in found.cards else None

    def products_of(self, partner_id: int, skus: Iterable[str]) -> frozenset[int]:
        """The partner's products that have these SKUs, as far as any game asks."""
        return frozenset().union(*(self.products.get((partner_id, sku), ()) for sku in skus))

    def stamp_games(self, partner_id: int) -> tuple[Game, ...]:
        """The partner's games of type `stamps`, by id. Looked up once: every order asks."""
        if partner_id not in self._stamp_games:
            mine = (game for game in self.games.values() if game.partner_id == partner_id)
            stamping = (game for game in mine if game.game_type is GameType.STAMPS)
            self._stamp_games[partner_id] = tuple(sorted(stamping, key=lambda game: game.id))
        return self._stamp_games[partner_id]


def window(
    start_date: date | None, end_date: date | None, time_zone: str
) -> tuple[datetime | None, datetime | None]:
    """The half-open UTC interval of a game's dates in the partner's zone.

    From midnight that begins `start_date` to midnight that ends `end_date`. Midnight is resolved as
    Python does for a wall time: in a zone that skips it, the offset before the change applies.
    """
    if start_date is None and end_date is None:
        return None, None  # whatever the zone, known here or not
    zone = ZoneInfo(time_zone)
    return (
        midnight(start_date, zone) if start_date is not None else None,
        midnight(end_date + timedelta(days=1), zone) if end_date is not None else None,
    )


def period_starts(at: datetime, time_zone: str) -> tuple[datetime, datetime, datetime]:
    """UTC instants at which the day, the week (Monday) and the month of `at` began in that zone."""
    zone = ZoneInfo(time_zone)
    return _periods_of(at.astimezone(zone).date(), zone)


@lru_cache(
    maxsize=256
)  # asked for every completion of a limited game; few days are at hand at once
def _periods_of(today: date, zone: ZoneInfo) -> tuple[datetime, datetime, datetime]:
    monday = today - timedelta(days=today.weekday())
    return midnight(today, zone), midnight(monday, zone), midnight(today.replace(day=1), zone)


def midnight(day: date, zone: tzinfo) -> datetime:
    """The UTC instant at which a day begins there."""
    return datetime.combine(day, time_of_day.min, zone).astimezone(UTC)
