"""One timed run of one contestant, the same for all that are services.

Empty tables, the group at the topic's end, processes up and joined; a small warm-up load until its coupons are
readable; then the load is written behind the held-back mark, and the clock runs from its release until the last
expected `coupon.issued` is readable. CPU is counted over the same interval.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from bench.children import Child, Command, running
from bench.meter import Meter, peak_mb, per_thousand
from bench.reader import Reader, following
from bench.release import held_back, joined, load
from bench.stage import Stage
from bench.workload import Workload, make_workload

WARM_UP_RECORDS = 400
WARM_UP_SECONDS = 60.0
LIMIT_SECONDS_PER_RUN = 300.0
WATCHER = "benchmark"
"""Label of this very process: it notes offsets while a service runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A contestant that runs as processes. `members`: how many consumers join its group."""

    name: str
    commands: tuple[Command, ...]
    environment: Callable[[Stage], dict[str, str]]
    group: Callable[[Stage], str]
    members: int
    publishes_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run. `rate` is decided events per second; `issued` the coupons that became readable."""

    contestant: str
    events: int
    seconds: float
    issued: int
    cpu_per_thousand: dict[str, float] = field(default_factory=dict)
    peak_mb: float | None = None

    @property
    def rate(self) -> float:
        return self.events / self.seconds


async def nothing(reader: Reader, due: int) -> None:
    """No company."""


class WrongOutcome(Exception):
    """A contestant published another number of coupons than the workload is worth: its time means nothing."""


async def run_service(
    stage: Stage,
    service: Service,
    workload: Workload,
    *,
    warm_up_records: int = WARM_UP_RECORDS,
    during: Callable[[Reader, int], Coroutine[Any, Any, None]] = nothing,
) -> Sample:
    """One run; `during` accompanies it, given the reader and the number of coupons due.

    Raises WrongOutcome, NotFinished, ChildEnded or TimeoutError; the processes are stopped in any case.
    """
    due = len(workload.issued())
    group = service.group(stage)
    await stage.forget_the_past(group)
    async with (
        following(stage, stage.issued) as reader,
        running(service.commands, service.environment(stage), stage.logs) as children,
    ):
        check = checking(stage, children)
        await joined(stage, group, service.members, check)
        await _warm_up(stage, reader, check, warm_up_records)
        pids = [*stage.server_pids(), *((child.label, child.pid) for child in children)]
        async with held_back(stage):
            await load(stage, workload)
            await stage.owner.execute("CHECKPOINT")
            meter = Meter([*pids, (WATCHER, os.getpid())])
            began = time.perf_counter()
        companion = asyncio.create_task(during(reader, due))
        try:
            finish = await reader.finish(
                due, meter=meter, deadline=began + LIMIT_SECONDS_PER_RUN, check=check
            )
            await companion
        finally:
            companion.cancel()
        if finish.distinct != due or (service.publishes_once and finish.messages != due):
            raise WrongOutcome(
                f"{service.name}: {due} coupons due, {finish.messages} messages with"
                f" {finish.distinct} different ids"
            )
        events = len(workload.decided())
        return Sample(
            contestant=service.name,
            events=events,
            seconds=finish.at - began,
            issued=finish.distinct,
            cpu_per_thousand=per_thousand(finish.cpu_seconds, events),
            peak_mb=max(peak_mb(child.pid) for child in children if child.label != "relay"),
        )


async def _warm_up(stage: Stage, reader: Reader, check: Callable[[], None], records: int) -> None:
    warm_up = make_workload(records, name="warm-up")
    await load(stage, warm_up)
    await reader.finish(
        len(warm_up.issued()),
        meter=Meter([]),
        deadline=time.perf_counter() + WARM_UP_SECONDS,
        check=check,
    )


def checking(stage: Stage, children: list[Child]) -> Callable[[], None]:
    """A check that raises once a process of this run, or a server, is gone."""

    def check() -> None:
        stage.check_servers()
        for child in children:
            child.check()

    return check
