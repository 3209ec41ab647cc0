"""The command's options, its exit code, and how an interruption ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import click

from services.terminal.output import json_option

DEFAULT_EVENTS = 20_000
ACTS = ("1", "2")
MOST_EVENTS = 1_000_000
"""The account is kept in memory, about 300 bytes a record."""


@click.command()
@click.option(
    "--events",
    type=click.IntRange(1, MOST_EVENTS),
    default=DEFAULT_EVENTS,
    show_default=True,
    help="Records to send in the first act.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The same seed sends the same records."
)
@click.option(
    "--act", type=click.Choice(ACTS), help="Play this one alone: 1, the games; 2, the shop."
)
@json_option
def demo(events: int, seed: int, act: str | None, as_json: bool) -> int:
    """Show the whole system on local servers with real input.

    Starts Kafka, Postgres and Redis (those without a COUPONRY_* address), an issuer and a relay; adds a partner with
    nine games; sends completed games as a partner's game service would, with repeats, late events and records that
    cannot be read among them; shows the coupons as subscribers see them, and checks that every record is accounted for.

    In the second act a small shop has a program of points, tiers, campaigns, referrals, and coupons for points. Forty
    customers live through a month of orders and refunds, which takes half a minute: issuer, sweeper and webhooks work
    with their clock moved to the past weeks, and codes come from a small server on loopback, the shop's own. Addresses
    that are given may be others' too: there the second act needs COUPONRY_ALLOW_TEST_CLOCK, and is left out without it.
    In the end every invariant is checked.

    Servers and data stay in the directory `demo` of COUPONRY_STATE_DIR, apart from those of `couponry up`; remove it
    to begin anew. Each act adds a partner. Everything that was started is stopped in the end.

    Exit code 0: what was seen is what had to happen, and `verify` holds; 1: not so. Story on stderr, account on stdout.
    """
    # Heavy, and not needed for --help.
    import uvloop

    from services.runtime.settings import read_settings
    from services.stage.demo.story import tell

    settings = read_settings()
    settings = settings.model_copy(update={"state_dir": settings.state_dir / "demo"})

    async def run() -> bool:
        acts = ACTS if act is None else (act,)
        story = tell(settings, acts=acts, count=events, seed=seed, as_json=as_json)
        return await _until_interrupted(story)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return 0 if runner.run(run()) else 1


async def _until_interrupted(story: Coroutine[Any, Any, bool]) -> bool:
    """The story's result. A signal cancels it, so that it stops what it started, and then ends this process."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(story)
    received: list[signal.Signals] = []

    def interrupt(number: signal.Signals) -> None:
        if not received:  # a second Ctrl-C must not cut the stopping short
            received.append(number)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt, number)
    try:
        return await task
    except asyncio.CancelledError:
        sys.stdout.flush()
        # Not by returning: that would wait for a thread whose download hangs.
        os._exit(128 + received[0])
