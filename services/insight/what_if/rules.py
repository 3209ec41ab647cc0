"""Which rules a decision is made under: the version that was really in force, with the changes laid over it.

Each event keeps its own version, so that a game that was changed in the meantime is reproduced as it was. From
`since` on the changed rules hold; before it nothing is different.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from services.adapters.postgres.rules import game_from
from services.domain.program import Game, GameType, Program
from services.insight.what_if.holdings import RealStep

NO_GAME = Program()
"""Before the game was made, or for another partner's events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of the game as it was kept.

    `decided_before`: the highest number of a decision when it was made, None where that was not kept yet.
    """

    number: int
    rules: Mapping[str, Any]
    valid_from: datetime
    decided_before: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The game in one world, by version."""

    versions: Sequence[Version]
    recorded: Mapping[int, Program]
    changed: Mapping[int, Program]
    since: datetime | None
    game_id: int
    single: bool | None
    """The changed single rule; None if it is not changed."""
    _numbers: Sequence[int] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = [version.decided_before for version in self.versions]
        known = [number for number in numbers if number is not None]
        object.__setattr__(self, "_numbers", known if len(known) == len(numbers) else None)

    def program(self, version: int | None, at: datetime) -> Program:
        """The rules of a decision made at that instant under this version."""
        if version is None:
            return NO_GAME
        return (self.changed if self._is_changed(at) else self.recorded)[version]

    def version_at(self, seq: int, at: datetime) -> int | None:
        """The version in force for a decision that does not name one; None before the first."""
        if self._numbers is not None:
            count = bisect_left(self._numbers, seq)
            return self.versions[count - 1].number if count else None
        in_force = [one.number for one in self.versions if self._was_made(one, seq, at)]
        return in_force[-1] if in_force else None

    def game_at(self, step: RealStep) -> Game:
        """The game at a reinstatement, of which only the single rule is asked.

        For an order's reversal by its version; a step of staff has none, but the coupon says how it came back.
        """
        is_changed = self._is_changed(step.at)
        if step.seq is not None:
            version = self.version_at(step.seq, step.at) or self.versions[0].number
            return (self.changed if is_changed else self.recorded)[version].games[self.game_id]
        single = self.single if is_changed and self.single is not None else step.under_single
        newest = self.recorded[self.versions[-1].number].games[self.game_id]
        return replace(newest, allow_multiple_active_coupons=not single)

    @property
    def games(self) -> list[Game]:
        """Every set of rules that this world may use."""
        programs = [*self.recorded.values()] if self.since is not None else []
        return [program.games[self.game_id] for program in (*programs, *self.changed.values())]

    @property
    def is_single(self) -> bool:
        """Whether a customer's coupons can be in the way of another."""
        return any(not game.allow_multiple_active_coupons for game in self.games)

    @property
    def most_issues(self) -> int:
        """How many past issues of a customer the limits look at; 0 if there are none."""
        return max((game.customer_limits.largest or 0 for game in self.games), default=0)

    @property
    def stamps(self) -> bool:
        """Whether orders matter."""
        return any(game.game_type is GameType.STAMPS for game in self.games)

    @property
    def products(self) -> frozenset[int]:
        """Products that a stamp may depend on."""
        stamping = (game for game in self.games if game.game_type is GameType.STAMPS)
        return frozenset(product for game in stamping for product in game.product_ids)

    def _is_changed(self, at: datetime) -> bool:
        return self.since is None or at >= self.since

    @staticmethod
    def _was_made(version: Version, seq: int, at: datetime) -> bool:
        if version.decided_before is not None:
            return version.decided_before < seq
        return version.valid_from <= at


def rules_of(
    game_id: int,
    versions: Sequence[Version],
    changes: Mapping[str, Any],
    *,
    time_zone: str,
    since: datetime | None = None,
) -> Rules:
    """The game's rules with `changes` from `since` on; `time_zone` where a version has kept none."""
    recorded, changed = {}, {}
    for version in versions:
        rules = {"time_zone": time_zone, **version.rules}
        rules |= {name: _day(rules[name]) for name in ("start_date", "end_date")}
        recorded[version.number] = _program(rules)
        changed[version.number] = (
            _program({**rules, **changes}) if changes else recorded[version.number]
        )
    single = changes.get("allow_multiple_active_coupons")
    return Rules(
        versions=versions,
        recorded=recorded,
        changed=changed,
        since=since if changes else None,
        game_id=game_id,
        single=None if single is None else not single,
    )


def _program(rules: Mapping[str, Any]) -> Program:
    game = game_from(rules)
    return Program(games={game.id: game})


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
