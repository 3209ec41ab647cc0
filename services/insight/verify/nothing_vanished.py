"""I4: every retained offset of a topic below the group's commit is decided, dead-lettered or a repeat.

The commit is read first. An issuer commits its offsets after the database has committed, so whatever lies below was
accounted for before we look: a record whose (source, id) has a decision, as that decision's own or as a repeat; any
other must be a dead letter at its own position. Of a record only what names its event is read, unless that fails.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import ConsumerRecord

from schemas import topics
from schemas.envelope import CONTENT_TYPE, Mode, mode_of
from services.adapters.event_keys import event_key
from services.adapters.records import bounds_of, group_offsets, read_parts, side_reader
from services.insight.verify.scan import SQL, Scan
from services.issuer.codec import Poison, read_record
from services.terminal.addresses import reaching_kafka


async def check(scan: Scan) -> None:
    """Read what the topics retain up to the group's commit, and look every record up."""
    settings = scan.settings
    incoming = {settings.topic(name) for name in topics.INCOMING}
    with reaching_kafka(settings):
        committed = await group_offsets(settings, settings.consumer_group)
        ours = {
            partition: end for partition, end in committed.items() if partition.topic in incoming
        }
        async with side_reader(settings) as consumer:
            bounds = await bounds_of(consumer, list(ours))
            starts = {partition: bounds[partition].first for partition in ours}
            ends = {partition: min(end, bounds[partition].end) for partition, end in ours.items()}
            async for records in read_parts(consumer, starts, ends):
                await _look_up(scan, records)


async def _look_up(scan: Scan, records: Sequence[ConsumerRecord]) -> None:
    keys = [_key(record) for record in records]
    rows = await scan.connection.fetch(SQL["undecided"], keys)
    undecided = [records[row["number"] - 1] for row in rows]
    for row in await scan.connection.fetch(
        SQL["not_dead"],
        [record.topic for record in undecided],
        [record.partition for record in undecided],
        [record.offset for record in undecided],
    ):
        scan.violated(
            "I4",
            f"record {row['topic']}:{row['partition']}:{row['offset']} is neither decided "
            "nor dead-lettered nor a repeat",
        )
    scan.looked_at(len(records), "I4")


def _key(record: ConsumerRecord) -> str | None:
    """The key of the event a record carries; None if it carries none that could have been decided."""
    headers = dict(record.headers)
    event_id, source = headers.get("ce_id"), headers.get("ce_source")
    try:
        if event_id and source and mode_of(headers.get(CONTENT_TYPE)) is Mode.BINARY:
            return event_key(source.decode(), event_id.decode())
    except ValueError:
        return None
    read = read_record(record)
    return None if isinstance(read, Poison) else read.event_key
