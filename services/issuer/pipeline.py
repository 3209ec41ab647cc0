"""The way of one batch: read, lock; in one transaction decide and record; commit and wake the relay.

A crash at any arrow loses nothing: before the commit nothing has happened and the records come again; after it the
decisions stand and the records that come again are repeats.

A batch is a work list of parts. A part that keeps failing is divided, until the guilty record stands alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Container, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import asyncpg
from aiokafka import ConsumerRecord

from services.adapters.postgres import next_offsets, passed_over, reused_ids, waiting
from services.adapters.postgres.failures import Kind, SomebodyWaits, is_timeout, kind_of
from services.adapters.postgres.passed_over import NobodysRecord
from services.adapters.postgres.pool import waking_relay
from services.adapters.postgres.waiting import Aside
from services.decisions.manner import USUAL, Manner
from services.decisions.transaction import Alongside, Deciding
from services.domain.arrival import CustomerKey, Incoming
from services.domain.events import Position
from services.domain.letters import Stage
from services.domain.unjudged import Unjudgeable
from services.issuer import metrics
from services.issuer.aside import let_go, place_of, put_aside, set_aside, tell, why_of
from services.issuer.codec import NOTHING_IGNORED
from services.issuer.letters import letter_for
from services.issuer.letters import tell as tell_letters
from services.issuer.parts import Batch, Part, Report, read, why_too_early, why_unfounded
from services.issuer.speakers import Speakers
from services.runtime.backoff import delays
from services.runtime.crashpoints import reach

LOST_RACES_IN_A_ROW = 8
"""A race is lost to somebody who won, so this many in a row are no race but a fault of the batch."""
FAULTS_BEFORE_HALVING = 2
TIMEOUTS_BEFORE_HALVING = 3
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.005, 0.2
"""Between lost races: who wins needs a moment to be done."""

HURRY = "SET LOCAL lock_timeout = 1000"


def _nothing() -> None:
    """For who does not ask whether work moves."""


log = logging.getLogger(__name__)


class Locks(Protocol):
    """Held around a batch; yields whether the locks were had. Decides nothing."""

    def held(self, customers: Sequence[CustomerKey]) -> AbstractAsyncContextManager[bool]: ...


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
        is_live: bool = False,
    ) -> None:
        self._pool = pool
        self._ignored = ignored
        self._is_live = is_live
        self._locks = locks
        self.speakers = Speakers(pool)
        self.look_first = False
        """Whether records wait, as far as is known: then who comes is asked first whether it waits behind them."""
        self._timeouts = 0
        self._deciding = Deciding(manner, alongside=alongside, timed=metrics.step)

    async def process(
        self,
        records: Sequence[ConsumerRecord],
        moved: Callable[[], None] = _nothing,
        other: str = "",
        last: str = "",
    ) -> Report:
        """Decide these records. Raises what an outage raises: present the same records again later.

        After an exception some of them may be decided; presented again, those are repeats. `moved` is called whenever a
        part of them is done with, or divided; `last` is a statement that commits with the last part, `other` one that
        does with every other.
        """
        report = Report(read=len(records))
        with metrics.step("decode"):
            part, passed = self._read(records)
        if passed:
            # Before the offsets are committed; met again, they are noted again.
            report.passed_over = len(passed)
            metrics.count_passed_over(await passed_over.note(self._pool, passed))
        part = await self.speakers.judged(records, part)
        batch = Batch(records=records, report=report, other=other, last=last)
        await self._work(batch, part, moved)
        if self._is_live and report.already_decided:
            await self._note_reuse(part.arrivals, report)
        metrics.count(report.read, report.already_decided, report.verdicts, report.new_letters)
        if self._is_live:
            tell_letters(report.new_letters)
        return report

    async def again(self, rows: Sequence[asyncpg.Record]) -> int:
        """Try these records that wait, each in its place. Returns how many of them wait no longer.

        Raises what an outage raises, or an error of a letter that cannot be kept.
        """
        records = [waiting.record_of(row) for row in rows]
        held = {place_of(record): row["place"] for record, row in zip(records, rows, strict=True)}
        report = Report(read=len(records))
        part, passed = self._read(records)
        if passed:
            metrics.count_passed_over(await passed_over.note(self._pool, passed))
            gone = [
                Position(topic=topic, partition=partition, offset=offset)
                for topic, partition, _type, _reason, offset in passed
            ]
            async with self._pool.acquire() as connection:
                await waiting.remove(connection, [held[position] for position in gone])
        part = await self.speakers.judged(records, part)
        await self._work(Batch(records=records, report=report, held=held, hurried=True), part)
        metrics.count(0, 0, report.verdicts, report.new_letters)
        tell_letters(report.new_letters)
        return len(records) - len(report.waiting)

    async def _note_reuse(self, arrivals: Sequence[Incoming], report: Report) -> None:
        """Repeats change nothing; one that speaks of somebody else is a producer's fault, and counted."""
        handled = {verdict.incoming.position for verdict in report.verdicts}
        handled |= {letter.position for letter in report.letters} | set(report.waiting)
        repeats = [incoming for incoming in arrivals if incoming.position not in handled]
        metrics.IDS_REUSED.inc(await reused_ids.note(self._pool, repeats) if repeats else 0)

    def _read(self, records: Sequence[ConsumerRecord]) -> tuple[Part, Sequence[NobodysRecord]]:
        asides: list[Aside] = []

        def failed(record: ConsumerRecord, error: Exception) -> None:
            why, todo = why_of(error)
            asides.append(Aside(record=record, why=why, todo=todo))

        arrivals, letters, passed = read(records, self._ignored, failed)
        return Part(arrivals=arrivals, letters=letters, asides=asides), passed

    async def _work(self, batch: Batch, whole: Part, moved: Callable[[], None] = _nothing) -> None:
        """Get all of it committed, in parts if need be."""
        if batch.last and not whole:
            await next_offsets.note(self._pool, batch.last)
        parts = deque([whole] if whole else ())
        while parts:
            part = parts.popleft()
            error = await self._committed(batch, part, batch.other if parts else batch.last)
            if error is not None:
                batch.hurried |= isinstance(error, asyncpg.LockNotAvailableError)
                smaller = part.divided(batch.records, error)
                parts.extendleft(reversed([some for some in smaller if some]))
            moved()
        self._timeouts = 0

    async def _committed(self, batch: Batch, part: Part, last: str) -> Exception | None:
        """Get a part committed, and `last` with it: again after a lost race. Returns why not when it keeps failing."""
        races = faults = 0
        waits = delays(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while True:
            try:
                await self._attempt(batch, part, last)
                return None
            except Unjudgeable as error:
                log.debug("some events cannot be judged: %s", error)
                return error
            except SomebodyWaits:
                self.look_first = True
            except Exception as error:
                next_offsets.raise_if_gone_back(error)
                kind = kind_of(error)
                if self._is_to_divide(error):
                    # At once: it has taken its time.
                    log.warning("a batch of %d timed out: %s", len(part.arrivals), error)
                    return error
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
                if races > 1:
                    await asyncio.sleep(next(waits))

    def _is_to_divide(self, error: Exception) -> bool:
        """A server that says that it timed out is there; one that says nothing is away, unless that goes on and on."""
        if is_timeout(error):
            return True
        self._timeouts += isinstance(error, TimeoutError)
        return isinstance(error, TimeoutError) and self._timeouts > TIMEOUTS_BEFORE_HALVING

    async def _attempt(self, batch: Batch, part: Part, last: str) -> None:
        """One try at one transaction."""
        records, report, held = batch.records, batch.report, batch.held
        arrivals, letters, asides = part.arrivals, part.letters, list(part.asides)
        customers = sorted({incoming.customer for incoming in arrivals})
        async with self._pool.acquire() as connection, self._locks.held(customers) as are_locked:
            if customers and not are_locked:
                metrics.WITHOUT_LOCKS.inc()
            reach("issuer.after_lock")
            known: Container[CustomerKey] | None = None  # whoever waits
            if held is None and self.look_first and arrivals:
                queues = await waiting.queues_of(connection, customers)
                arrivals, behind = set_aside(records, arrivals, lambda _: None, queues)
                asides += behind
                known = {customer for customer, _ in queues}
            elif held is None:
                known = ()
            async with waking_relay(connection, last):
                if batch.hurried:
                    await connection.execute(HURRY)
                if held is not None:
                    mine = await waiting.hold(connection, list(held.values()))
                    arrivals = [one for one in arrivals if held[one.position] in mine]
                    letters = [one for one in letters if held[one.position] in mine]
                    asides = [one for one in asides if held[place_of(one.record)] in mine]
                decided = await self._deciding.decide(connection, arrivals, known)
                early = [
                    letter_for(records, incoming, Stage.TIME, why_too_early(incoming))
                    for incoming in decided.too_early
                ]
                forged = [
                    letter_for(records, incoming, Stage.SOURCE, why_unfounded(incoming))
                    for incoming in decided.unfounded
                ]
                if asides:
                    await put_aside(connection, asides)
                if held is not None:
                    done = [one.position for one in arrivals] + [one.position for one in letters]
                    await let_go(connection, [held[position] for position in done])
                letters = [*letters, *early, *forged]
                new_letters = await self._deciding.record(connection, decided, letters)
            reach("issuer.after_commit")
        reach("issuer.after_unlock")
        if asides:
            self.look_first = True
            if held is None:
                tell(asides)
        report.verdicts.extend(decided.verdicts)
        report.letters.extend(letters)
        report.new_letters.extend(new_letters)
        report.waiting.extend(place_of(aside.record) for aside in asides)
