"""`couponry status` on the command line: once, or again and again."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from typing import Any

import click

from services.insight.status.figures import TREND_SECONDS, figures
from services.insight.status.shown import heading, show
from services.insight.status.verdict import Problem, problems
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings
from services.terminal.output import CommandError, json_option, print_json

CLEAR = "\x1b[H\x1b[2J\x1b[3J"
WATCH_SECONDS = 2.0


@click.command()
@click.option(
    "--watch",
    type=click.FloatRange(min=0, max=86_400),
    is_flag=False,
    flag_value=WATCH_SECONDS,
    metavar="[SECONDS]",
    help=f"Again and again until Ctrl-C, so many seconds apart; {WATCH_SECONDS:.0f} without a number.",
)
@json_option
def status(as_json: bool, watch: float | None) -> None:
    """Say at a glance whether all is well; if not, what is wrong and where to read what to do.

    Lag per partition and where it is going, outbox, dead letters, paused partitions, sweeper, operations, versions.
    Exit 0 whatever is found, as long as Postgres can be asked; Kafka or Redis being away is something found. With
    --json one document, with --watch one a line.
    """
    settings = command_settings()
    if watch is None:
        now = asyncio.run(figures(settings, TREND_SECONDS))
        _print(now, as_json)
    else:
        asyncio.run(_until_interrupted(settings, watch, as_json))


async def _until_interrupted(settings: Settings, seconds: float, as_json: bool) -> None:
    try:
        await _watch(settings, seconds, as_json)
    except asyncio.CancelledError:
        # In the middle of a look; what a connection has to say of its end would be the last thing on the screen.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        raise


async def _watch(settings: Settings, seconds: float, as_json: bool) -> None:
    """Until interrupted. Postgres may go and come back meanwhile: whoever watches wants to see just that."""
    while True:
        if sys.stdout.isatty() and not as_json:
            print(CLEAR, end="")
        try:
            _print(await figures(settings, TREND_SECONDS), as_json)
        except CommandError as error:
            away = Problem(what=error.message, do="nothing else can be told until it answers")
            if as_json:
                print_json({"ok": False, "problems": [asdict(away)]})
            else:
                print(f"{heading(1)}\n  {away.what}: {away.do}")
        if not as_json:
            print()
        sys.stdout.flush()
        await asyncio.sleep(seconds)


def _print(now: dict[str, Any], as_json: bool) -> None:
    found = problems(now)
    if as_json:
        judged = {"ok": not found, "problems": [asdict(problem) for problem in found]}
        print_json(now | judged)
    else:
        show(now, found)
