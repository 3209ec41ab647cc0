"""`couponry topics`: create what is missing, set limits and retention, or say what that would take.

A topic gets no more partitions while the ones it has hold records undecided: a customer's key would lead to another
partition from then on, and the later events there would be decided before the earlier ones.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import click
from aiokafka import TopicPartition

from schemas.topics import INCOMING
from services.adapters.kafka import ensure_topics
from services.adapters.records import (
    bounds_of,
    group_offsets,
    partitions_of,
    read_parts,
    side_reader,
    written,
)
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, reaching_kafka
from services.terminal.narration import tell
from services.terminal.output import CommandError, json_option, print_json


@click.command()
@click.option("--plan", is_flag=True, help="Name what differs, change nothing.")
@json_option
def topics(plan: bool, as_json: bool) -> None:
    """Create the topics, add partitions, set retention and sizes; never take partitions away.

    Partitions are added to a topic of events only when everything on it is decided: stop its producers and wait.

    Prints a line per change made (JSON: {"applied": [...]}), or with --plan per change missing ({"missing": [...]}).
    """
    changes = asyncio.run(apply_topics(command_settings(), plan_only=plan))
    if as_json:
        print_json({"missing" if plan else "applied": changes})
    elif changes:
        print(*changes, sep="\n")
    else:
        print("up to date")


async def apply_topics(
    settings: Settings, plan_only: bool = False, *, insist: bool = True
) -> list[str]:
    """`ensure_topics`. Settings that are refused are told on stderr; a cluster that is away or refuses everything is a
    CommandError, one line. So is a topic that cannot grow now, unless nobody insists: it stays as it is then.
    """
    with reaching_kafka(settings):
        stuck = await _undecided(settings)
        for at in stuck:
            why = (
                f"topic {at.topic} gets no more partitions while partition {at.partition} holds records undecided,"
                " or a customer's later events would be decided before the earlier ones:"
                " stop its producers until `couponry status` shows no lag, or leave COUPONRY_TOPIC_PARTITIONS as it was"
            )
            if insist:
                raise CommandError(why)
            tell(why)
        return await ensure_topics(settings, plan_only, note=tell, keep={at.topic for at in stuck})


async def _undecided(settings: Settings) -> list[TopicPartition]:
    """Of each incoming topic that is to grow and has records the group has not come to, one partition with some."""
    partitions = await partitions_of(settings, {settings.topic(name) for name in INCOMING})
    has = Counter(at.topic for at in partitions)
    asked = [at for at in partitions if has[at.topic] < settings.topic_partitions]
    if not asked:
        return []
    committed = await group_offsets(settings, settings.consumer_group)
    # What an open transaction holds back is no less undecided.
    ends = await written(settings, asked)
    found: dict[str, TopicPartition] = {}
    async with side_reader(settings) as consumer:
        bounds = await bounds_of(consumer, asked)
        for at in asked:
            start = max(committed.get(at, 0), bounds[at].first)
            if at.topic in found or start >= ends[at]:
                continue
            held = bounds[at].end < ends[at]
            # Markers of transactions have offsets too.
            if held or [1 async for _ in read_parts(consumer, {at: start}, {at: bounds[at].end})]:
                found[at.topic] = at
    return list(found.values())
