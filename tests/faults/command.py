"""A run from beginning to end: the system, the faults, the reckoning."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from tests.faults.audit import judge, stored
from tests.faults.coupon_system import coupons_of, wrong_with
from tests.faults.fault import Fault
from tests.faults.readers import published, watching
from tests.faults.run import rest, suffer
from tests.faults.system import System, open_system
from tests.faults.table import Report

OVERTAKEN = "was delivered before one that its customer was issued earlier"
"""What verify tells by instants alone, which clocks that step put into another order: `wrong_with` goes by what was heard."""


async def run(
    report: Report,
    faults: Sequence[Fault],
    *,
    minutes: float | None,
    per_second: float,
    logs: Path | None,
    progress: Callable[[str], None],
) -> None:
    """Every fault once; with `minutes`, again and again, none begun later. Told to go, it takes all of it along."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with open_system(report.seed, per_second, logs, progress) as system:
        began = time.monotonic()
        stop_at = None if minutes is None else began + minutes * 60
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(watching(system.direct, system.load))
            async with system.load.running(), system.tills.running():
                turns = _rounds(system, faults, minutes)
                await suffer(system, turns, stop_at, began, report.rows, report.most_seconds)
            report.wrong += await rest(system)
        report.not_begun = sorted(
            {one.name for one in faults} - {row.fault.name for row in report.rows}
        )
        progress("reckoning")
        await _reckon(system, report)


def _rounds(system: System, faults: Sequence[Fault], minutes: float | None) -> Sequence[Fault]:
    """One round; with a time to fill, as many as anybody can wait for, each in another order."""
    if minutes is None:
        return faults
    return [one for _ in range(1_000) for one in system.dice.sample(faults, len(faults))]


async def _reckon(system: System, report: Report) -> None:
    ledger = system.ledger
    report.records, report.repeats = ledger.records, ledger.repeats
    report.poison = len(ledger.of("poison"))
    report.events = len(ledger.sent) - report.poison
    report.wrong += system.fleet.failures + system.tills.failures
    coupons = await coupons_of(system.direct)
    report.told, report.heard = len(coupons), len(system.receiver.got)
    report.wrong += wrong_with(coupons, system.receiver.ids)
    report.findings = judge(
        ledger,
        await stored(system.direct),
        await published(system.direct),
        [row.at_ms for row in report.rows],
        {row.number for row in report.rows if row.fault.may_repeat},
    )
    code, out, err = await system.couponry("verify", "--json")
    if code > 1 or not out:
        report.wrong.append(f"verify ended with {code}: {err}")
        return
    violations = json.loads(out)["violations"]
    if any(row.fault.name.startswith("clock") for row in report.rows):
        violations = [one for one in violations if not one["detail"].endswith(OVERTAKEN)]
    report.verified = len(violations)
    report.wrong += [f"verify: {violation}" for violation in violations]
