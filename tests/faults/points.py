"""Kill −9 at every named point, read from the code: one that comes there is met here, or has no way and is missed.

A process dies at its point under load and is started again as an orchestrator would; a command dies and is resumed.
"""

from __future__ import annotations

import ast
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

import services
from tests.faults.clocks import MINUTES, set_clock
from tests.faults.fault import Fault, NotReached
from tests.faults.system import System
from tests.stand.waiting import eventually

LATEST_TURN = 3
"""A process dies at the first to third time that it comes there."""
NOWHERE, VILNIUS = "Mars/Olympus", "Europe/Vilnius"
RECENT = timedelta(seconds=20)
"""What commands that look back look back on."""
PATIENCE_SECONDS = 60.0

Way = Callable[[str, System], Awaitable[Collection[str]]]


MET_ELSEWHERE = {
    "codes": "tests/admin/test_program_codes.py",
}
"""Points that this load does not come to, and who meets each of them, by the first part of their names."""


@cache
def points() -> list[str]:
    """Every other name that the services' code reaches, in the order of their files."""
    (root,) = services.__path__
    return [
        node.args[0].value
        for path in sorted(Path(root).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "reach"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
        and node.args[0].value.partition(".")[0] not in MET_ELSEWHERE
    ]


async def of_process(point: str, system: System) -> Collection[str]:
    """One that has its share of the work (of those that lead, the only one) dies there. Over when it is dead."""
    command = point.partition(".")[0]
    fleet = system.fleet
    there = fleet.of(command)
    replaced = there[-1:] if command == "issuer" else there
    await fleet.stop(replaced)
    turn = system.dice.randint(1, LATEST_TURN)
    died = await fleet.crash(await fleet.start(replaced[0].name, f"{point}:{turn}"))
    for member in replaced[0 if not died else 1 :]:
        await fleet.start(member.name)
    if not died:
        raise NotReached(f"{command} never came to {point}")
    return ()


async def of_waiting(point: str, system: System) -> Collection[str]:
    """A partner's zone is not to be found, its dated games wait. Over when the zone is there and the issuer is dead."""
    fleet, zone = system.fleet, "UPDATE partners SET time_zone = $1 WHERE id = $2"
    partner_id = system.games.other_partner_id
    await fleet.stop(fleet.of("issuer"))
    await system.execute(zone, NOWHERE, partner_id)
    try:
        victim = await fleet.start("issuer-1", point)
        if point == "waiting.before_removal":
            await eventually(lambda: _some_wait(system), "records wait", PATIENCE_SECONDS)
            await system.execute(zone, VILNIUS, partner_id)
        died = await fleet.crash(victim)
    finally:
        await system.execute(zone, VILNIUS, partner_id)
        for name in ("issuer-1", "issuer-2"):
            if not any(member.name == name for member in fleet.of("issuer")):
                await fleet.start(name)
    if not died:
        raise NotReached(f"no issuer came to {point}")
    return ()


async def _some_wait(system: System) -> bool:
    return bool(await system.fetchval("SELECT count(*) FROM waiting_records"))


async def of_command(arguments: tuple[str, ...], point: str, system: System) -> Collection[str]:
    """It dies there, and `--resume` goes on to its end; over then."""
    if "--from" in arguments:
        arguments = (*arguments, (datetime.now(UTC) - RECENT).isoformat())
    await _interrupted(system, point, *arguments)
    return ()


async def of_repair_clock(point: str, system: System) -> Collection[str]:
    """The clock was minutes ahead for a moment; the repair of what came of it dies, and is resumed."""
    await set_clock(system, MINUTES)
    try:
        began = await system.fetchval("SELECT clock_timestamp()")
        decisions = "SELECT count(*) > 0 FROM decisions WHERE decided_at > $1"
        await eventually(
            lambda: system.fetchval(decisions, began), "the wrong clock decides", PATIENCE_SECONDS
        )
        ended = await system.fetchval("SELECT clock_timestamp()")
    finally:
        await set_clock(system, timedelta())
    span = ("--from", began.isoformat(), "--to", ended.isoformat())
    await _interrupted(system, point, "repair-clock", *span)
    return ()


async def _interrupted(system: System, point: str, *arguments: str) -> None:
    """Raises AssertionError if it does not die there, or cannot be resumed."""
    code, _, said = await system.couponry(*arguments, crash_at=point)
    if code != -signal.SIGKILL:
        raise NotReached(f"{' '.join(arguments)} ended with {code}: {said}")
    command = arguments[: 2 if arguments[0] == "dead-letters" else 1]
    code, _, said = await system.couponry(*command, "--resume")
    assert code == 0, f"{' '.join(command)} --resume ended with {code}: {said}"


WAYS: Mapping[str, Way] = {
    "issuer": of_process,
    "relay": of_process,
    "sweeper": of_process,
    "webhooks": of_process,
    "waiting": of_waiting,
    "redrive": partial(of_command, ("dead-letters", "redrive")),
    "discard": partial(of_command, ("dead-letters", "discard")),
    "replay": partial(of_command, ("replay", "--topic", "game-completed", "--from")),
    "republish": partial(of_command, ("republish", "--from")),
    "repair_clock": of_repair_clock,
}
"""How a point is come to, by the first part of its name."""

FAULTS = [
    Fault(
        name=f"point {point}",
        about=f"kill -9 at {point}",
        act=partial(WAYS[point.partition(".")[0]], point),
    )
    for point in points()
]
