"""I3, beyond the database: what happened is published or still queued, as far as it is retained, and as it happened.

Every coupon has its `coupon.issued`, every step its `coupon-lifecycle` event, every completion that earned nothing its
`issuance.declined`; every entry that moves points, every achievement, every change of tier, everybody rewarded for a
referral and every coupon that could not be granted its event among `program-events`; every completed referral and every
birthday its record among `follow-ups`. The relay first publishes, then deletes the outbox row, so an event is at every
moment in one of the two. Hence the order, for each kind: the topic up to now; what is not in it; of that what is not
queued either; and for the rest the topic again, because it was published in the meantime, if at all.

What a partition keeps no more is not missed. How far back each goes is its own matter: one that was emptied says
nothing of the others, and of its own customers nothing can be checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import topics
from services.adapters.event_keys import event_key
from services.adapters.records import (
    Bounds,
    bounds_of,
    partitions_of,
    read_parts,
    side_reader,
    written,
)
from services.insight.verify.decided_once import LOWEST
from services.insight.verify.entries_told import entries_told
from services.insight.verify.messages import KINDS, WEBHOOK, Kind
from services.insight.verify.retained import Retained
from services.insight.verify.scan import PAGE_ROWS, Rank, Scan, account, reading_whole_tables
from services.insight.verify.told import PUBLISHED, Told
from services.terminal.addresses import reaching_kafka
from services.terminal.output import CommandError


async def check(scan: Scan) -> None:
    """Each topic into a table of this session, then see what is missing from it."""
    told = Told(scan=scan)
    with reaching_kafka(scan.settings):
        for kind in KINDS:
            await scan.connection.execute(PUBLISHED["begin_topic"])
            await _check_topic(scan, kind, told)
            await scan.connection.execute(PUBLISHED["end_topic"])
        await told.report()


async def _check_topic(scan: Scan, kind: Kind, told: Told) -> None:
    topic = scan.settings.topic(kind.topic)
    partitions = await partitions_of(scan.settings, {topic})
    if not partitions:
        raise CommandError(f"topic {topic} does not exist: run `couponry topics`")
    async with side_reader(scan.settings) as consumer:
        bounds = await bounds_of(consumer, partitions)
        reader = _Reader(scan=scan, consumer=consumer, kind=kind, told=told, bounds=bounds)
        await reader.read_to({partition: kept.end for partition, kept in bounds.items()})
        await _collect_missing(scan, kind, reader.retained, told)
        if await scan.connection.fetchval(PUBLISHED["some_missing"]):
            # Whatever was published before the outbox was looked at lies before these ends.
            await reader.read_to(await written(scan.settings, partitions))
    await told.look_for_repeats(kind)
    await _report_missing(scan, kind)


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Reads on from where it stopped, and takes what it reads off what is missing."""

    scan: Scan
    consumer: AIOKafkaConsumer
    kind: Kind
    told: Told
    bounds: Mapping[TopicPartition, Bounds]
    retained: Retained = field(init=False)
    _positions: dict[TopicPartition, int] = field(init=False)
    _is_second: bool = False

    def __post_init__(self) -> None:
        self._positions = {partition: kept.first for partition, kept in self.bounds.items()}
        self.retained = Retained(bounds=self.bounds, clock_offset=self.scan.settings.clock_offset)

    async def read_to(self, ends: Mapping[TopicPartition, int]) -> None:
        async for records in read_parts(self.consumer, self._positions, ends):
            self.retained.note(records)
            messages = await self.told.take(records, self.kind)
            if self._is_second:
                await self.scan.connection.execute(
                    PUBLISHED["not_missing"],
                    [one.id for one in messages],
                    [one.number for one in messages],
                )
            self.scan.looked_at(len(records), "I3")
        self._positions = {
            partition: max(end, self._positions[partition]) for partition, end in ends.items()
        }
        self._is_second = True


