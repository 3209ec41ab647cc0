"""A year of a shop under the sample program, as often as is asked for: what `what_if` decides again.

One small town is decided by the service itself: who registers, a tenth of them brought by others, ten orders each, of
which some are refunded in part. Its rows and records are then made as many times as it takes, each with customers and
events of its own, among each other as if the towns lived side by side. The ledger and messages, which nobody reads
here, are left out.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from zlib import crc32

import asyncpg
from aiokafka import AIOKafkaProducer, ConsumerRecord

import schemas.gameball_v4
from bench.workload import PARTNER_ID, instant
from schemas.gameball_v4.exact_json import read
from schemas.gameball_v4.files import loaded
from schemas.topics import CUSTOMERS, FOLLOW_UPS, ORDERS
from services.adapters.event_keys import event_key_of_bytes
from services.adapters.kafka import client_options
from services.adapters.postgres.pool import SCHEMA, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.decisions.program_changes import change
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings

CUSTOMERS_OF_A_TOWN = 1_000
ORDERS_OF_EACH = 10
BROUGHT_EVERY, REFUNDED_EVERY = 10, 30
POLL = 500
SENT_AT_ONCE = 5_000
SOURCE, OURS = b"/benchmark/shop", b"/couponry/follow-ups"
SAMPLE = Path(schemas.gameball_v4.__file__).parent / "small-shop.json"
ORDERS_OF_A_TOWN = CUSTOMERS_OF_A_TOWN * ORDERS_OF_EACH

# Ids end in the number of their town.
COPIED: Mapping[str, Mapping[str, str]] = {
    "customers": {"customer_no": "customer_no + {n} * {step}", "customer_id": "left(customer_id, -1) || {n}"},
    "profiles": {"customer_no": "customer_no + {n} * {step}", "referred_by": "left(referred_by, -1) || {n}"},
    "wallets": {"customer_no": "customer_no + {n} * {step}"},
    "lots": {"customer_no": "customer_no + {n} * {step}"},
    "coupons": {
        "id": "gen_random_uuid()", "event_key": "gen_random_uuid()", "customer_no": "customer_no + {n} * {step}",
        "code": "upper(translate(substr(md5(id::text || {n}), 1, 16), 'ilou', '1100'))",
    },
}  # fmt: skip
DECISION = (
    "event_key", "decided_at", "occurred_at", "partner_id", "customer_no", "partition", "offset", "event_id",
    "event_source", "event_type", "topic", "outcome", "order_id", "codes", "program_version", "program",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event of the first town; of another the texts end in another number."""

    topic: str
    type: str
    id: str
    customer_id: str
    data: Mapping[str, Any]

    def value(self, town: int) -> bytes:
        data = {name: f"{text[:-1]}{town}" if name in _NAMED else text for name, text in self.data.items()}  # fmt: skip
        customer = {"partner_id": PARTNER_ID, "customer_id": f"{self.customer_id[:-1]}{town}"}
        return json.dumps(customer | data).encode()

    def id_in(self, town: int) -> bytes:
        return f"{self.id[:-1]}{town}".encode()

    def headers(self, town: int) -> tuple[tuple[str, bytes], ...]:
        return (
            ("ce_specversion", b"1.0"), ("ce_id", self.id_in(town)), ("ce_source", SOURCE),
            ("ce_type", self.type.encode()), ("ce_time", instant()), ("content-type", b"application/json"),
        )  # fmt: skip


_NAMED = frozenset(("order_id", "referred_by"))


