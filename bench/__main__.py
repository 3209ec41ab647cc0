"""The command: choose what to run, prepare the servers, show the table. Exit code 1 if a contestant failed."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import uvloop

from bench import sections
from bench.report import show
from bench.results import Results
from bench.sections import CONTESTANTS, FULL, QUICK, SECTIONS, Plan
from bench.stage import ServerEnded, open_stage
from services.local.elsewhere import remove_state
from services.runtime.settings import read_settings
from services.stage.children import new_code_secret

PARTITIONS = 16
"""Of every topic: as many as the largest peer has workers, since a worker without a partition idles."""


@click.command()
@click.option(
    "--quick",
    is_flag=True,
    help="A smoke run: small, one round, throughput only. Its times mean nothing.",
)
@click.option("--only", "chosen", multiple=True, type=click.Choice([*SECTIONS, *CONTESTANTS]),
              help="Only this section or contestant (of throughput); repeatable.")  # fmt: skip
@click.option(
    "--rounds",
    type=click.IntRange(1),
    help="Interleaved rounds; the table shows medians.  [default: 3]",
)
@click.option(
    "--lag",
    type=click.IntRange(1),
    help="Records in the backlog of section lag.  [default: 1000000]",
)
@click.option(
    "--rate", type=click.IntRange(1), help="Events per second of section latency.  [default: 1000]"
)
@click.option(
    "--size",
    "sizes",
    type=click.IntRange(1),
    multiple=True,
    help="Coupons already there in section growth; repeatable.  [default: 10000, 1000000, 5000000]",
)
@click.option(
    "--scale",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    help="Times as many events per run of throughput and growth.",
)
@click.option("--partitions", type=click.IntRange(1), default=PARTITIONS, show_default=True)
@click.option("--markdown", is_flag=True, help="The table as Markdown.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Every sample, as JSON.",
)
def main(
    chosen: tuple[str, ...],
    quick: bool,
    rounds: int | None,
    lag: int | None,
    rate: int | None,
    sizes: tuple[int, ...],
    scale: float,
    partitions: int,
    markdown: bool,
    json_file: Path | None,
) -> None:
    """Measure this service beside its peers and its limits on the same servers."""
    plan = QUICK if quick else FULL
    given: dict[str, Any] = {
        "rounds": rounds,
        "lag": lag,
        "latency_rate": rate,
        "growth_sizes": sizes,
        "growth_events": int(plan.growth_events * scale),
        "events": {name: int(count * scale) for name, count in plan.events.items()},
    }
    plan = replace(plan, **{name: value for name, value in given.items() if value})
    parts = set(chosen) or set(("throughput",) if quick else SECTIONS)
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    results = Results()
    try:
        uvloop.run(_run(plan, parts, partitions, results))
    except (asyncio.CancelledError, KeyboardInterrupt):
        results.failures.append("interrupted")
    except ServerEnded as error:
        results.failures.append(str(error))
    finally:
        # Also before a traceback: what was measured until then took its time.
        click.echo(show(results, markdown=markdown))
        if json_file:
            text = json.dumps(results.as_json(), indent=1) + "\n"
            json_file.write_text(text, encoding="utf-8")
    sys.exit(1 if results.failures else 0)


async def _run(plan: Plan, parts: set[str], partitions: int, results: Results) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    settings = read_settings(topic_partitions=partitions, code_secret=new_code_secret())
    settings = settings.model_copy(
        update={"state_dir": (settings.state_dir / "benchmark").resolve()}
    )
    contestants = [name for name in CONTESTANTS if name in parts or "throughput" in parts]
    async with open_stage(settings, _progress) as stage:
        if contestants:
            await sections.throughput(stage, plan, contestants, results, _progress)
        if "latency" in parts:
            await sections.latency(stage, plan, results, _progress)
        if "lag" in parts:
            await sections.lag(stage, plan, results, _progress)
        if "growth" in parts:
            await sections.growth(stage, plan, results, _progress)
    if not results.failures:
        remove_state(settings.state_dir)


def _progress(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
