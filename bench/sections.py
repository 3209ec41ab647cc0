"""The parts of a run: throughput of all contestants in interleaved rounds, latency, a large backlog, growth."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from aiokafka.errors import KafkaError

from bench import race
from bench.children import ChildEnded
from bench.growth import CheckpointOutside, grown, run_grown
from bench.latency import measure_latency
from bench.race import Sample, WrongOutcome, run_service
from bench.raw import RAW, consume_and_decode
from bench.reader import NotFinished
from bench.results import Results
from bench.services import BARE_PUBLISH, SERVICES
from bench.stage import Stage
from bench.workload import Workload, make_workload

CONTESTANTS = (*SERVICES, *RAW)
SECTIONS = ("throughput", "latency", "lag", "growth")
WARM_UP_RECORDS = 100_000
FAILURES = (KafkaError, ChildEnded, NotFinished, WrongOutcome, CheckpointOutside, TimeoutError)
"""What ends one contestant's run and not the others'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything. `events` by contestant: enough for about ten seconds each."""

    rounds: int
    warm_up_records: int = race.WARM_UP_RECORDS
    events: dict[str, int]
    latency_service: str = "couponry-1"
    latency_rate: int
    latency_seconds: float
    lag: int
    growth_service: str = "couponry-2"
    growth_sizes: tuple[int, ...]
    growth_events: int


FULL = Plan(
    rounds=3,
    events={
        "couponry-1": 150_000,
        "couponry-2": 150_000,
        "faststream-1": 1_500,
        "faststream-16": 4_000,
        "handwritten": 30_000,
        "consume+decode": 400_000,
        "copy-1": 300_000,
        "copy-2": 300_000,
    },
    latency_rate=1_000,
    latency_seconds=30,
    lag=1_000_000,
    growth_sizes=(10_000, 1_000_000, 5_000_000),
    growth_events=600_000,
)
QUICK = Plan(
    rounds=1,
    warm_up_records=40,  # 400 take the slowest ones longer than all the rest
    events={
        "couponry-1": 2_000,
        "couponry-2": 2_000,
        "faststream-1": 100,
        "faststream-16": 300,
        "handwritten": 1_000,
        "consume+decode": 2_000,
        "copy-1": 4_000,
        "copy-2": 4_000,
    },
    latency_rate=200,
    latency_seconds=2,
    lag=5_000,
    growth_sizes=(1_000, 3_000),
    growth_events=5_000,
)
Progress = Callable[[str], None]


async def throughput(
    stage: Stage, plan: Plan, chosen: Collection[str], results: Results, progress: Progress
) -> None:
    """Every round runs every contestant, every second round in reverse order."""
    workload = make_workload(max(plan.events[name] for name in chosen))
    await _warm_up(stage, workload)
    for number in range(plan.rounds):
        for name in list(chosen)[:: -1 if number % 2 else 1]:
            progress(f"throughput: round {number + 1} of {plan.rounds}, {name}")
            try:
                sample = await _run(stage, plan, name, workload.first(plan.events[name]))
                results.samples.append(sample)
                progress(f"  {sample.rate:,.0f} events/s in {sample.seconds:.1f} s")
            except FAILURES as error:
                results.failures.append(f"{name}, round {number + 1}: {error}")


async def _warm_up(stage: Stage, workload: Workload) -> None:
    """Not counted: the broker's code is compiled while it runs, and the first contestant would pay for it."""
    await consume_and_decode(stage, workload.first(WARM_UP_RECORDS))


async def _run(stage: Stage, plan: Plan, name: str, workload: Workload) -> Sample:
    await stage.reset()
    if name in RAW:
        return await RAW[name](stage, workload)
    return await run_service(stage, SERVICES[name], workload, warm_up_records=plan.warm_up_records)


async def latency(stage: Stage, plan: Plan, results: Results, progress: Progress) -> None:
    pair = (SERVICES[plan.latency_service], BARE_PUBLISH)
    await _warm_up(stage, make_workload(WARM_UP_RECORDS))
    for number in range(plan.rounds):
        for service in pair[:: -1 if number % 2 else 1]:
            progress(f"latency: round {number + 1} of {plan.rounds}, {service.name}")
            await stage.reset()
            try:
                sample = await measure_latency(
                    stage,
                    service,
                    rate=plan.latency_rate,
                    seconds=plan.latency_seconds,
                    seed=number,
                )
                results.latencies.append(sample)
            except FAILURES as error:
                results.failures.append(
                    f"latency of {service.name}: {error or type(error).__name__}"
                )


async def lag(stage: Stage, plan: Plan, results: Results, progress: Progress) -> None:
    """One run over a large backlog, for the issuer's peak memory."""
    progress(f"lag: {plan.lag:,} records")
    await stage.reset()
    one = SERVICES["couponry-1"]
    try:
        service = replace(one, name=f"{one.name} with {plan.lag:,} lag")
        results.samples.append(await run_service(stage, service, make_workload(plan.lag)))
    except FAILURES as error:
        results.failures.append(f"lag: {error}")


async def growth(stage: Stage, plan: Plan, results: Results, progress: Progress) -> None:
    service = SERVICES[plan.growth_service]
    async with AsyncExitStack() as databases:
        for size in plan.growth_sizes:
            progress(f"growth: loading {size:,} coupons")
            await databases.enter_async_context(grown(stage, size))
        for number in range(plan.rounds):
            for size in plan.growth_sizes[:: -1 if number % 2 else 1]:
                progress(f"growth: round {number + 1} of {plan.rounds}, {size:,} coupons")
                try:
                    sample = await run_grown(
                        stage, service, size=size, events=plan.growth_events, seed=number
                    )
                    results.samples.append(sample)
                except FAILURES as error:
                    results.failures.append(f"growth at {size:,}: {error}")
