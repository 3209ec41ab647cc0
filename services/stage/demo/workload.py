"""The demo's input: completions as they come from customers, with repeats and mistakes, and what must become of each.

Seeded: the same seed and count give the same records, apart from their times and the run's name in their ids. The
fate of a record is worked out here, by a model that shares no code with the service: the two must agree in the end.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import cycle
from typing import Final

from services.stage.demo.records import (
    ISSUED,
    REPEAT,
    WAYS_TO_SPOIL,
    Draft,
    Fate,
    Record,
    draft,
    in_structured_mode,
)

KINDS: Final = {
    "won": 860,
    "lost": 40,
    "repeat": 30,
    "spoiled": 16,
    "unknown game": 12,
    "inactive game": 12,
    "game not started": 12,
    "game ended": 12,
    "late": 6,
}
"""Of 1,000 records. `late`: completed while the game ran, sent after it ended."""
EVENTS_PER_CUSTOMER: Final = 6
STRUCTURED_SHARE: Final = 0.2
RECENT_RECORDS: Final = 500
UNKNOWN_GAME_ID: Final = 9_000_000_000_000
LATE: Final = timedelta(days=45)
assert sum(KINDS.values()) == 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """A loaded game, as far as the model cares. Both days count as open."""

    id: int
    is_single: bool
    is_active: bool
    first_day: date
    last_day: date

    def runs_on(self, day: date) -> bool:
        return self.is_active and self.first_day <= day <= self.last_day


@dataclass(slots=True, kw_only=True)
class Workload:
    """Draws `count` records, each when it is asked for. `tags`: how its ids begin, which sets runs apart."""

    tags: str
    partner_id: int
    games: Sequence[Game]
    count: int
    seed: int
    _random: random.Random = field(init=False)
    _holders: set[tuple[int, str]] = field(init=False, default_factory=set)
    _recent: deque[Record] = field(init=False, default_factory=lambda: deque(maxlen=RECENT_RECORDS))

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def records(self) -> Iterator[Record]:
        """The first is a plain winner, for all to see. Ask for one only to send it: its time is that moment."""
        spoilers = cycle(WAYS_TO_SPOIL)
        for number in range(self.count):
            tag = f"{self.tags}{number:06}"
            kind = self._random.choices(tuple(KINDS), tuple(KINDS.values()))[0]
            if number == 0:
                yield self._completion(tag, "first")
            elif kind == "repeat":
                yield self._repeat()
            elif kind == "spoiled":
                stage, spoil = next(spoilers)
                one, customer = self._draft(tag, self.games[0].id, datetime.now(UTC))
                spoil(one)
                yield one.record(customer, Fate("dead", stage))
            else:
                yield self._completion(tag, kind)

    def _completion(self, tag: str, kind: str) -> Record:
        now = datetime.now(UTC)
        at = now - LATE if kind == "late" else now
        game = self._game(kind, now.date())
        won = kind != "lost"
        one, customer = self._draft(tag, game.id if game else UNKNOWN_GAME_ID, at, won=won)
        if kind != "first" and self._random.random() < STRUCTURED_SHARE:
            in_structured_mode(one)
        record = one.record(customer, self._fate(game, customer, at.date(), won))
        self._recent.append(record)
        return record

    def _game(self, kind: str, today: date) -> Game | None:
        """A game that suits this kind of completion; None if it is to name one that does not exist."""
        match kind:
            case "unknown game":
                return None
            case "inactive game":
                fitting = [game for game in self.games if not game.is_active]
            case "game not started":
                fitting = [game for game in self.games if game.first_day > today]
            case "game ended" | "late":
                fitting = [game for game in self.games if game.last_day < today]
            case _:
                fitting = [game for game in self.games if game.runs_on(today)]
        return self._random.choice(fitting)

    def _draft(
        self, tag: str, game_id: int, at: datetime, *, won: bool = True
    ) -> tuple[Draft, str]:
        customer = f"customer-{self._random.randrange(self.count // EVENTS_PER_CUSTOMER + 1):05}"
        one = draft(
            tag, at, partner_id=self.partner_id, game_id=game_id, customer=customer, won=won
        )
        return one, customer

    def _fate(self, game: Game | None, customer: str, day: date, won: bool) -> Fate:
        """The rules in a few lines, in the order in which a decline names its reason."""
        if game is None:
            return Fate("declined", "game_not_found")
        if not won:
            return Fate("declined", "result_lost")
        if not game.is_active:
            return Fate("declined", "game_inactive")
        if day < game.first_day:
            return Fate("declined", "game_not_started")
        if day > game.last_day:
            return Fate("declined", "game_ended")
        if game.is_single and (game.id, customer) in self._holders:
            return Fate("declined", "active_coupon_exists")
        self._holders.add((game.id, customer))
        return ISSUED

    def _repeat(self) -> Record:
        """A record sent again, byte for byte, as by a producer that missed the acknowledgement."""
        first = self._random.choice(self._recent)
        return Record(
            tag=first.tag, key=first.key, value=first.value, headers=first.headers, fate=REPEAT
        )
