"""I4: every retained offset of a topic below the group's commit is decided, dead-lettered or a repeat.

The commit is read first. An issuer commits its offsets after the database has committed, so whatever lies below was
settled before we look. A record that reads as an event must have a decision, its own or that of the same event read
elsewhere; any other must be a dead letter of its own place.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import ConsumerRecord

from services.adapters.kafka import GAME_COMPLETED, ORDERS
from services.adapters.records import bounds_of, group_offsets, read_parts, side_reader
from services.issuer.codec import Poison, read_record
from services.ops.addresses import reaching_kafka
from services.ops.verify.scan import SQL, Scan

INCOMING = (GAME_COMPLETED, ORDERS)


async def check(scan: Scan) -> None:
    """Read what the topics retain up to the group's commit, and look every record up."""
    settings = scan.settings
    topics = {settings.topic(name) for name in INCOMING}
    with reaching_kafka(settings):
        committed = await group_offsets(settings, settings.consumer_group)
        ours = {place: end for place, end in committed.items() if place.topic in topics}
        async with side_reader(settings) as consumer:
            bounds = await bounds_of(consumer, list(ours))
            starts = {place: bounds[place].first for place in ours}
            ends = {place: min(end, bounds[place].end) for place, end in ours.items()}
            async for records in read_parts(consumer, starts, ends):
                await _look_up(scan, records)


async def _look_up(scan: Scan, records: Sequence[ConsumerRecord]) -> None:
    read = [read_record(record) for record in records]
    vanished = await scan.connection.fetch(
        SQL["unsettled"],
        [None if isinstance(one, Poison) else one.event_key for one in read],
        [record.topic for record in records],
        [record.partition for record in records],
        [record.offset for record in records],
    )
    for row in vanished:
        scan.violated(
            "I4",
            f"record {row['topic']}:{row['partition']}:{row['offset']} is neither decided "
            "nor dead-lettered nor a repeat",
        )
    scan.looked_at(len(records), "I4")
