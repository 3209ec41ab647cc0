"""I4: every retained offset of a topic below the group's commit is decided, dead-lettered or a repeat.

And what was decided at a record's place was decided for the customer that the record names.

The commit is read first. An issuer commits its offsets after the database has committed, so whatever lies below was
accounted for before we look: a record whose (source, id) has a decision, as that decision's own or as a repeat; any
other must be a dead letter at its own position, or concern nobody. Of a record only what names its event is read,
unless that fails.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

import asyncpg
import orjson
from aiokafka import ConsumerRecord

from schemas import topics
from schemas.envelope import CONTENT_TYPE, Mode, mode_of
from services.adapters.event_keys import event_key
from services.adapters.postgres import passed_over
from services.adapters.records import bounds_of, group_offsets, read_parts, side_reader
from services.domain.arrival import Incoming
from services.insight.verify.scan import SQL, Scan
from services.issuer.codec import NOTHING_IGNORED, PassedOver, Reason, read_record
from services.issuer.event_types import TYPES
from services.terminal.addresses import reaching_kafka

Spans = Mapping[tuple[str, int, str], tuple[int, int]]
"""First and last offset of what was passed over, by topic, partition and type."""


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
            ignored = await passed_over.spans(scan.connection)
            async for records in read_parts(consumer, starts, ends):
                await _look_up(scan, records, ignored)


async def _look_up(scan: Scan, records: Sequence[ConsumerRecord], ignored: Spans) -> None:
    keys = [_key(record) for record in records]
    types: dict[str, set[str]] = {}
    for topic, _, type_ in ignored:
        if type_ not in TYPES:
            types.setdefault(topic, set()).add(type_)
    decided = {row["number"] - 1: row for row in await scan.connection.fetch(SQL["decided"], keys)}
    undecided: dict[tuple[str, int, int], ConsumerRecord] = {}
    for number, record in enumerate(records):
        place = record.topic, record.partition, record.offset
        if (row := decided.get(number)) is None:
            undecided[place] = record
        elif (row["topic"], row["partition"], row["offset"]) == place:
            _compare(scan, record, row)
    for row in await scan.connection.fetch(
        SQL["not_dead"], *([place[column] for place in undecided] for column in range(3))
    ):
        place = row["topic"], row["partition"], row["offset"]
        if _concerns_nobody(undecided[place], ignored, types.get(place[0], NOTHING_IGNORED)):
            scan.findings.passed_over += 1
            continue
        scan.violated(
            "I4",
            f"record {place[0]}:{place[1]}:{place[2]} is neither decided "
            "nor dead-lettered nor a repeat",
        )
    scan.looked_at(len(records), "I4")


def _compare(scan: Scan, record: ConsumerRecord, decided: asyncpg.Record) -> None:
    """The decision that was made at this record's place is this record's: for its customer."""
    told = decided["partner_id"], decided["customer_id"]
    if _customer(record) == told:
        return
    read = read_record(record)  # slowly, and right whatever the dialect
    if isinstance(read, Incoming) and read.customer != told:
        scan.violated(
            "I4",
            f"record {record.topic}:{record.partition}:{record.offset} is of customer {read.customer[1]} of partner"
            f" {read.customer[0]}, and was decided for customer {told[1]} of partner {told[0]}",
        )


def _customer(record: ConsumerRecord) -> tuple[Any, Any] | None:
    """Partner and customer, if the record says them in the usual way."""
    try:
        data = orjson.loads(record.value)
        return data["partner_id"], data["customer_id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _concerns_nobody(record: ConsumerRecord, ignored: Spans, types: Container[str]) -> bool:
    """An order of no customer, or of a type that was ignored thereabouts; the setting may be another one now.

    `types`: those that were ignored in its topic, but for types that are ours by now.
    """
    read = read_record(record, types)
    if not isinstance(read, PassedOver):
        return False
    first, last = ignored.get((record.topic, record.partition, read.type), (0, -1))
    return read.reason is Reason.NO_CUSTOMER or first <= record.offset <= last


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
    return read.event_key if isinstance(read, Incoming) else None
