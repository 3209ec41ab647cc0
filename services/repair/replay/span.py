"""Which offsets a replay reads; which of those that were asked for the topic has let go of already, and which are the
live group's to decide first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import topics
from services.adapters.records import (
    Bounds,
    bounds_of,
    first_since,
    group_offsets,
    has_members,
    partitions_of,
)
from services.runtime.settings import Settings
from services.terminal.output import CommandError, instant_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the operator wants read again: half-open, and without a bound as far as the live group has come.

    `beyond_live`: as far as the topic goes.
    """

    topic: str
    partitions: Sequence[int] = ()
    from_at: datetime | None = None
    to_at: datetime | None = None
    from_offset: int | None = None
    to_offset: int | None = None
    beyond_live: bool | None = None


@dataclass(slots=True, kw_only=True)
class Span:
    """What is read: from `next` (moves on) to before `ends`, by partition. `missing`: see `_gap`.

    `left_to_live`: what was asked for and not read, because the live group has not come to it: from `from_offset` to
    before `to_offset`.
    """

    topic: str
    next: dict[int, int]
    ends: dict[int, int]
    missing: list[dict[str, Any]]
    left_to_live: list[dict[str, int]]

    def as_progress(self) -> dict[str, Any]:
        """As kept with an operation."""
        return {
            "topic": self.topic,
            "next": {str(number): at for number, at in self.next.items()},
            "ends": {str(number): at for number, at in self.ends.items()},
            "missing": self.missing,
            "left_to_live": self.left_to_live,
        }

    @classmethod
    def from_progress(cls, kept: Mapping[str, Any]) -> Span:
        """As it was kept."""
        return cls(
            topic=kept["topic"],
            next={int(number): at for number, at in kept["next"].items()},
            ends={int(number): at for number, at in kept["ends"].items()},
            missing=kept["missing"],
            left_to_live=kept.get("left_to_live", []),  # an older release kept none
        )

    def by_partition(self, offsets: Mapping[int, int]) -> dict[TopicPartition, int]:
        """`next` or `ends` with the topic's name to each number."""
        return {TopicPartition(self.topic, number): at for number, at in offsets.items()}


def broker_topic(settings: Settings, name: str) -> str:
    """The broker's name of an incoming topic, given with or without the prefix. Raises CommandError.

    No others hold records for the pipeline: whatever else was fed to it would become dead letters.
    """
    for topic in topics.INCOMING:
        if name in (topic, settings.topic(topic)):
            return settings.topic(topic)
    raise CommandError(f"--topic {name!r} is no topic of events: use {topic_choice()}")


def topic_choice() -> str:
    """The incoming topics as words."""
    return " or ".join(topics.INCOMING)


async def find_span(settings: Settings, consumer: AIOKafkaConsumer, asked: Asked) -> Span:
    """Ask Kafka. Raises CommandError for a topic or partition that does not exist, or KafkaError."""
    partitions = await _asked_for(settings, asked)
    bounds = await bounds_of(consumer, partitions)
    oldest = await first_since(consumer, partitions)
    since = await first_since(consumer, partitions, asked.from_at) if asked.from_at else {}
    until = await first_since(consumer, partitions, asked.to_at) if asked.to_at else {}
    live = None if asked.beyond_live else await _live_offsets(settings, asked.topic)
    span = Span(topic=asked.topic, next={}, ends={}, missing=[], left_to_live=[])
    for partition in partitions:
        first, end = bounds[partition].first, bounds[partition].end
        start, stop = first, end
        if asked.from_at is not None:
            start = found[0] if (found := since[partition]) else end
        if asked.to_at is not None:
            stop = found[0] if (found := until[partition]) else end
        start = max(start, asked.from_offset or 0)
        stop = min(stop, end, end if asked.to_offset is None else asked.to_offset)
        stop = max(start, stop)
        if live is not None and (ahead := max(start, live.get(partition, first))) < stop:
            span.left_to_live.append(
                {"partition": partition.partition, "from_offset": ahead, "to_offset": stop}
            )
            stop = ahead
        span.next[partition.partition], span.ends[partition.partition] = start, stop
        if gap := _gap(asked, bounds[partition], oldest[partition]):
            span.missing.append({"partition": partition.partition, **gap})
    return span


async def _live_offsets(settings: Settings, topic: str) -> dict[TopicPartition, int] | None:
    """How far the live group has come in each partition that it has begun; None if there is no such group.

    Beyond that a replay would decide a customer's later events before the earlier ones, or what the brake holds. A
    group that nobody is in and that has never committed anything here holds nothing up: whoever reads first decides.
    """
    committed = {
        partition: offset
        for partition, offset in (await group_offsets(settings, settings.consumer_group)).items()
        if partition.topic == topic
    }
    if committed or await has_members(settings, settings.consumer_group):
        return committed
    return None


async def _asked_for(settings: Settings, asked: Asked) -> list[TopicPartition]:
    partitions = await partitions_of(settings, {asked.topic})
    if not partitions:
        raise CommandError(f"topic {asked.topic} does not exist: run `couponry topics`")
    unknown = sorted(set(asked.partitions) - {partition.partition for partition in partitions})
    if unknown:
        raise CommandError(
            f"topic {asked.topic} has partitions 0 to {len(partitions) - 1}, not {unknown[0]}"
        )
    return [
        partition
        for partition in partitions
        if not asked.partitions or partition.partition in asked.partitions
    ]


def _gap(asked: Asked, kept: Bounds, oldest: tuple[int, datetime] | None) -> dict[str, Any] | None:
    """What was asked for and is no longer kept: offsets up to before `to_offset`, times up to before `to`.

    `from_offset` is None where only a time was asked for, `to` when the partition keeps nothing at all.
    """
    wanted_from = asked.from_offset or 0
    if kept.first <= wanted_from:
        return None
    if asked.to_offset is not None and asked.to_offset <= wanted_from:
        return None
    kept_since = oldest[1] if oldest else None
    if asked.from_at is not None and kept_since is not None and asked.from_at >= kept_since:
        return None
    return {
        "from_offset": asked.from_offset if asked.from_at or asked.from_offset else 0,
        "to_offset": min(kept.first, asked.to_offset or kept.first),
        "from": asked.from_at and instant_text(asked.from_at),
        "to": kept_since and instant_text(min(kept_since, asked.to_at or kept_since)),
    }


def gap_line(gap: Mapping[str, Any]) -> str:
    """A gap in words."""
    offsets = f"before {gap['to_offset']}"
    if gap["from_offset"] is not None:
        offsets = f"from {gap['from_offset']} to {offsets}"
    since = f"from {gap['from']} " if gap["from"] else ""
    until = f"to before {gap['to']}" if gap["to"] else "to the end"
    return f"partition {gap['partition']}: offsets {offsets} are no longer kept, {since}{until}"


def live_line(left: Mapping[str, int]) -> str:
    """In words, what is the live group's to decide first."""
    return (
        f"partition {left['partition']}: offsets from {left['from_offset']} to before {left['to_offset']} are left to"
        " the live group, which has not come to them; --beyond-live reads them too"
    )
