"""I4: every retained offset of a topic below the group's commit is decided, dead-lettered or a repeat.

The commit is read first. An issuer commits its offsets after the database has committed, so whatever lies below was
accounted for before we look: a record whose (source, id) has a decision, as that decision's own or as a repeat; any
other must be a dead letter at its own position, or concern nobody. And a decision is of the customer, partner, game
and type of the very record that it names. Of a record only that is read, unless it fails, or is of an order with codes:
what those took off goes to `discounts`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from aiokafka import ConsumerRecord

from schemas import topics
from schemas.envelope import CONTENT_TYPE, Mode, mode_of
from schemas.events.types import GAME_COMPLETED
from services.adapters.event_keys import event_key
from services.adapters.postgres import passed_over
from services.adapters.records import bounds_of, group_offsets, read_parts, side_reader
from services.domain.arrival import Incoming
from services.domain.events import GameCompleted, OrderPlaced
from services.insight.verify import discounts
from services.insight.verify.scan import SQL, Rank, Scan
from services.issuer.codec import NOTHING_IGNORED, PassedOver, Reason, read_record
from services.issuer.event_types import TYPES
from services.terminal.addresses import reaching_kafka

Spans = Mapping[tuple[str, int, str], tuple[int, int]]
"""First and last offset of what was passed over, by topic, partition and type."""


_COMPARED = 5
"""So many fields of what is said, from the first."""


class Said(NamedTuple):
    """What a record says of its event, as texts; None where it says nothing that could have been decided.

    `has_codes`: it is of an order that names coupons.
    """

    key: str | None = None
    type: str | None = None
    partner_id: str | None = None
    customer_id: str | None = None
    game_id: str | None = None
    has_codes: bool = False

    def __str__(self) -> str:
        said = f"type {self.type}, partner {self.partner_id}, customer {self.customer_id}"
        return said if self.game_id is None else f"{said}, game {self.game_id}"


async def check(scan: Scan) -> None:
    """Read what the topics retain up to the group's commit, and look every record up."""
    settings = scan.settings
    incoming = {settings.topic(name) for name in topics.INCOMING}
    await scan.connection.execute(SQL["prepare_lost"])
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
    await scan.connection.execute(SQL["index_lost"])


async def _look_up(scan: Scan, records: Sequence[ConsumerRecord], ignored: Spans) -> None:
    said = [_said(record) for record in records]
    undecided = {}
    for row in await scan.connection.fetch(
        SQL["misdecided"],
        [record.topic for record in records],
        [record.partition for record in records],
        [record.offset for record in records],
        *([one[column] for one in said] for column in range(_COMPARED)),
    ):
        record, one = records[row["number"] - 1], said[row["number"] - 1]
        if row["is_undecided"]:
            undecided[record.topic, record.partition, record.offset] = (record, one)
            continue
        scan.echoed(
            Rank.OF_THE_RECORD,
            "I4",
            f"record {record.topic}:{record.partition}:{record.offset} is of {one}, "
            f"and its decision of {', '.join(row['words'])}",
            row["event_key"],
            *([row["coupon_id"]] if row["coupon_id"] else []),
        )
    await _account_for(scan, undecided, ignored)
    with_codes = [
        (one.key, record) for record, one in zip(records, said, strict=True) if one.has_codes
    ]
    await discounts.held_against(scan, [(key, record) for key, record in with_codes if key])
    scan.looked_at(len(records), "I4")


async def _account_for(
    scan: Scan, undecided: Mapping[tuple[str, int, int], tuple[ConsumerRecord, Said]], ignored: Spans
) -> None:  # fmt: skip
    """Records without a decision are dead letters, or wait, or concern nobody; else something is lost."""
    types: dict[str, set[str]] = {}
    for topic, _, type_ in ignored:
        if type_ not in TYPES:
            types.setdefault(topic, set()).add(type_)
    lost = []
    for row in await scan.connection.fetch(
        SQL["not_dead"], *([place[column] for place in undecided] for column in range(3))
    ):
        place = row["topic"], row["partition"], row["offset"]
        record, said = undecided[place]
        if _concerns_nobody(record, ignored, types.get(place[0], NOTHING_IGNORED)):
            scan.findings.passed_over += 1
            continue
        lost.append(said.key)
        scan.violated(
            "I4",
            f"record {place[0]}:{place[1]}:{place[2]} is neither decided "
            "nor dead-lettered nor a repeat",
        )
    await scan.connection.execute(SQL["lose"], [key for key in lost if key is not None])


def _concerns_nobody(record: ConsumerRecord, ignored: Spans, types: Container[str]) -> bool:
    """An order of no customer, or of a type that was ignored thereabouts; the setting may be another one now.

    `types`: those that were ignored in its topic, but for types that are ours by now.
    """
    read = read_record(record, types)
    if not isinstance(read, PassedOver):
        return False
    first, last = ignored.get((record.topic, record.partition, read.type), (0, -1))
    return read.reason is Reason.NO_CUSTOMER or first <= record.offset <= last


def _said(record: ConsumerRecord) -> Said:
    """Of a binary record no more is read than asked for; what cannot be read so was not decided so either."""
    headers = dict(record.headers)
    event_id, source = headers.get("ce_id"), headers.get("ce_source")
    try:
        if event_id and source and mode_of(headers.get(CONTENT_TYPE)) is Mode.BINARY:
            key = event_key(source.decode(), event_id.decode())
            return _of_data(key, (headers.get("ce_type") or b"").decode(), record.value)
    except ValueError:
        return Said()
    read = read_record(record)
    if not isinstance(read, Incoming):
        return Said()
    event = read.event
    game_id = str(event.game_id) if isinstance(event, GameCompleted) else None
    has_codes = isinstance(event, OrderPlaced) and bool(event.coupon_codes)
    return Said(
        read.event_key, event.cause.type, str(event.partner_id), event.customer_id, game_id, has_codes
    )  # fmt: skip


def _of_data(key: str, type_: str, value: bytes | None) -> Said:
    try:
        data: Any = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return Said(key)
    customer_id = data.get("customer_id") if isinstance(data, dict) else None
    if not isinstance(customer_id, str) or "\0" in customer_id + type_:
        return Said(key)
    game_id = str(data.get("game_id")) if type_ == GAME_COMPLETED else None
    has_codes = bool(data.get("coupon_codes"))
    return Said(key, type_, str(data.get("partner_id")), customer_id, game_id, has_codes)
