"""The way of one batch: read, drop what is decided, lock; in one transaction load, decide, record; wake the relay.

A crash at any arrow loses nothing: before the commit nothing has happened and the records come again; after it the
decisions stand and the records that come again are repeats.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

import asyncpg
from aiokafka import ConsumerRecord

from services.adapters.draws import draws
from services.adapters.postgres import inbox, quota, states
from services.adapters.postgres.failures import Kind, kind_of
from services.adapters.postgres.pool import WAKE_RELAY, Connection
from services.adapters.postgres.recording import record
from services.adapters.postgres.rows import PLAIN, Writing
from services.decisions.programs import Programs, capped
from services.domain.arrival import CustomerKey, Incoming, Verdict, in_deciding_order
from services.domain.decide import MAX_PRODUCER_SKEW, draws_needed
from services.domain.folding import RuleFailed, decide_batch, issued_by_game
from services.domain.letters import DeadLetter, Stage
from services.domain.program import Program
from services.issuer import metrics
from services.issuer.codec import Poison, read_record
from services.issuer.letters import letter_for, letter_from_poison
from services.runtime.crashpoints import reach

LOST_RACES_IN_A_ROW = 8
"""A race is lost to somebody who won, so this many in a row are no race but a fault of the batch."""
FAULTS_BEFORE_HALVING = 2

T = TypeVar("T")

log = logging.getLogger(__name__)


class Locks(Protocol):
    """Held around a batch; yields whether the locks were had. Decides nothing."""

    def held(self, customers: Sequence[CustomerKey]) -> AbstractAsyncContextManager[bool]: ...


Alongside = Callable[[Connection, Sequence[Verdict], Sequence[DeadLetter], int], Awaitable[None]]
"""Runs in the transaction that records a batch, or a part of one: given its connection, the verdicts, the dead letters
and how many of those are new. What it writes commits with them or not at all."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of a batch."""

    read: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    @property
    def already_decided(self) -> int:
        return self.read - len(self.verdicts) - len(self.letters)


