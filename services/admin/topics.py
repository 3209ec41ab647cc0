"""`couponry topics`: create what is missing, set limits and retention, or say what that would take."""

from __future__ import annotations

import asyncio

import click

from services.adapters.kafka import ensure_topics
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, reaching_kafka
from services.terminal.narration import tell
from services.terminal.output import json_option, print_json


@click.command()
@click.option("--plan", is_flag=True, help="Name what differs, change nothing.")
@json_option
def topics(plan: bool, as_json: bool) -> None:
    """Create the topics, add partitions, set retention and sizes; never take partitions away.

    Prints a line per change made (JSON: {"applied": [...]}), or with --plan per change missing ({"missing": [...]}).
    """
    changes = asyncio.run(apply_topics(command_settings(), plan_only=plan))
    if as_json:
        print_json({"missing" if plan else "applied": changes})
    elif changes:
        print(*changes, sep="\n")
    else:
        print("up to date")


async def apply_topics(settings: Settings, plan_only: bool = False) -> list[str]:
    """`ensure_topics`. Settings that are refused are told on stderr; a cluster that is away or refuses everything is a
    CommandError, one line.
    """
    with reaching_kafka(settings):
        return await ensure_topics(settings, plan_only, note=tell)