def town() -> list[Told]:
    """Everybody registers; then orders by chance, some of which are refunded at once."""
    dice, told = random.Random(1), []
    for number in range(CUSTOMERS_OF_A_TOWN):
        brought = number % BROUGHT_EVERY == 1
        by = {"referred_by": f"c-{number - 1}-0"} if brought else {}
        told.append(_told(CUSTOMERS, "customer.created", f"j-{number}", number, by))
    buyers = [number for number in range(CUSTOMERS_OF_A_TOWN) for _ in range(ORDERS_OF_EACH)]
    dice.shuffle(buyers)
    for order, number in enumerate(buyers):
        total = dice.randrange(500, 9_000)
        lines = [{"product_id": dice.randrange(1, 99), "collection_ids": [dice.randrange(1, 9)], "quantity": 1, "unit_price": _money(total)}]  # fmt: skip
        placed = {"order_id": f"o-{order}-0", "currency": "EUR", "total": _money(total), "lines": lines}  # fmt: skip
        told.append(_told(ORDERS, "order.placed", f"p-{order}", number, placed))
        if order % REFUNDED_EVERY == 0:
            back = {"order_id": f"o-{order}-0", "refunded_total": _money(total // 2)}
            told.append(_told(ORDERS, "order.refunded", f"r-{order}", number, back))
    return told


def _told(topic: str, type_: str, id_: str, number: int, data: Mapping[str, Any]) -> Told:
    return Told(topic=topic, type=type_, id=f"{id_}-0", customer_id=f"c-{number}-0", data=data)


def _money(cents: int) -> str:
    return f"{cents / 100:.2f}"


@dataclass(slots=True)
class Places:
    """Where records come to stand: the offsets of a new topic count from 0."""

    partitions: int
    offsets: dict[tuple[str, int], Iterator[int]] = field(default_factory=dict)

    def next(self, topic: str, customer_id: str) -> tuple[int, int]:
        partition = crc32(customer_id.encode()) % self.partitions
        return partition, next(self.offsets.setdefault((topic, partition), count()))


async def load_shop(
    settings: Settings, owner: asyncpg.Connection, towns: int, progress: Callable[[str], None]
) -> None:
    """Into an empty database with the partner of the benchmark, and topics without records."""
    program = {name: section for name, section in read(SAMPLE.read_bytes()).items() if name != "partner_id"}  # fmt: skip
    async with owner.transaction():
        await change(owner, PARTNER_ID, actor="benchmark", edit=lambda now: loaded(now, program).sections)  # fmt: skip
    events = town()
    await _decide(settings, owner, events)
    rows = await owner.fetch("SELECT * FROM decisions ORDER BY seq")
    progress(f"{len(rows):,} events of one town are decided")
    step = await owner.fetchval("SELECT max(customer_no) FROM customers")
    for table, changed in COPIED.items():
        await copy_towns(owner, table, changed, step=step, towns=towns)
    by_id = {event.id: event for event in events}
    await owner.execute("TRUNCATE decisions")
    await _tell(settings, owner, rows, by_id, step, towns)
    await owner.execute("VACUUM ANALYZE")
    progress(f"{len(rows) * towns:,} events of {towns} towns are there")


async def _decide(settings: Settings, owner: asyncpg.Connection, events: Sequence[Told]) -> None:
    """By the pipeline of an issuer, poll by poll, with what it makes us tell ourselves."""
    pool, locks = await open_pool(settings, "couponry-benchmark"), CustomerLocks(settings)
    pipeline = Pipeline(pool, locks)
    for start in range(0, len(events), POLL):
        await pipeline.process(
            [
                _record(event.topic, start + n, event.value(0), event.headers(0))
                for n, event in enumerate(events[start : start + POLL])
            ]
        )
        follow_ups = await owner.fetch(
            "SELECT ce_type, ce_id, value FROM outbox WHERE topic = $1"
            " AND ce_id NOT IN (SELECT event_id FROM decisions) ORDER BY id", FOLLOW_UPS,
        )  # fmt: skip
        await pipeline.process([_follow_up(n, row) for n, row in enumerate(follow_ups)])
    await locks.close()
    await pool.close()


def _follow_up(number: int, row: asyncpg.Record) -> ConsumerRecord:
    headers = (
        ("ce_specversion", b"1.0"), ("ce_id", row["ce_id"].encode()), ("ce_source", OURS),
        ("ce_type", row["ce_type"].encode()), ("ce_time", instant()),
    )  # fmt: skip
    return _record(FOLLOW_UPS, number, row["value"].encode(), headers)


def _record(topic: str, offset: int, value: bytes, headers: Any) -> ConsumerRecord:
    timestamp_ms = int(datetime.now(UTC).timestamp() * 1000)
    return ConsumerRecord(topic, 0, offset, timestamp_ms, 1, None, value, None, 0, 0, headers)


async def copy_towns(
    owner: asyncpg.Connection, table: str, changed: Mapping[str, str], *, step: int, towns: int
) -> None:
    """Rows of all towns but the first, from those of the first; `changed`: columns that are others in town {n}."""
    columns = await owner.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = ''", table,
    )  # fmt: skip
    names = [row["attname"] for row in columns]
    shown = [changed.get(name, f'"{name}"').format(n="n", step=step) for name in names]
    quoted = ", ".join(f'"{name}"' for name in names)
    await owner.execute(
        f"INSERT INTO {table} ({quoted}) OVERRIDING SYSTEM VALUE"
        f" SELECT {', '.join(shown)} FROM {table}, generate_series(1, {towns - 1}) AS n"
    )


async def _tell(
    settings: Settings,
    owner: asyncpg.Connection,
    rows: Sequence[asyncpg.Record],
    by_id: Mapping[str, Told],
    step: int,
    towns: int,
) -> None:
    """Records and decisions of all towns, each event of all of them before the next."""
    places = Places(settings.topic_partitions)
    decisions: list[tuple[Any, ...]] = []
    ids = {str(row["event_key"]): row["event_id"] for row in rows}
    async with AIOKafkaProducer(**client_options(settings), linger_ms=20, max_batch_size=1 << 18) as producer:  # fmt: skip
        sent: list[asyncio.Future[Any]] = []
        for row in rows:
            for number in range(towns):
                event = by_id.get(row["event_id"])
                if event is None:
                    of = by_id[ids[row["event_id"].removesuffix(".referral")]]
                    event_id = f"{event_key_of_bytes(SOURCE, of.id_in(number))}.referral".encode()
                    source, (partition, offset) = OURS, places.next(FOLLOW_UPS, of.customer_id)
                else:
                    event_id, source = event.id_in(number), SOURCE
                    customer_id = f"{event.customer_id[:-1]}{number}"
                    partition, offset = places.next(event.topic, customer_id)
                    sent.append(
                        await producer.send(
                            settings.topic(event.topic), event.value(number), customer_id.encode(), partition,
                            headers=list(event.headers(number)),
                        )
                    )  # fmt: skip
                topic = settings.topic(event.topic if event is not None else FOLLOW_UPS)
                order_id = row["order_id"] and f"{row['order_id'][:-1]}{number}"
                decisions.append(
                    (
                        event_key_of_bytes(source, event_id), row["decided_at"], row["occurred_at"], PARTNER_ID,
                        row["customer_no"] + number * step, partition, offset, event_id.decode(), source.decode(),
                        row["event_type"], topic, row["outcome"], order_id, row["codes"], row["program_version"],
                        row["program"],
                    )
                )  # fmt: skip
                if len(decisions) == SENT_AT_ONCE:
                    await asyncio.gather(*sent, _copy_decisions(owner, decisions))
                    sent, decisions = [], []
        await asyncio.gather(*sent, _copy_decisions(owner, decisions))


async def _copy_decisions(owner: asyncpg.Connection, decisions: Sequence[tuple[Any, ...]]) -> None:
    await owner.copy_records_to_table(
        "decisions", schema_name=SCHEMA, columns=DECISION, records=decisions
    )
