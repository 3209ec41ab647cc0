"""The way of one batch: read, lock; in one transaction decide and record; commit and wake the relay.

A crash at any arrow loses nothing: before the commit nothing has happened and the records come again; after it the
decisions stand and the records that come again are repeats.

A batch is a work list of parts. A part that keeps failing is divided, until the guilty record stands alone.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Container, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import asyncpg
from aiokafka import ConsumerRecord

from services.adapters.postgres import passed_over
from services.adapters.postgres.failures import Kind, kind_of
from services.adapters.postgres.passed_over import NobodysRecord
from services.adapters.postgres.pool import waking_relay
from services.decisions.manner import USUAL, Manner
from services.decisions.transaction import Alongside, Deciding
from services.domain.arrival import CustomerKey, Incoming, Verdict, in_deciding_order
from services.domain.decide import MAX_PRODUCER_SKEW
from services.domain.folding import RuleFailed
from services.domain.letters import DeadLetter, Stage
from services.issuer import metrics
from services.issuer.codec import NOTHING_IGNORED, Poison, read_record
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


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of a batch."""

    read: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    new_letters: list[DeadLetter] = field(default_factory=list)
    """Those of the letters whose records have not come before."""
    passed_over: int = 0
    """Records that concern nobody."""

    @property
    def already_decided(self) -> int:
        return self.read - len(self.verdicts) - len(self.letters) - self.passed_over


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is tried in one transaction: events in deciding order, and records that have been given up."""

    arrivals: Sequence[Incoming] = ()
    letters: Sequence[DeadLetter] = ()

    def divided(self, records: Sequence[ConsumerRecord], error: Exception) -> Sequence[Part]:
        """Smaller parts; of a single event the dead letter. Raises `error` for a letter that cannot be kept.

        That would be a bug: stop rather than lose it.
        """
        arrivals, letters = self.arrivals, self.letters
        if arrivals and letters:
            return Part(letters=letters), Part(arrivals=arrivals)
        if len(arrivals) > 1:
            return tuple(Part(arrivals=half) for half in _halves(arrivals))
        if len(letters) > 1:
            return tuple(Part(letters=half) for half in _halves(letters))
        if not arrivals:
            raise error
        stage = Stage.DECIDE if isinstance(error, RuleFailed) else Stage.STORE
        return (Part(letters=[letter_for(records, arrivals[0], stage, error)]),)


class Pipeline:
    """Any number of lanes may run batches through one pipeline."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        locks: Locks,
        manner: Manner = USUAL,
        *,
        alongside: Alongside | None = None,
        ignored: Container[str] = NOTHING_IGNORED,
    ) -> None:
        self._pool = pool
        self._ignored = ignored
        self._locks = locks
        self._deciding = Deciding(manner, alongside=alongside, timed=metrics.step)

    async def process(self, records: Sequence[ConsumerRecord]) -> Report:
        """Decide these records. Raises what an outage raises: present the same records again later.

        After an exception some of them may be decided; presented again, those are repeats.
        """
        report = Report(read=len(records))
        with metrics.step("decode"):
            arrivals, letters, passed = read(records, self._ignored)
        if passed:
            # Before the offsets are committed; met again, they are noted again.
            report.passed_over = len(passed)
            metrics.count_passed_over(await passed_over.note(self._pool, passed))
        parts = deque([Part(arrivals=arrivals, letters=letters)])
        while parts:
            part = parts.popleft()
            if part.arrivals or part.letters:
                error = await self._committed(records, part, report)
                if error is not None:
                    parts.extendleft(reversed(part.divided(records, error)))
        metrics.count(report.read, report.already_decided, report.verdicts, report.new_letters)
        return report

    async def _committed(
        self, records: Sequence[ConsumerRecord], part: Part, report: Report
    ) -> Exception | None:
        """Get a part committed: again after a lost race. Returns why not when it keeps failing."""
        races = faults = 0
        while True:
            try:
                await self._attempt(records, part, report)
                return None
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
                if races >= LOST_RACES_IN_A_ROW or faults >= FAULTS_BEFORE_HALVING:
                    return error

    async def _attempt(self, records: Sequence[ConsumerRecord], part: Part, report: Report) -> None:
        """One try at one transaction."""
        customers = sorted({incoming.customer for incoming in part.arrivals})
        async with self._pool.acquire() as connection, self._locks.held(customers) as are_locked:
            if customers and not are_locked:
                metrics.WITHOUT_LOCKS.inc()
            reach("issuer.after_lock")
            async with waking_relay(connection):
                decided = await self._deciding.decide(connection, part.arrivals)
                early = [
                    letter_for(records, incoming, Stage.TIME, why_too_early(incoming))
                    for incoming in decided.too_early
                ]
                letters = [*part.letters, *early]
                new_letters = await self._deciding.record(connection, decided, letters)
            reach("issuer.after_commit")
        reach("issuer.after_unlock")
        report.verdicts.extend(decided.verdicts)
        report.letters.extend(letters)
        report.new_letters.extend(new_letters)


def read(
    records: Sequence[ConsumerRecord], ignored: Container[str] = NOTHING_IGNORED
) -> tuple[list[Incoming], list[DeadLetter], list[NobodysRecord]]:
    """Events in deciding order, the records that cannot be read, and those that concern nobody."""
    arrivals: list[Incoming] = []
    letters: list[DeadLetter] = []
    passed: list[NobodysRecord] = []
    for record in records:
        found = read_record(record, ignored)
        if isinstance(found, Incoming):
            arrivals.append(found)
        elif isinstance(found, Poison):
            letters.append(letter_from_poison(record, found))
        else:
            passed.append((record.topic, record.partition, found.type, found.reason, record.offset))
    return in_deciding_order(arrivals), letters, passed


def _halves(items: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    middle = len(items) // 2
    return items[:middle], items[middle:]


def why_too_early(incoming: Incoming) -> ValueError:
    """What the dead letter of an event from the future says."""
    limit = int(MAX_PRODUCER_SKEW.total_seconds() // 60)
    return ValueError(
        f"ce_time {incoming.event.occurred_at.isoformat()} is more than {limit} minutes in the future: "
        "set the producer's clock right, then redrive this record"
    )
