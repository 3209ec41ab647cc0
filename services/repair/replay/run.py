"""Read a span of a topic, batch by batch, through recognition and the pipeline.

For real: the pipeline as the issuer has it, locks and all. What is counted of its decisions commits with them; how far
the reading has come is kept every second, together with what was counted of reading. So whenever a replay is killed,
the resumed one reads up to a second of records again, and still counts every record once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from services.adapters.draws import Drawing
from services.adapters.postgres import operations
from services.adapters.postgres.operations import Operation
from services.adapters.postgres.pool import Connection, open_pool
from services.adapters.postgres.queries import queries
from services.adapters.records import read_parts
from services.adapters.redis_locks import CustomerLocks
from services.decisions.manner import Manner
from services.domain.arrival import Verdict
from services.domain.decision import Outcome
from services.domain.letters import DeadLetter
from services.issuer.pipeline import Pipeline
from services.repair.bulk import through_outages
from services.repair.rehearsal import DryRun
from services.repair.replay.recognition import unrecognised
from services.repair.replay.result import counts_of
from services.repair.replay.span import Span
from services.runtime.crashpoints import reach
from services.runtime.settings import Settings
from services.terminal.output import progress
from services.terminal.pace import PROGRESS_SECONDS, Pace, Tick

BESIDE_LIVE_PER_SECOND = 5_000
"""Without --rate, while anybody else decides events. A record met again costs a sixth of a new one, so this takes less
than a tenth of a machine that issues 13,000 a second. While nobody else decides there is no limit."""
BATCHES_PER_SECOND = 10
"""Of a replay with a limit: many small steps rather than a few that others would feel."""
CHECKPOINT_SECONDS = 1.0
COUNTED_OF_READING = ("read", "dead", "passed_over", "waiting")

_SQL = queries("replay", __package__)

Decide = Callable[[Sequence[ConsumerRecord]], Awaitable[Counter[str]]]
"""Decide records that were not recognised; what came of them, see `counts_of`, and how many are `dead`."""


class Reading:
    """One pass over a span. `counts` are of this process, whatever an earlier one of the same operation counted."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        span: Span,
        *,
        rate: int | None = None,
        operation: Operation | None = None,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._span = span
        self._rate = rate
        self._operation = operation
        self._live = LiveTraffic(connection)
        self._unsaved: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    async def run(self, consumer: AIOKafkaConsumer, decide: Decide) -> None:
        """Read to the end. Raises what an outage raises; what was done until then is kept."""
        pace = Pace()
        checkpoint, telling = Tick(CHECKPOINT_SECONDS), Tick(PROGRESS_SECONDS)
        starts, ends = (
            self._span.by_partition(self._span.next),
            self._span.by_partition(self._span.ends),
        )
        async for records in read_parts(consumer, starts, ends):
            done = 0
            while done < len(records):
                pace.per_second = await self._limit()
                batch = records[done : done + self._batch_size(pace.per_second)]
                await pace.take(len(batch))
                await self._take(batch, decide)
                done += len(batch)
                reach("replay.after_batch")
                if checkpoint.is_due():
                    await self._save()
                if telling.is_due():
                    progress(
                        f"replay: {self.counts['read']:,} records read, {self._decided:,} decided"
                    )
        await self._save()

    @property
    def _decided(self) -> int:
        return sum(self.counts[outcome] for outcome in Outcome)

    def _batch_size(self, per_second: int | None) -> int:
        most = self._settings.batch_max_records
        return min(most, max(1, per_second // BATCHES_PER_SECOND)) if per_second else most

    async def _limit(self) -> int | None:
        """Records per second at this moment; None: as many as there are."""
        if self._rate is not None:
            return self._rate or None
        return BESIDE_LIVE_PER_SECOND if await self._live.is_there(self._decided) else None

    async def _take(self, batch: Sequence[ConsumerRecord], decide: Decide) -> None:
        fresh = await unrecognised(self._connection, batch)
        came = await decide(fresh) if fresh else Counter()
        came["read"] = len(batch)
        self.counts += came
        self._unsaved += Counter({name: came[name] for name in COUNTED_OF_READING})
        for record in batch:
            self._span.next[record.partition] = record.offset + 1

    async def _save(self) -> None:
        if self._operation is None:
            return
        self._operation.progress = self._span.as_progress()
        async with self._connection.transaction():
            await operations.move(self._connection, self._operation)
            await operations.add_counts(self._connection, self._operation, self._unsaved)
        self._unsaved.clear()


class LiveTraffic:
    """Whether anybody else decides events: looked at once a second, and assumed until then."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tick = Tick(1.0)
        self._is_there = True
        self._others: int | None = None

    async def is_there(self, own_decisions: int) -> bool:
        """`own_decisions`: how many of this run are in the database by now."""
        if self._others is None or self._tick.is_due():
            last: int = await self._connection.fetchval(_SQL["last_decision"])
            others = last - own_decisions
            if self._others is not None:
                self._is_there = others > self._others
            self._others = others
        return self._is_there


@asynccontextmanager
async def pipeline_of(settings: Settings, operation: Operation) -> AsyncIterator[Decide]:
    """The issuer's pipeline; what it decides is counted for the operation, and its open letters are closed."""

    async def alongside(
        connection: Connection,
        verdicts: Sequence[Verdict],
        _letters: Sequence[DeadLetter],
        new_letters: int,
    ) -> None:
        await operations.add_counts(connection, operation, counts_of(verdicts, new_letters))
        positions = [verdict.incoming.position for verdict in verdicts]
        await connection.execute(
            _SQL["close_letters"],
            [position.topic for position in positions],
            [position.partition for position in positions],
            [position.offset for position in positions],
        )

    pool = await open_pool(settings, "couponry-replay", enable_seqscan="off")
    locks = CustomerLocks(settings)
    pipeline = Pipeline(
        pool,
        locks,
        Manner.by(settings),
        alongside=alongside,
        ignored=settings.ignored_types,
    )

    async def decide(records: Sequence[ConsumerRecord]) -> Counter[str]:
        report = await through_outages(lambda: pipeline.process(records))
        return counts_of(report.verdicts) + Counter(
            dead=len(report.letters),
            passed_over=report.passed_over,
            waiting=len(report.waiting),
        )

    try:
        yield decide
    finally:
        await locks.close()
        pool.terminate()


def dry_run_of(settings: Settings, connection: Connection) -> Decide:
    """The same in memory."""
    dry = DryRun(
        connection,
        clock_offset=settings.clock_offset,
        ignored=settings.ignored_types,
        drawing=Drawing(settings.drawing_secret),
    )

    async def decide(records: Sequence[ConsumerRecord]) -> Counter[str]:
        report = await dry.process(records)
        new_letters = await dry.new_letters(report.letters)
        return counts_of(report.verdicts, new_letters) + Counter(
            dead=len(report.letters),
            passed_over=report.passed_over,
            waiting=len(report.waiting),
        )

    return decide