async def _collect_missing(scan: Scan, kind: Kind, retained: Retained, told: Told) -> None:
    connection, earliest, older = scan.connection, retained.earliest, 0
    await connection.execute(PUBLISHED["index_topic"])
    for each in kind.expected if await _has_some(connection, kind) else ():
        async for after, up_to in scan.pages(each.bound, each.first, each.last):
            older += await connection.fetchval(PUBLISHED[each.query], after, up_to, earliest)
    if kind.said:
        older += await entries_told(scan, told, kind, earliest)
    if kind.topic == topics.ISSUANCE_DECLINED:
        async with reading_whole_tables(connection):
            older += await connection.fetchval(PUBLISHED["expect_declines_of_cards"], earliest)
    if earliest is not None:
        scan.findings.unchecked += retained.sentences(older, await _excuse(connection, retained))
    await connection.execute(PUBLISHED["drop_queued"])


async def _has_some(connection: asyncpg.Connection, kind: Kind) -> bool:
    """False where no partner ever had a program: then no decision need be asked what one made of it."""
    is_of_program = kind.topic in (topics.PROGRAM_EVENTS, topics.FOLLOW_UPS)
    return not is_of_program or bool(await connection.fetchval(PUBLISHED["some_accounts"]))


async def _excuse(connection: asyncpg.Connection, retained: Retained) -> Counter[TopicPartition]:
    """Take off what is missing whatever its own partition keeps no more; how much that is, by partition."""
    excused: Counter[TopicPartition] = Counter()
    async for rows in _missing(connection):
        theirs = [(row, retained.partition_of(row["customer_id"])) for row in rows]
        old = [(row, at) for row, at in theirs if retained.is_before(at, row["at"])]
        excused.update(at for _, at in old)
        await connection.execute(
            PUBLISHED["not_missing"],
            [row["id"] for row, _ in old],
            [row["number"] for row, _ in old],
        )
    return excused


async def _missing(connection: asyncpg.Connection) -> AsyncIterator[list[asyncpg.Record]]:
    """What is missing, in pages."""
    after: tuple[UUID, int] = (LOWEST, -1)
    while rows := await connection.fetch(PUBLISHED["missing_page"], *after, PAGE_ROWS):
        after = rows[-1]["id"], rows[-1]["number"]
        yield rows


async def _report_missing(scan: Scan, kind: Kind) -> None:
    async for rows in _missing(scan.connection):
        for row in rows:
            if said := _said(row, kind):
                about = [account(row["customer_no"])] if row["number"] < 0 else []
                scan.echoed(Rank.OF_THE_MESSAGES, "I3", said, row["id"], *about)


def _said(row: asyncpg.Record, kind: Kind) -> str | None:
    """The sentence; None for a decision under a key that is not its event's, whose messages have other names."""
    lacking = "neither published nor queued"
    match kind.topic:
        case topics.COUPON_ISSUED:
            return f"coupon {row['id']} has no coupon.issued, {lacking}"
        case topics.COUPON_LIFECYCLE:
            word = row["ce_id"].rpartition(".")[2]
            step = f" of its step {row['number']}" if row["number"] >= 0 else ""
            return f"coupon {row['id']} has no coupon.{word}{step}, {lacking}"
        case topics.FOLLOW_UPS:
            return f"nobody was told {row['ce_id']}, {lacking}"
    if kind.called == WEBHOOK:
        return f"nobody was told {row['ce_id']} of a webhook that was switched off, {lacking}"
    if kind.said and row["number"] < 0:
        return f"an end of points has no message {row['ce_id']} among {kind.topic}, {lacking}"
    if row["event_id"] is None or event_key(row["event_source"], row["event_id"]) != str(row["id"]):
        return None
    event = f"event {row['event_id']} of {row['event_source']}"
    if kind.topic == topics.ISSUANCE_DECLINED:
        return f"{event} has no issuance.declined of game {row['number']}, {lacking}"
    return f"{event} has no message {row['ce_id']} among {kind.topic}, {lacking}"
