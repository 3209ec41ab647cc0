"""Try dead letters again, through the same pipeline: each letter once per operation, whatever is killed when.

What becomes of a letter commits together with the decision of its event. An event that has been decided meanwhile
closes its letter without another look, also when the record itself still cannot be read. A discarded letter that was
emptied since (see `sweeper/retention`) cannot be tried: asked for by its id it is refused, by a filter passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg

from services.adapters.postgres import dead_letters, operations
from services.adapters.postgres.dead_letters import Selection
from services.adapters.postgres.operations import Operation
from services.adapters.postgres.pool import Connection, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.decisions.manner import Manner
from services.domain.arrival import Verdict
from services.domain.decision import Outcome
from services.domain.events import Position
from services.domain.letters import DeadLetter
from services.issuer.pipeline import Pipeline
from services.repair.bulk import begin_or_resume, resumable, through_outages
from services.repair.dead_letters.filters import from_request
from services.repair.dead_letters.shown import record_of
from services.repair.rehearsal import DryRun
from services.repair.replay.result import counts_of, declined_by_reason
from services.runtime.crashpoints import reach
from services.runtime.settings import Settings, require_code_secret, required
from services.terminal.addresses import postgres, reaching_postgres
from services.terminal.output import CommandError, plain, progress
from services.terminal.pace import PROGRESS_SECONDS, Pace, Tick

NAME = "redrive"
DEFAULT_PER_SECOND = 1_000
"""Each costs as much as a new event: less than a tenth of what an issuer does."""
PAGE = 500
PAGE_BYTES = 8 * 1024 * 1024

Letters = Sequence[asyncpg.Record]
Redrive = Callable[[Letters], Awaitable[Counter[str]]]
"""Deal with these letters; how many are `decided`, `already_decided` and `dead` again, and see `counts_of`."""


async def run(
    settings: Settings,
    request: Mapping[str, Any],
    per_second: int | None,
    *,
    dry_run: bool,
    resume: bool,
    reason: str | None,
) -> dict[str, Any]:
    """The whole of `dead-letters redrive`, and its report. Raises CommandError or SettingsError."""
    required(settings, "postgres_dsn", "redis_url")
    if not dry_run:
        require_code_secret(settings)
    page = min(PAGE, settings.batch_max_records)
    read_only = "on" if dry_run else "off"
    async with postgres(settings, NAME, default_transaction_read_only=read_only) as connection:
        if dry_run:
            selection = redrivable(await from_request(settings, connection, request))
            await _require_whole(connection, selection)
            rehearse = dry_run_of(settings, connection)
            counts = await redrive_all(connection, selection, rehearse, page=page, per_second=None)
            return _report(counts)

        async def at_first() -> dict[str, Any]:
            selection = redrivable(await from_request(settings, connection, request))
            await _require_whole(connection, selection)
            return {}

        operation = await begin_or_resume(
            connection, NAME, request=request, resume=resume, reason=reason, at_first=at_first
        )
        selection = redrivable(await from_request(settings, connection, operation.request))
        with resumable(f"dead-letters {NAME}"), reaching_postgres(settings):
            async with redriver_of(settings, connection, operation) as redrive:
                await redrive_all(
                    connection, selection, redrive,
                    page=page, per_second=per_second, operation=operation,
                )  # fmt: skip
            await operations.finish(connection, operation)
        return _report(operation.counts, operation)


def _report(counts: Mapping[str, int], operation: Operation | None = None) -> dict[str, Any]:
    """`matched` is the sum of the three after it; `newly_…` say what the decisions were."""
    fates = {name: counts.get(name, 0) for name in ("decided", "already_decided", "dead")}
    report: dict[str, Any] = {"matched": sum(fates.values()), **fates, "dry_run": operation is None}
    report |= {f"newly_{outcome}": counts.get(outcome, 0) for outcome in Outcome}
    report["declined"] = declined_by_reason(counts)
    if operation is not None:
        report |= {"operation": operation.id, "resumed": operation.resumed}
    return report


def redrivable(selection: Selection) -> Selection:
    """Open letters; discarded ones where they are asked for, by state or by id."""
    possible = ["open"] if selection.ids is None else ["open", "discarded"]
    if selection.states is not None:
        possible = [state for state in selection.states if state in ("open", "discarded")]
    return replace(selection, states=possible)


async def _require_whole(connection: Connection, selection: Selection) -> None:
    """Raises CommandError for a letter that is named by its id and empty."""
    for id_ in selection.ids or ():
        only = replace(selection, ids=[id_])
        for row in await dead_letters.page(connection, only, after=0, limit=1):
            if row["emptied_at"] is not None:
                raise CommandError(
                    f"dead letter {id_} cannot be tried again: what its record said is gone since"
                    f" {plain(row['emptied_at'])} (COUPONRY_DEAD_LETTER_RETENTION_DAYS); if topic {row['topic']} still"
                    f" has it at {row['partition']}:{row['offset']}, `couponry replay` reads it there, else have its"
                    " producer send it again"
                )


async def redrive_all(
    connection: Connection,
    selection: Selection,
    redrive: Redrive,
    *,
    page: int,
    per_second: int | None,
    operation: Operation | None = None,
) -> Counter[str]:
    """Everything the selection lets through, oldest first. Returns what this process did."""
    counts: Counter[str] = Counter()
    pace, telling = Pace(per_second), Tick(PROGRESS_SECONDS)
    not_by = None if operation is None else operation.id
    after = empty = 0
    while found := await dead_letters.page(
        connection, selection, after=after, limit=page, not_by=not_by
    ):
        after = found[-1]["id"]
        whole = [row for row in found if row["emptied_at"] is None]
        empty += len(found) - len(whole)
        for ids in _portions(whole):
            await pace.take(len(ids))
            letters = await dead_letters.whole(connection, ids)
            counts += await redrive([row for row in letters if row["emptied_at"] is None])
            reach("redrive.after_portion")
            if telling.is_due():
                done = sum(counts[name] for name in ("decided", "already_decided", "dead"))
                progress(f"redrive: {done:,} letters, {counts['dead']:,} of them dead again")
    if empty:
        progress(f"redrive: {empty:,} letters passed over, what their records said is gone")
    return counts


def _portions(found: Letters) -> Iterator[list[int]]:
    """Ids of letters that together have a bearable size."""
    ids: list[int] = []
    size = 0
    for row in found:
        if ids and size + row["bytes"] > PAGE_BYTES:
            yield ids
            ids, size = [], 0
        ids.append(row["id"])
        size += row["bytes"]
    if ids:
        yield ids


class Redriver:
    """Owns the pipeline of one operation."""

    def __init__(
        self,
        connection: Connection,
        operation: Operation,
        settings: Settings,
        pool: asyncpg.Pool,
        locks: CustomerLocks,
    ) -> None:
        self._connection = connection
        self._operation = operation
        self._by_position: dict[Position, int] = {}
        self._pipeline = Pipeline(
            pool,
            locks,
            Manner.by(settings),
            alongside=self._alongside,
            ignored=settings.ignored_types,
        )

    async def redrive(self, letters: Letters) -> Counter[str]:
        """For real."""
        closed = await dead_letters.decided_meanwhile(self._connection, letters)
        rest = [row for row in letters if row["id"] not in closed]
        self._by_position = {dead_letters.position_of(row): row["id"] for row in rest}
        records = [record_of(row) for row in rest]
        report = await through_outages(lambda: self._pipeline.process(records))
        reach("redrive.after_decision")
        handled = {verdict.incoming.position for verdict in report.verdicts}
        handled |= {letter.position for letter in report.letters}
        handled |= set(report.waiting)  # its letter stays until it is decided
        # The others are repeats, perhaps of one another, or concern nobody by now.
        closed |= {id_ for position, id_ in self._by_position.items() if position not in handled}
        counts = Counter(already_decided=await self._close(closed), dead=len(report.letters))
        return counts + Counter(decided=len(report.verdicts)) + counts_of(report.verdicts)

    async def _close(self, ids: Collection[int]) -> int:
        async with self._connection.transaction():
            number = await dead_letters.close(
                self._connection, self._operation.id, ids, "already_decided"
            )
            await operations.add_counts(
                self._connection, self._operation, {"already_decided": number}
            )
        return number

    async def _alongside(
        self,
        connection: Connection,
        verdicts: Sequence[Verdict],
        letters: Sequence[DeadLetter],
        _new_letters: int,
    ) -> None:
        """The letters' fate, in the transaction of the decisions."""
        operation_id = self._operation.id
        ids = [self._by_position[verdict.incoming.position] for verdict in verdicts]
        decided = await dead_letters.close(connection, operation_id, ids, "decided", tried=True)
        again = {self._by_position[letter.position]: letter for letter in letters}
        dead = await dead_letters.died_again(connection, operation_id, again)
        counts = counts_of(verdicts) + Counter(decided=decided, dead=dead)
        await operations.add_counts(connection, self._operation, counts)


@asynccontextmanager
async def redriver_of(
    settings: Settings, connection: Connection, operation: Operation
) -> AsyncIterator[Redrive]:
    """The issuer's pipeline for one operation."""
    pool = await open_pool(settings, "couponry-redrive", enable_seqscan="off")
    locks = CustomerLocks(settings)
    try:
        yield Redriver(connection, operation, settings, pool, locks).redrive
    finally:
        await locks.close()
        pool.terminate()


def dry_run_of(settings: Settings, connection: Connection) -> Redrive:
    """What a redrive would do, in memory."""
    dry = DryRun(connection, clock_offset=settings.clock_offset, ignored=settings.ignored_types)

    async def redrive(letters: Letters) -> Counter[str]:
        closed = await dead_letters.decided_meanwhile(connection, letters)
        report = await dry.process([record_of(row) for row in letters if row["id"] not in closed])
        return counts_of(report.verdicts) + Counter(
            decided=len(report.verdicts),
            already_decided=len(closed) + report.already_decided + report.passed_over,
            dead=len(report.letters),
        )

    return redrive
