"""I3, beyond the database: every coupon has its `coupon.issued`, published or still queued, as far as it is retained.

The relay first publishes, then deletes the outbox row, so an event is at every moment in one of the two. Hence the
order: the topic up to now; the coupons that are not in it; of these the ones that are not queued either; and for those
the topic again, because they were published in the meantime, if at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas.topics import COUPON_ISSUED
from services.adapters.records import (
    Bounds,
    bounds_of,
    partitions_of,
    read_parts,
    side_reader,
    written,
)
from services.insight.verify.decided_once import HIGHEST, LOWEST
from services.insight.verify.scan import MOST_DETAILS, SQL, Scan
from services.terminal.addresses import reaching_kafka
from services.terminal.output import CommandError

CLOCKS_DIFFER = timedelta(hours=1)
"""Between Postgres' clock and Kafka's, when the oldest record kept is compared with coupons."""

_SUFFIX = b".issued"
_ALWAYS, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


async def check(scan: Scan) -> None:
    """Read the whole topic into a table of this session, then see which coupons are missing from it."""
    topic = scan.settings.topic(COUPON_ISSUED)
    await scan.connection.execute(SQL["prepare_publication"])
    with reaching_kafka(scan.settings):
        partitions = await partitions_of(scan.settings, {topic})
        if not partitions:
            raise CommandError(f"topic {topic} does not exist: run `couponry topics`")
        async with side_reader(scan.settings) as consumer:
            bounds = await bounds_of(consumer, partitions)
            reader = _Reader(scan, consumer, bounds)
            await reader.read_to({partition: kept.end for partition, kept in bounds.items()})
            await _collect_unseen(scan, reader.kept_since())
            if await scan.connection.fetchval(SQL["some_unseen"]):
                # Whatever was published before the outbox was looked at lies before these ends.
                await reader.read_to(await written(scan.settings, partitions))
    await _report(scan)


class _Reader:
    """Reads on from where it stopped, and takes what it reads off the coupons not seen yet."""

    def __init__(
        self, scan: Scan, consumer: AIOKafkaConsumer, bounds: Mapping[TopicPartition, Bounds]
    ) -> None:
        self._scan = scan
        self._consumer = consumer
        self._positions = {partition: kept.first for partition, kept in bounds.items()}
        self._shortened = {
            partition: _NEVER for partition, kept in bounds.items() if kept.first > 0
        }

    async def read_to(self, ends: Mapping[TopicPartition, int]) -> None:
        async for records in read_parts(self._consumer, self._positions, ends):
            await self._take(records)
        self._positions = {
            partition: max(end, self._positions[partition]) for partition, end in ends.items()
        }

    def kept_since(self) -> datetime:
        """Coupons issued after this must still be in the topic: the oldest record of every partition is older."""
        return max(self._shortened.values(), default=_ALWAYS)

    async def _take(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            if self._shortened.get(partition) == _NEVER:
                oldest = datetime.fromtimestamp(record.timestamp / 1000, UTC)
                self._shortened[partition] = oldest + CLOCKS_DIFFER
        ids = [found for record in records if (found := _coupon_id(record)) is not None]
        await self._scan.connection.copy_records_to_table(
            "verify_published", columns=("coupon_id",), records=[(one,) for one in ids]
        )
        await self._scan.connection.execute(SQL["seen"], ids)
        self._scan.looked_at(len(records), "I3")


def _coupon_id(record: ConsumerRecord) -> UUID | None:
    """The coupon an issue event is about, by its `ce_id`; None for a record that is none of ours."""
    for name, value in record.headers:
        if name == "ce_id" and value.endswith(_SUFFIX):
            try:
                return UUID(value[: -len(_SUFFIX)].decode())
            except ValueError:
                return None
    return None


async def _collect_unseen(scan: Scan, kept_since: datetime) -> None:
    connection = scan.connection
    await connection.execute(SQL["index_publication"])
    async for after, up_to in scan.pages("end_of_coupons", LOWEST, HIGHEST):
        await connection.execute(SQL["collect_unseen"], after, up_to, kept_since)
    await connection.execute(SQL["drop_queued"])


async def _report(scan: Scan) -> None:
    rows = await scan.connection.fetch(SQL["unseen"], MOST_DETAILS + 1)
    for row in rows:
        scan.violated(
            "I3", f"coupon {row['coupon_id']} has no coupon.issued, neither published nor queued"
        )
