"""I3, beyond the database: what was issued, every step and every decline is published or still queued, once each.

The relay first publishes, then deletes the outbox row, so a message is at every moment in one of the two. Hence the
order: the topic up to now; the messages that are not in it; of these the ones that are not queued either; and for those
the topic again, because they were published in the meantime, if at all.

Each partition is asked for what it can still have. What one of them lost by retention cannot be checked, which is said;
the others are checked all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from aiokafka import TopicPartition

from schemas.topics import COUPON_ISSUED, COUPON_LIFECYCLE, ISSUANCE_DECLINED
from services.adapters.records import bounds_of, partitions_of, side_reader, written
from services.insight.verify import published_twice
from services.insight.verify.decided_once import HIGHEST, LOWEST
from services.insight.verify.message_reader import MessageReader
from services.insight.verify.scan import PAGE_ROWS, SQL, Scan, Unchecked
from services.relay.partitions import partition_of
from services.terminal.addresses import reaching_kafka
from services.terminal.output import CommandError


def _issue(ce_id: str) -> str:
    return f"coupon {ce_id.partition('.')[0]} has no coupon.issued"


def _step(ce_id: str) -> str:
    coupon_id, step, word = ce_id.split(".")
    return f"coupon {coupon_id} has no coupon.{word} of its step {step}"


def _decline(ce_id: str) -> str:
    event_key, _, game_id = ce_id.split(".")
    return f"the decision under the key {event_key} has no issuance.declined of game {game_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A topic, and the rows that each have a message in it: `unseen` finds those without, in pages of `pages`."""

    topic: str
    unseen: str
    pages: str
    missing: Callable[[str], str]


TOLD = (
    Told(topic=COUPON_ISSUED, unseen="unseen_issues", pages="end_of_coupons", missing=_issue),
    Told(topic=COUPON_LIFECYCLE, unseen="unseen_steps", pages="end_of_coupons", missing=_step),
    Told(
        topic=ISSUANCE_DECLINED,
        unseen="unseen_declines",
        pages="end_of_decisions",
        missing=_decline,
    ),
)


async def check(scan: Scan) -> None:
    """Read each topic into a table of this session, then see what is missing from it, and what is there twice."""
    for told in TOLD:
        await _check(scan, told)


async def _check(scan: Scan, told: Told) -> None:
    topic = scan.settings.topic(told.topic)
    connection = scan.connection
    await connection.execute(SQL["prepare_publication"])
    with reaching_kafka(scan.settings):
        partitions = await partitions_of(scan.settings, {topic})
        if not partitions:
            raise CommandError(f"topic {topic} does not exist: run `couponry topics`")
        async with side_reader(scan.settings) as consumer:
            bounds = await bounds_of(consumer, partitions)
            reader = MessageReader(scan, consumer, bounds)
            await reader.read_to({partition: kept.end for partition, kept in bounds.items()})
            known_from = reader.known_from()
            older = await _collect_unseen(scan, told, min(known_from.values()))
            if await connection.fetchval(SQL["some_unseen"]):
                # Whatever was published before the outbox was looked at lies before these ends.
                await reader.read_to(await written(scan.settings, partitions))
            await published_twice.check(scan, consumer, bounds)
    await _report(scan, told, known_from, older)


async def _collect_unseen(scan: Scan, told: Told, known_from: datetime) -> int:
    """Returns how many messages are missing that no partition can tell of."""
    connection, older = scan.connection, 0
    await connection.execute(SQL["index_publication"])
    since = _by_test_clock(known_from, scan)
    async for after, up_to in scan.pages(told.pages, LOWEST, HIGHEST):
        older += await connection.fetchval(SQL[told.unseen], after, up_to, since)
    await connection.execute(SQL["drop_queued"], told.topic)
    return older


async def _report(
    scan: Scan, told: Told, known_from: Mapping[TopicPartition, datetime], older: int
) -> None:
    since = {at.partition: _by_test_clock(known, scan) for at, known in known_from.items()}
    unchecked, after = older, UUID(int=0)
    while rows := await scan.connection.fetch(SQL["unseen"], after, PAGE_ROWS):
        after = rows[-1]["message"]
        for row in rows:
            if row["at"] > since[partition_of(row["customer_id"].encode(), len(since))]:
                scan.violated("I3", f"{told.missing(row['ce_id'])}, neither published nor queued")
            else:
                unchecked += 1
    if unchecked:
        scan.findings.unchecked.append(
            Unchecked(topic=told.topic, partitions=_shortened(known_from), messages=unchecked)
        )


def _shortened(known_from: Mapping[TopicPartition, datetime]) -> Sequence[int]:
    always = datetime.min.replace(tzinfo=UTC)
    return sorted(at.partition for at, known in known_from.items() if known > always)


def _by_test_clock(at: datetime, scan: Scan) -> datetime:
    """An instant of the broker as rows tell it."""
    try:
        return at + scan.settings.clock_offset
    except OverflowError:
        return at
