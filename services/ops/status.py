"""`couponry status`: lag per partition, outbox, dead letters, decisions per second."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import click

from services.adapters.kafka import GAME_COMPLETED, ORDERS
from services.adapters.postgres.queries import queries
from services.adapters.records import bounds_of, group_offsets, partitions_of, side_reader
from services.ops.addresses import command_settings, postgres, reaching_kafka
from services.ops.output import json_option, print_facts, print_json, print_table
from services.runtime.settings import Settings

RATE_SECONDS = 10
"""Decisions per second is the mean over this long."""
STATES = ("open", "decided", "already_decided", "discarded")


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show lag per partition, outbox depth and age, dead letters, decisions per second."""
    now = asyncio.run(figures(command_settings()))
    if as_json:
        print_json(now)
        return
    columns = ("topic", "partition", "committed", "end", "lag")
    print_table(columns, ([part[name] for name in columns] for part in now["lag"]))
    print()
    print_facts(
        (
            ("lag", now["total_lag"]),
            ("decisions per second", now["decisions_per_second"]),
            ("outbox depth", now["outbox"]["depth"]),
            ("outbox age in seconds", round(now["outbox"]["oldest_age_seconds"], 1)),
            ("unpublishable", now["unpublishable"]),
            *((f"dead letters {state}", now["dead_letters"][state]) for state in STATES),
        ),
    )


async def figures(settings: Settings) -> dict[str, Any]:
    """What the command shows, in the shape of its JSON. Raises CommandError."""
    async with postgres(settings, "status") as connection:
        sql = queries("status")
        offset = timedelta(seconds=settings.clock_offset_seconds)
        window = timedelta(seconds=RATE_SECONDS)
        (outbox,) = await connection.fetch(sql["outbox"])
        letters = await connection.fetch(sql["dead_letters"])
        decided = await connection.fetchval(sql["decisions_since"], offset, window)
    lag = await _lag(settings)
    return {
        "lag": lag,
        "total_lag": sum(part["lag"] for part in lag),
        "decisions_per_second": decided / RATE_SECONDS,
        "outbox": {
            "depth": outbox["depth"],
            "oldest_age_seconds": outbox["oldest_age_seconds"],
        },
        "unpublishable": outbox["unpublishable"],
        "dead_letters": dict.fromkeys(STATES, 0)
        | {row["state"]: row["letters"] for row in letters},
    }


async def _lag(settings: Settings) -> list[dict[str, Any]]:
    """Per partition of the incoming topics: what is retained and not yet committed by the group."""
    with reaching_kafka(settings):
        places = await partitions_of(
            settings, {settings.topic(name) for name in (GAME_COMPLETED, ORDERS)}
        )
        committed = await group_offsets(settings, settings.consumer_group)
        async with side_reader(settings) as consumer:
            bounds = await bounds_of(consumer, places)
    return [
        {
            "topic": place.topic,
            "partition": place.partition,
            "committed": committed.get(place),
            "end": bounds[place].end,
            "lag": max(0, bounds[place].end - max(committed.get(place, 0), bounds[place].first)),
        }
        for place in places
    ]
