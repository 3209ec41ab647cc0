"""The one transaction in which events are decided, for a batch or for one: lock, load, decide, record, confirm.

Whoever has events to decide (the issuer, an operator's replay, shop staff) opens a transaction, calls `decide` and then
`record` in it, and commits. Between the two nothing is written, so a caller may still turn away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import asyncpg

from services.adapters.postgres import coupons, inbox, quota
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection
from services.decisions.follow_ups import unfounded
from services.decisions.loading import load, places, what_they_need
from services.decisions.manner import Manner
from services.decisions.programs import Programs
from services.decisions.recording import RulesChanged, keep, write
from services.decisions.stocking import Answers, decide_within_stock
from services.decisions.verdicts import rows_of
from services.domain.arrival import CustomerKey, Incoming, LockedCustomer, Verdict
from services.domain.coupons.issuing import Draw
from services.domain.coupons.stock import Stock
from services.domain.folding import decide_batch, issued_by_game
from services.domain.letters import DeadLetter
from services.domain.needs import Needs
from services.domain.partner_program import PartnerProgram
from services.domain.program import Program
from services.runtime.crashpoints import reach

Alongside = Callable[[Connection, Sequence[Verdict], Sequence[DeadLetter], int], Awaitable[None]]
"""Runs in the transaction that records a batch, or a part of one: given its connection, the verdicts, the dead letters
and how many of those are new. What it writes commits with them or not at all."""

Timed = Callable[[str], AbstractContextManager[object]]
"""Times a step: `absorb`, `load`, `decide`, `record`."""


def _untimed(_step: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The verdicts on a batch, the events that nobody can judge yet, and the rules used.

    `unfounded`: events of ours that we never told. An event in none was decided before, or is a repeat of one in this
    batch.
    """

    verdicts: Sequence[Verdict] = ()
    too_early: Sequence[Incoming] = ()
    unfounded: Sequence[Incoming] = ()
    program: Program = field(default_factory=Program)


class Deciding:
    """Any number of transactions may be under way. Owns a cache of rules, confirmed at every commit."""

    def __init__(
        self,
        manner: Manner,
        *,
        alongside: Alongside | None = None,
        timed: Timed = _untimed,
        known: PartnerProgram | None = None,
    ) -> None:
        """`known`: a program that whoever asks has read already."""
        self.manner = manner
        self._alongside = alongside
        self._timed = timed
        self._programs = Programs(known)
        self._has_collided = False

    async def decide(
        self,
        connection: Connection,
        arrivals: Sequence[Incoming],
        waiting: Container[CustomerKey] | None = None,
        *,
        locked: Mapping[CustomerKey, LockedCustomer] | None = None,
    ) -> Decided:
        """Decide these events, in their order, upon what is stored; their customers stay locked.

        `locked`: all their customers, where this transaction has locked them; the events are new, made in it by hand.

        The customers' rows come first, since they serialise everything read after. Raises RuleFailed, KeyCollision,
        ClockApart, Unjudgeable, SomebodyWaits (of a customer not among the `waiting`; None: whoever waits).
        """
        if not arrivals:
            return Decided()
        with self._timed("absorb"):
            events = [incoming.event for incoming in arrivals]
            program = await self._programs.load(connection, events)
            asked = what_they_need(arrivals, program)
            opened = (
                await self._opened(connection, arrivals, asked, waiting)
                if locked is None
                else inbox.Opened(fresh=arrivals, customers=locked, holders=None)
            )
        if not opened.fresh:
            return Decided()
        forged = await unfounded(connection, opened.fresh)
        fresh = [each for each in opened.fresh if each.event_key not in forged]
        if len(fresh) < len(asked):
            asked = what_they_need(fresh, program)
        with self._timed("load"):
            customers, holders = opened.customers, opened.holders
            states, program = await load(
                connection, self._programs, program, asked, customers, holders=holders
            )
            shares = await quota.hold(connection, most_issued(asked))
            draws = await self._draws(connection, asked)
        reach("issuer.after_load")

        def within(stock: Stock) -> Answers:
            return decide_batch(fresh, program, states, customers, shares.quota, draws, stock)

        with self._timed("decide"):
            verdicts, too_early = await decide_within_stock(connection, asked, program, within)
        await quota.use(connection, shares, issued_by_game(verdicts, shares.quota))
        reach("issuer.after_decide")
        return Decided(
            verdicts=verdicts,
            too_early=too_early,
            unfounded=[each for each in opened.fresh if each.event_key in forged],
            program=program,
        )

    async def _opened(
        self,
        connection: Connection,
        arrivals: Sequence[Incoming],
        asked: Sequence[tuple[Incoming, Needs]],
        waiting: Container[CustomerKey] | None,
    ) -> inbox.Opened:
        manner = self.manner
        return await inbox.open_batch(
            connection, arrivals, places(asked), manner.clock_offset, manner.guard, waiting
        )

    async def record(
        self, connection: Connection, decided: Decided, letters: Sequence[DeadLetter] = ()
    ) -> Sequence[DeadLetter]:
        """Write what was decided, and last of all confirm that the rules used are still in force.

        Returns the letters that are new: of a record that came before there is one already. Raises LostRace, or what a
        constraint raises: roll back, and decide again.
        """
        with self._timed("record"):
            rows = rows_of(decided.verdicts, decided.program, self.manner.writing)
            new_letters = await keep(connection, letters, rows)
            if self._alongside is not None:
                await self._alongside(connection, decided.verdicts, letters, len(new_letters))
            try:
                await write(connection, rows, by_copy=self.manner.by_copy, rules=decided.program)
            except RulesChanged as changed:
                self._programs.forget(changed.games, changed.partners)
                raise
            except asyncpg.UniqueViolationError as error:
                if error.constraint_name in coupons.DRAWN_ONCE:
                    self._has_collided = True
                    raise DrawTaken(str(error)) from error
                raise
        reach("issuer.after_record")
        return new_letters

    async def _draws(
        self, connection: Connection, asked: Sequence[tuple[Incoming, Needs]]
    ) -> Sequence[Sequence[Draw]]:
        """What coupons of these events will be called. After a collision, whether anybody is called so is looked up."""
        drawing = self.manner.drawing
        wanted = [(incoming, wanted.draws) for incoming, wanted in asked]
        draws = drawing.draws_for(wanted)
        taken: set[Draw] = set()
        while self._has_collided:
            met = await coupons.taken(connection, [draw for mine in draws for draw in mine])
            if not met:
                break
            taken |= met
            draws = drawing.draws_for(wanted, taken)
        return draws


class DrawTaken(LostRace):
    """A coupon of another event has this id or code: decide again, and the draw that follows is taken."""


def most_issued(asked: Iterable[tuple[Incoming, Needs]]) -> dict[int, int]:
    """The most coupons that these events can take of each game with a total limit."""
    return Counter(game_id for _, wanted in asked for game_id in wanted.limited)
