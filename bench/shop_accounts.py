"""Customers of a shop with millions of ledger entries, made inside Postgres in minutes: what `accounts` measures on.

One town is decided by the service itself: everybody registers, then orders. Its rows are made again for as many towns as
it takes, row after row, each for all towns before the next, so that a customer's entries lie as far apart as if the towns
had lived side by side. Left out is what was queued. `verify` holds but for the keys of events, which are as good as any
but not made of their ids.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from zlib import crc32

import asyncpg
from aiokafka import ConsumerRecord

from bench.databases import without_indexes
from bench.lifecycle import record
from bench.shop import SHOP_ID, add_shop, customer_named, customer_of, orders
from bench.shop_history import copy_towns
from services.adapters.postgres.partners import digest
from services.issuer.pipeline import Pipeline

KEY = "benchmark"
"""The shop's API key, and its secret key."""
TOWN_SEED = -2
ORDERS_PER_CUSTOMER = 1.2
POLL = 500

_NUMBER = {"customer_no": "customer_no + {n} * {step}"}
_KEY = {"event_key": "md5(event_key::text || {n})::uuid"}
_ORDER = {"order_id": "order_id || '-' || {n}"}
_SOURCE = {"source_id": "source_id || CASE source_kind WHEN 'order' THEN '-' || {n} ELSE '' END"}
# No coupons: nobody has placed the five orders that bring one.
COPIED: Mapping[str, Mapping[str, str]] = {
    "customers": _NUMBER | {"customer_id": "customer_id || '-' || {n}"},
    "profiles": _NUMBER,
    "wallets": _NUMBER,
    "lots": _NUMBER | _SOURCE,
    "ledger": _NUMBER | _KEY | _ORDER | _SOURCE | {"id": "nextval('ledger_id_seq')"},
    "purchases": _NUMBER | _KEY | _ORDER,
    "decisions": _NUMBER | _KEY | _ORDER | {
        "seq": "nextval('decisions_seq_seq')", "event_id": "event_id || '-' || {n}",
    },
}  # fmt: skip
NUMBER_ON = "SELECT setval(pg_get_serial_sequence('customers', 'customer_no'), max(customer_no)) FROM customers"
OPEN_DOOR = "UPDATE partners SET api_key_hash = $2, secret_key_hash = $2 WHERE id = $1"


async def fill_town(owner: asyncpg.Connection, pipeline: Pipeline, customers: int) -> int:
    """The first town of the shop, decided by this pipeline; how many ledger entries it has."""
    await add_shop(owner)
    await owner.execute(OPEN_DOOR, SHOP_ID, digest(KEY))
    records = [
        record("customer.created", {"partner_id": SHOP_ID, "customer_id": customer_named(number)})
        for number in range(customers)
    ]
    for number, data in enumerate(orders(int(customers * ORDERS_PER_CUSTOMER), seed=TOWN_SEED)):
        records.append(
            record("order.placed", data | {"customer_id": customer_named(number % customers)})
        )
    for start in range(0, len(records), POLL):
        await pipeline.process(records[start : start + POLL])
    return await settle(owner)


async def multiply(owner: asyncpg.Connection, towns: int, progress: Callable[[str], None]) -> int:
    """So many towns of the one that is there; how many ledger entries they have together."""
    step = await owner.fetchval("SELECT max(customer_no) FROM customers")
    async with without_indexes(owner, list(COPIED)):
        for table, changed in COPIED.items():
            await copy_towns(owner, table, changed, step=step, towns=towns)
            progress(f"{table} of {towns:,} towns are there")
    await owner.execute(NUMBER_ON)
    return await settle(owner)


async def settle(owner: asyncpg.Connection) -> int:
    """Nothing is queued, what is there is vacuumed and written; how many ledger entries there are."""
    await owner.execute("TRUNCATE outbox")
    await owner.execute("VACUUM ANALYZE")
    await owner.execute("CHECKPOINT")
    return int(await owner.fetchval("SELECT count(*) FROM ledger"))


def more_orders(count: int, *, seed: int, customers: int, towns: int) -> list[ConsumerRecord]:
    """So many orders of as many customers, however many towns there are: of each customer's likes in one town."""
    rng = random.Random(f"accounts{seed}")
    return [
        record("order.placed", data | {"customer_id": spread(customer_of(rng, number, customers), towns)})
        for number, data in enumerate(orders(count, seed=seed))
    ]  # fmt: skip


def anybody(rng: random.Random, customers: int, towns: int) -> str:
    """A customer of any town."""
    return id_in(rng.randrange(towns), customer_named(rng.randrange(customers)))


def spread(customer_id: str, towns: int) -> str:
    """Who stands for this customer of the first town, the same one always: those of a town are spread over all."""
    return id_in(crc32(customer_id.encode()) % towns, customer_id)


def id_in(town: int, customer_id: str) -> str:
    """The id in this town of whom the first town knows by that one."""
    return f"{customer_id}-{town}" if town else customer_id
