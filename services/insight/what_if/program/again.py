"""Decide a share of the history again, family by family: of one that is done only what differs is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from schemas.events.types import (
    CUSTOMER_BIRTHDAY,
    REFERRAL_COMPLETED,
)
from services.adapters.postgres.pool import Connection
from services.decisions.accounts_by_hand import CARD_TYPE, POINTS_TYPE
from services.domain.events import (
    Birthday,
    Cause,
    CustomerDescribed,
    Event,
    OrderReversed,
    ReferralCompleted,
)
from services.domain.program import Program
from services.insight.what_if.program.changed import Programs
from services.insight.what_if.program.differences import Differences, Ends
from services.insight.what_if.program.families import Share
from services.insight.what_if.program.history import (
    Games,
    Happened,
    Unread,
    history,
    known_of,
    unread,
)
from services.insight.what_if.program.reading import event_of
from services.insight.what_if.program.recorded import as_recorded
from services.insight.what_if.program.redemptions import redemptions
from services.insight.what_if.program.spool import Spools
from services.insight.what_if.program.world import World

_BY_HAND = {POINTS_TYPE, CARD_TYPE}
_TOLD_BY_US = {REFERRAL_COMPLETED, CUSTOMER_BIRTHDAY}


@dataclass(slots=True, kw_only=True)
class Found:
    """What came of a share. `without_record`: events that count as they did, since nothing says what they were."""

    read: int = 0
    without_record: int = 0
    differences: Differences = field(default_factory=Differences)

    def add(self, other: Found) -> None:
        """What came of another share."""
        self.read += other.read
        self.without_record += other.without_record
        self.differences.add_all(other.differences)


async def decide_again(
    told: Callable[[int], None],
    connection: Connection,
    share: Share,
    programs: Programs,
    directory: Path,
    at: datetime,
) -> Found:
    """Every family of the share, held against what is stored at that instant. Tells how many decisions it has read."""
    spools = Spools(directory)
    try:
        ends = Ends(connection, share, at)
        world = World(known=await known_of(connection, share, programs.capped_groups()))
        again = _Again(connection, share.partner_id, programs, spools, world, ends)
        async for batch in history(connection, share):
            await again.take(batch)
            told(again.found.read)
        await again.finish()
    finally:
        spools.close()
    return again.found


class _Again:
    """Takes batches of what was decided, in their order."""

    def __init__(
        self,
        connection: Connection,
        partner_id: int,
        programs: Programs,
        spools: Spools,
        world: World,
        ends: Ends,
    ) -> None:
        self.found = Found()
        self._connection = connection
        self._partner_id = partner_id
        self._programs = programs
        self._spools = spools
        self._world = world
        self._ends = ends
        self._family: int | None = None
        self._games = Games(connection)
        self._rules: dict[tuple[int | None, int | None, int | None], Program] = {}

    async def take(self, batch: Sequence[Happened]) -> None:
        """Decide them again, in their order."""
        events, lost = await self._events(batch)
        found = await unread(self._connection, lost)
        for one, event in zip(batch, events, strict=True):
            if one.family != self._family:
                await self._begin(one.family)
            rules = await self._rules_of(one)
            if one.event_type in _TOLD_BY_US:
                self._tell(one, rules)
            elif event is not None:
                self._decide(event, one.customer_no, one.event_key, rules, one.decided_at)
            else:
                self._recorded(one, rules, found)
        self.found.read += len(batch)

    async def finish(self) -> None:
        """All there is has been taken."""
        await self._ends.compare(self._family, self._world, self.found.differences)
        await self._ends.compare_the_rest(self.found.differences)

    async def _begin(self, family: int) -> None:
        """Hold the family that is done against what is stored, and forget it."""
        await self._ends.compare(self._family, self._world, self.found.differences)
        self._family, self._world = family, World(known=self._world.known)

    async def _events(self, batch: Sequence[Happened]) -> tuple[list[Event | None], list[Happened]]:
        """The events of those that have one to be read, and the rest but for what we told ourselves."""
        events = [None if one.event_type in _TOLD_BY_US else self._event(one) for one in batch]
        without = [
            one
            for one, event in zip(batch, events, strict=True)
            if event is None and one.event_type not in _TOLD_BY_US
        ]
        found = await redemptions(self._connection, self._partner_id, without)
        if found:
            events = [
                event or found.get(one.event_key) for one, event in zip(batch, events, strict=True)
            ]
        return events, [one for one in without if one.event_key not in found]

    def _event(self, one: Happened) -> Event | None:
        """What the record says, if it is still this event's."""
        record = self._spools.record_at(one.topic, one.partition, one.offset)
        return None if record is None else event_of(record, one)

    def _decide(self, event: Event, number: int, key: Any, rules: Program, at: datetime) -> None:
        """With what it makes us tell at once."""
        if rules.of_partner(self._partner_id) is None and not isinstance(
            event, (CustomerDescribed, OrderReversed)
        ):
            return
        told = self._world.decide(event, number, key, rules, at)
        if told is not None:
            friend, referrer = self._world.told[told]
            referrer_no = self._world.known.referrers[referrer]
            self._follow(told, friend, referrer, referrer_no, rules, at)

    def _follow(
        self, told: str, friend: str, referrer: str, number: int, rules: Program, at: datetime
    ) -> None:
        del self._world.told[told]
        event = ReferralCompleted(
            cause=Cause(source="", id=told, type=REFERRAL_COMPLETED),
            occurred_at=at,
            partner_id=self._partner_id,
            customer_id=referrer,
            friend_id=friend,
        )
        self._world.decide(event, number, told, rules, at)

    def _tell(self, one: Happened, rules: Program) -> None:
        """What we told ourselves: a birthday comes whatever the rules, a referral if this world has completed it."""
        cause = Cause(source="", id=one.event_id, type=one.event_type)
        if one.event_type == REFERRAL_COMPLETED:
            if one.event_id in self._world.told:
                friend, referrer = self._world.told[one.event_id]
                del self._world.told[one.event_id]
                event: Event = ReferralCompleted(
                    cause=cause,
                    occurred_at=one.occurred_at,
                    partner_id=self._partner_id,
                    customer_id=referrer,
                    friend_id=friend,
                )
                self._decide(event, one.customer_no, one.event_key, rules, one.decided_at)
            return
        _, year, _ = one.event_id.split(".")
        day = Birthday(
            cause=cause,
            occurred_at=one.occurred_at,
            partner_id=self._partner_id,
            customer_id="",
            year=int(year),
        )
        self._decide(day, one.customer_no, one.event_key, rules, one.decided_at)

    def _recorded(self, one: Happened, rules: Program, found: Unread) -> None:
        """Nothing says what it was, but what it did is known."""
        if one.event_type not in _BY_HAND:
            self.found.without_record += 1
        key = one.event_key
        self._world.customer(one.customer_no).granted += found.coupons.get(key, 0)
        rows, customer = found.entries.get(key, ()), found.customers.get(one.customer_no)
        as_recorded(self._world, one, rules.of_partner(self._partner_id), rows, customer)
        for coupon_id, step in found.steps.get(key, ()):
            self._world.step(one.customer_no, coupon_id, step)

    async def _rules_of(self, one: Happened) -> Program:
        """What decided it, with what is changed."""
        named = (one.program_version, one.game_id, one.rule_version)
        if named not in self._rules:
            partner = await self._programs.at(one.program_version)
            games = await self._games.at(one.game_id, one.rule_version)
            self._rules[named] = Program(games=games, partners={self._partner_id: partner})
        return self._rules[named]
