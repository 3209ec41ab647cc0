"""`python -m tests.faults`, or `make faults`: see its --help."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path

import click
import uvloop

from tests.faults.command import run
from tests.faults.faults import FAULTS, chosen
from tests.faults.run import RECOVERY_SECONDS
from tests.faults.table import Report, show

PER_SECOND = 120.0


@click.command()
@click.option("--seed", type=int, help="Repeats a run's order and draws.  [default: a new one]")
@click.option("--only", metavar="FAULT", multiple=True,
              help="Only faults whose names begin so; repeatable. `--list` names them.")  # fmt: skip
@click.option("--minutes", type=click.FloatRange(0, min_open=True),
              help="Go on, round after round, as long as this.  [default: each fault once]")  # fmt: skip
@click.option("--rate", type=click.FloatRange(1), default=PER_SECOND, show_default=True,
              help="Records per second.")  # fmt: skip
@click.option("--within", type=click.FloatRange(0, min_open=True), default=RECOVERY_SECONDS, show_default=True,
              help="Seconds that a recovery may take; more on a machine that is slow or shared.")  # fmt: skip
@click.option("--logs", type=click.Path(file_okay=False, path_type=Path),
              help="A directory for what the processes and servers logged.")  # fmt: skip
@click.option("--list", "as_list", is_flag=True, help="Name every fault and what it does.")
def main(
    seed: int | None,
    only: tuple[str, ...],
    minutes: float | None,
    rate: float,
    within: float,
    logs: Path | None,
    as_list: bool,
) -> None:
    """Move the world under a working system, and see that nothing is lost and nothing doubled.

    Starts Kafka, Postgres and Redis of its own, two issuers, two relays, a sweeper, the API and the webhook process, and
    sends completions and orders at a steady rate, of which 10 % are repeats and 5 % poison, while staff issue coupons by
    hand, and a partner's own system is told of some coupons, and fails at 10 % of the requests. Then one fault after the
    other: processes killed at random and at every named point, issuers that come and go, servers killed, frozen and
    slow, a standby promoted, a topic made anew, clocks that step.

    \b
    For each the table shows
      when        since the start, and how long it lasted
      in flight   events that were under way when it ended
      recovery s  from its end until all of those have their outcome (at most --within)
      lost        events without a decision, poison without a letter, decisions never told
      doubled     second decisions, coupons or letters, two active coupons, messages that nobody decided
      out twice   messages that are out twice (which a failover alone may do, with the same ce_id)

    That the partner's system was told of every coupon, in its customer's order, and that each has its code, is reckoned
    in the end.

    Exit code 0: everything held, `couponry verify` included. 1: a promise is broken, each named with the seed.
    A seed repeats the order of the faults and what is drawn, not the moments, which are the machine's.

    \b
    Try: python -m tests.faults --only kill --only failover --seed 7
    """
    if as_list:
        for one in FAULTS:
            click.echo(f"{one.name:<34}{one.about}")
        return
    seed = time.time_ns() % 1_000_000 if seed is None else seed
    faults = chosen(only, seed)
    if not faults:
        raise click.UsageError(f"no fault begins with {' or '.join(only)}: see --list")
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    logging.getLogger("aiokafka").propagate = False  # a client's own view of a world that moves
    report = Report(seed=seed, most_seconds=within)
    try:
        uvloop.run(
            run(report, faults, minutes=minutes, per_second=rate, logs=logs, progress=_progress)
        )
    except (asyncio.CancelledError, KeyboardInterrupt):
        report.wrong.append("interrupted")
    click.echo(show(report))
    sys.exit(1 if report.failures() else 0)


def _progress(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
