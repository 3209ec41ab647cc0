"""Messages that stand in a topic twice, though nobody asked for them again.

A failover to a standby that lagged, or a backup, makes the database forget what it had published, and publish it again
under the same `ce_id`. Whoever found the database to know less wrote that down (`went_back`), and what was published
before and again after that is what the contract allows. Any other second time is a fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.adapters.records import Bounds, read_parts
from services.insight.verify.message_reader import CLOCKS_DIFFER, appended_at, digest
from services.insight.verify.scan import MOST_DETAILS, SQL, Scan
from services.relay.packing import REPUBLISHED

NOTICED_WITHIN = timedelta(minutes=5)
"""Before a failover is noticed, some of what it lost may be out again already; and clocks differ a little."""


async def check(
    scan: Scan, consumer: AIOKafkaConsumer, bounds: Mapping[TopicPartition, Bounds]
) -> None:
    """Look for them in what was read, and read again where they stand: there are none, as a rule."""
    rows = await scan.connection.fetch(SQL["published_twice"], MOST_DETAILS * 100)
    if not rows:
        return
    twice: dict[UUID, list[ConsumerRecord]] = {row["message"]: [] for row in rows}
    firsts = {partition: kept.first for partition, kept in bounds.items()}
    ends = {partition: kept.end for partition, kept in bounds.items()}
    async for records in read_parts(consumer, firsts, ends):
        for record in records:
            headers = dict(record.headers)
            ce_id = headers.get("ce_id")
            if ce_id is None or REPUBLISHED[0] in headers:
                continue
            if (places := twice.get(digest(ce_id))) is not None:
                places.append(record)
    went_back = [row["noticed_at"] for row in await scan.connection.fetch(SQL["went_back"])]
    for found in twice.values():
        found.sort(key=lambda record: record.timestamp)
        if len(found) > 1 and not _is_explained(found, went_back):
            scan.violated("I3", _in_words(found))


def _is_explained(found: Sequence[ConsumerRecord], went_back: Sequence[datetime]) -> bool:
    """Each time after the first has a failover of its own before it."""
    times = [appended_at(record) for record in found]
    return all(
        any(before - NOTICED_WITHIN <= at <= after + CLOCKS_DIFFER for at in went_back)
        for before, after in pairwise(times)
    )


def _in_words(found: Sequence[ConsumerRecord]) -> str:
    ce_id = dict(found[0].headers)["ce_id"].decode(errors="replace")
    places = " and ".join(f"{record.partition}:{record.offset}" for record in found)
    return f"message {ce_id} was published {len(found)} times in {found[0].topic}, at {places}"