NO_PROGRAM = Program()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The verdicts on a batch, the events that nobody can judge yet, and the rules used."""

    verdicts: Sequence[Verdict] = ()
    too_early: Sequence[Incoming] = ()
    program: Program = NO_PROGRAM


class Pipeline:
    """Any number of lanes may run batches through one pipeline. Owns a cache of games, checked at every commit."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        locks: Locks,
        *,
        clock_offset: timedelta = timedelta(),
        writing: Writing = PLAIN,
        alongside: Alongside | None = None,
    ) -> None:
        self._pool = pool
        self._locks = locks
        self._clock_offset = clock_offset
        self._writing = writing
        self._alongside = alongside
        self._programs = Programs()

    async def process(self, records: Sequence[ConsumerRecord]) -> Report:
        """Decide these records. Raises what an outage raises: present the same records again later.

        After an exception some of them may be decided; presented again, those are repeats.
        """
        report = Report(read=len(records))
        with metrics.step("decode"):
            arrivals, letters = read(records)
        await self._settle(records, arrivals, letters, report)
        metrics.count(report)
        return report

    async def _settle(
        self,
        records: Sequence[ConsumerRecord],
        arrivals: list[Incoming],
        letters: list[DeadLetter],
        report: Report,
    ) -> None:
        """Get this part of a batch committed: again after a lost race, halved when it keeps failing."""
        if not arrivals and not letters:
            return
        races = faults = 0
        while True:
            try:
                await self._attempt(records, arrivals, letters, report)
                return
            except Exception as error:
                kind = kind_of(error)
                if kind is Kind.OUTAGE:
                    raise
                if kind is Kind.LOST_RACE:
                    races += 1
                    metrics.LOST_RACES.inc()
                    log.info("lost a race, deciding again: %s", error)
                else:
                    faults += 1
                    log.warning("a batch failed (%s: %s)", type(error).__name__, error)
                if races < LOST_RACES_IN_A_ROW and faults < FAULTS_BEFORE_HALVING:
                    continue
                if arrivals and letters:
                    parts = [([], letters), (arrivals, [])]
                elif len(arrivals) > 1:
                    parts = [(half, []) for half in _halves(arrivals)]
                elif len(letters) > 1:
                    parts = [([], half) for half in _halves(letters)]
                elif arrivals:
                    stage = Stage.DECIDE if isinstance(error, RuleFailed) else Stage.STORE
                    parts = [([], [letter_for(records, arrivals[0], stage, error)])]
                else:
                    raise  # a dead letter that cannot be kept is a bug: stop rather than lose it
            for some_arrivals, some_letters in parts:
                await self._settle(records, some_arrivals, some_letters, report)
            return

    async def _attempt(
        self,
        records: Sequence[ConsumerRecord],
        arrivals: list[Incoming],
        letters: list[DeadLetter],
        report: Report,
    ) -> None:
        """One try at one transaction."""
        async with self._pool.acquire() as connection:
            with metrics.step("absorb"):
                fresh = await inbox.undecided(connection, arrivals) if arrivals else []
            if not fresh and not letters:
                return
            customers = sorted({one.customer for one in fresh})
            async with self._locks.held(customers) as had:
                if customers and not had:
                    metrics.WITHOUT_LOCKS.inc()
                reach("issuer.after_lock")
                async with connection.transaction():
                    decided = await self._decide(connection, fresh, customers)
                    early = [
                        letter_for(records, one, Stage.TIME, why_too_early(one))
                        for one in decided.too_early
                    ]
                    with metrics.step("record"):
                        await self._record(connection, decided, [*letters, *early])
                    reach("issuer.after_record")
                reach("issuer.after_commit")
                await connection.execute(WAKE_RELAY)
                reach("issuer.after_wake")
        report.verdicts.extend(decided.verdicts)
        report.letters.extend([*letters, *early])

    async def _record(
        self, connection: Connection, decided: Decided, letters: Sequence[DeadLetter]
    ) -> None:
        """Write, and last of all make sure that the rules used are still in force."""
        new_letters = await record(
            connection, decided.verdicts, decided.program, letters, self._writing
        )
        if self._alongside is not None:
            await self._alongside(connection, decided.verdicts, letters, new_letters)
        await self._programs.confirm(connection, decided.program)

    async def _decide(
        self,
        connection: Connection,
        arrivals: list[Incoming],
        customers: Sequence[CustomerKey],
    ) -> Decided:
        """Lock, load, decide: the customers' rows first, since they serialise everything read after."""
        if not arrivals:
            return Decided()
        with metrics.step("load"):
            locked = await inbox.lock_customers(connection, customers, self._clock_offset)
            redeemed = await states.redeemed_by_orders(connection, arrivals, locked)
            program = await self._programs.load(
                connection, arrivals, {row["game_id"] for row in redeemed}
            )
            known = await states.load_states(connection, arrivals, program, locked, redeemed)
            shares = await quota.hold(connection, capped(program, arrivals))
        reach("issuer.after_load")
        with metrics.step("decide"):
            drawn = draws(sum(draws_needed(one.event, program) for one in arrivals))
            verdicts, too_early = decide_batch(
                arrivals, program, known, locked, shares.quota, drawn
            )
        await quota.use(connection, shares, issued_by_game(verdicts, shares.quota))
        reach("issuer.after_decide")
        return Decided(verdicts=verdicts, too_early=too_early, program=program)


def read(records: Sequence[ConsumerRecord]) -> tuple[list[Incoming], list[DeadLetter]]:
    """Events in deciding order, and the records that cannot be read."""
    incoming: list[Incoming] = []
    letters: list[DeadLetter] = []
    for raw in records:
        one = read_record(raw)
        if isinstance(one, Poison):
            letters.append(letter_from_poison(raw, one))
        else:
            incoming.append(one)
    return in_deciding_order(incoming), letters


def _halves(items: list[T]) -> tuple[list[T], list[T]]:
    middle = len(items) // 2
    return items[:middle], items[middle:]


def why_too_early(one: Incoming) -> ValueError:
    """What the dead letter of an event from the future says."""
    limit = int(MAX_PRODUCER_SKEW.total_seconds() // 60)
    return ValueError(
        f"ce_time {one.event.occurred_at.isoformat()} is more than {limit} minutes in the future: "
        "set the producer's clock right, then redrive this record"
    )
