"""What was published, held against what is stored: messages that say something else, or of what nobody knows, or twice.

A database that went back (a standby that lagged was promoted, a backup was restored) explains much of it: decisions are
made again, a little later, and told again with the same `ce_id`, and what staff did is gone. That it went back shows:
in a message that was published before the decision it tells of was made, in Postgres' own history, in the identities
that relays published for. Then those messages are a note, for whoever asks what was lost, and no fault.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition

from schemas import topics
from services.adapters.event_keys import event_key
from services.adapters.postgres.queries import queries
from services.adapters.records import bounds_of, partitions_of, read_parts, side_reader
from services.insight.verify.messages import WEBHOOK, Foreign, Kind, Message, read_message
from services.insight.verify.scan import MOST_KEPT, SQL, Rank, Scan

PUBLISHED = queries("published", __package__)
TOLD = queries("told", __package__)


@dataclass(slots=True, kw_only=True)
class Oddities:
    """What a database that went back would explain; sentences, each with what it is about. `number` of them in all."""

    number: int = 0
    kept: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def add(self, sentence: str, *about: str) -> None:
        self.number += 1
        if len(self.kept) < MOST_KEPT:
            self.kept.append((sentence, about))


@dataclass(slots=True, kw_only=True)
class Told:
    """What the messages of all topics have shown so far. `overtaken`: told before the decision that stands was made."""

    scan: Scan
    overtaken: Oddities = field(default_factory=Oddities)
    unknown: Oddities = field(default_factory=Oddities)
    repeated: Oddities = field(default_factory=Oddities)

    async def take(self, records: Sequence[ConsumerRecord], kind: Kind) -> list[Message]:
        """Judge these records; returns our messages among them."""
        read = [read_message(record, kind) for record in records]
        for one in read:
            if isinstance(one, Foreign) and not kind.is_open:
                self.scan.echoed(
                    Rank.OF_THE_MESSAGES, "I3", f"record {one.place} is a {one.why}", one.about
                )
        messages = [one for one in read if isinstance(one, Message)]
        if kind.is_open:
            messages = await self._ours(messages, kind)
        await self.scan.connection.copy_records_to_table(
            "verify_told",
            columns=("id", "number", "again", "said"),
            records=[(one.id, one.number, one.again, one.said) for one in messages],
        )
        if not kind.is_open:
            await self._judge(messages, kind)
        return messages

    async def _ours(self, messages: Sequence[Message], kind: Kind) -> list[Message]:
        """Without those that we cannot have sent."""
        others = {row["place"] for row in await self._faulty(messages, kind)}
        return [one for place, one in enumerate(messages, 1) if place not in others]

    async def _faulty(self, messages: Sequence[Message], kind: Kind) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self.scan.connection.fetch(
            TOLD[kind.judged].replace(":shown_code", TOLD["shown_code"]),
            [one.id for one in messages],
            [one.number for one in messages],
            [one.word for one in messages],
            [one.told_at for one in messages],
            *([one.data[column] for one in messages] for column in range(len(kind.fields))),
        )
        return rows

    async def _judge(self, messages: Sequence[Message], kind: Kind) -> None:
        unknown = []
        for row in await self._faulty(messages, kind):
            message = messages[row["place"] - 1]
            about = (str(message.id), str(row["event_key"]))
            if row["is_unknown"] and row["event_key"] and kind.topic == topics.PROGRAM_EVENTS:
                said = f"record {message.place} tells that something was {message.word} by {_subject(message, kind)}"
                self.unknown.add(f"{said}, whose decision says nothing of it", *about)
                continue
            if row["is_unknown"]:
                unknown.append(message)
                continue
            differing = ", ".join([*row["other"], *row["since"]])
            said = f"record {message.place} says otherwise than the database of {_subject(message, kind)}: {differing}"
            if row["is_later"] and not row["other"]:
                self.overtaken.add(said, *about)
            else:
                self.scan.echoed(Rank.OF_THE_MESSAGES, "I3", said, *about)
        if unknown:
            await self._note_unknown(unknown, kind)

    async def _note_unknown(self, messages: Sequence[Message], kind: Kind) -> None:
        """Of an event that has vanished, and of its coupon, I4 has said so; what remains nobody knows of."""
        connection = self.scan.connection
        keys = {message.place: _keys(message, kind) for message in messages}
        found = await connection.fetch(SQL["lost"], [key for some in keys.values() for key in some])
        lost = {str(row["id"]) for row in found}
        explained = [one for one in messages if not lost.isdisjoint(keys[one.place])]
        await connection.execute(SQL["lose"], [one.id for one in explained])
        for message in messages:
            if lost.isdisjoint(keys[message.place]):
                self.unknown.add(
                    f"record {message.place} tells of {_subject(message, kind)}, which the database does not know",
                    *keys[message.place],
                )

    async def look_for_repeats(self, kind: Kind) -> None:
        """Once a topic is read: what was told again though nobody asked for it."""
        for row in await self.scan.connection.fetch(PUBLISHED["told_twice"], MOST_KEPT):
            self.repeated.add(
                f"{_name(row, kind)} was published {row['times']} times", str(row["id"])
            )

    async def report(self) -> None:
        """Once all topics are read: faults, or a note where the database went back."""
        if not await self._went_back():
            for some, rank in (
                (self.unknown, Rank.OF_THE_MESSAGES),
                (self.repeated, Rank.OF_THEIR_NUMBER),
            ):
                for sentence, about in some.kept:
                    self.scan.echoed(rank, "I3", sentence, *about)
            return
        for what, some in (
            ("tell of what the database does not know", self.unknown),
            ("were published again", self.repeated),
            ("tell of decisions that were made again since", self.overtaken),
        ):
            if some.number:
                self.scan.findings.notes.append(
                    f"{some.number:,} messages {what}, as after a failover or a restored backup; "
                    f"the first: {some.kept[0][0]}"
                )

    async def _went_back(self) -> bool:
        if self.overtaken.number:
            return True
        if not self.unknown.number and not self.repeated.number:
            return False
        return await _was_promoted(self.scan) or len(await _identities(self.scan)) > 1


def _name(row: asyncpg.Record, kind: Kind) -> str:
    match kind.topic:
        case topics.COUPON_ISSUED:
            return f"coupon.issued of coupon {row['id']}"
        case topics.COUPON_LIFECYCLE:
            return f"step or notice {row['number']} of coupon {row['id']}"
        case topics.FOLLOW_UPS:
            return f"{kind.called} {row['number']} of {row['id']}"
        case _ if kind.called == WEBHOOK:
            return f"webhook.disabled of partner {row['id'].int} in version {row['number']}"
        case topics.ISSUANCE_DECLINED:
            return f"issuance.declined of the decision {row['id']} and game {row['number']}"
        case _:
            return f"{kind.called} {row['number']} of the decision {row['id']}"


def _subject(message: Message, kind: Kind) -> str:
    if kind.called == WEBHOOK:
        return f"the webhook of partner {message.id.int} in version {message.number}"
    if kind.topic in (topics.ISSUANCE_DECLINED, topics.PROGRAM_EVENTS):
        return f"event {message.data[-2]} of {message.data[-3]}"
    return f"coupon {message.id}{f' in step {message.number}' if message.number else ''}"


def _keys(message: Message, kind: Kind) -> tuple[str, ...]:
    """The coupon or event that a message is about, and the event that issued the coupon if it says so."""
    source, event_id, _ = message.data[-3:]
    if kind.topic == topics.COUPON_ISSUED and source is not None and event_id is not None:
        return str(message.id), event_key(source, event_id)
    return (str(message.id),)


async def _was_promoted(scan: Scan) -> bool:
    """False too where a service keeps its server's control file to itself."""
    try:
        return bool(await scan.connection.fetchval(PUBLISHED["was_promoted"]))
    except asyncpg.PostgresError:
        return False


async def _identities(scan: Scan) -> Collection[bytes | None]:
    """For which databases relays have published: a restored one has a new identity."""
    partitions = await partitions_of(scan.settings, {scan.settings.topic(topics.RELAY_PROGRESS)})
    found = set()
    async with side_reader(scan.settings) as consumer:
        bounds = await bounds_of(consumer, partitions)
        starts: dict[TopicPartition, int] = {at: kept.first for at, kept in bounds.items()}
        async for records in read_parts(consumer, starts, {at: kept.end for at, kept in bounds.items()}):  # fmt: skip
            found |= {record.key for record in records}
    return found
