"""What all contestants share: the servers, one database and one set of topics made for this run alone.

Nothing that anybody else uses is touched: the database `couponry_benchmark_…` and the topics' prefix are new, also
when the servers are given by COUPONRY_* addresses.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.adapters.kafka import (
    COUPON_ISSUED,
    GAME_COMPLETED,
    client_options,
    ensure_topics,
    topic_specs,
)
from services.adapters.postgres.migrate import migrate
from services.local.servers import Servers, start_servers
from services.runtime.settings import Settings
from tests.benchmark.peers.wiring import Wiring
from tests.benchmark.workload import MULTIPLE_GAMES, PARTNER_ID, SINGLE_GAMES

HERE = Path(__file__).parent
VALIDITY_DAYS = 30
REWARD = "A free coffee of any size"

EMPTY_TABLES = """
    TRUNCATE decisions, coupons, coupon_history, outbox, dead_letters, customers,
             bench.inbox, bench.coupons, bench.outbox
"""
ADD_PARTNER = """
    INSERT INTO partners (id, name, time_zone, store_id, api_key_hash, secret_key_hash)
    VALUES ($1, 'Benchmark', 'UTC', 'benchmark', 'benchmark', 'benchmark')
"""
ADD_GAME = """
    INSERT INTO games (id, partner_id, name, description, game_type, reward_description,
                       allow_multiple_active_coupons, coupon_validity_days)
    VALUES ($1::bigint, $2, 'Game ' || ($1::bigint)::text, 'A game of the benchmark', 'wheel', $3, $4, $5)
"""
COPY_GAMES_FOR_PEERS = """
    INSERT INTO bench.games
    SELECT id, partner_id, is_active, allow_multiple_active_coupons, coupon_validity_days, reward_description
    FROM games
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Servers with a prepared database. `owner` is a connection of the database's owner, searching our schema."""

    settings: Settings
    servers: Servers
    owner: asyncpg.Connection
    logs: Path

    @property
    def completed(self) -> str:
        return self.settings.topic(GAME_COMPLETED)

    @property
    def issued(self) -> str:
        return self.settings.topic(COUPON_ISSUED)

    @property
    def dsn(self) -> str:
        assert self.settings.postgres_dsn
        return self.settings.postgres_dsn

    def peer_wiring(self, group: str) -> Wiring:
        assert self.settings.kafka_bootstrap_servers and self.settings.redis_url
        return Wiring(
            kafka=self.settings.kafka_bootstrap_servers,
            postgres=self.dsn,
            redis=self.settings.redis_url,
            completed_topic=self.completed,
            issued_topic=self.issued,
            group=self.settings.topic(group),
        )

    def service_environment(self) -> dict[str, str]:
        """The COUPONRY_* variables under which our own processes meet this stage."""
        fields = (
            "kafka_bootstrap_servers",
            "postgres_dsn",
            "redis_url",
            "topic_prefix",
            "state_dir",
        )
        named = {f"COUPONRY_{name.upper()}": str(getattr(self.settings, name)) for name in fields}
        return named | {"COUPONRY_TOPIC_PARTITIONS": str(self.settings.topic_partitions)}

    def server_pids(self) -> list[tuple[str, int]]:
        """(name, pid) of the servers that run here."""
        return [(name, pid) for name, pid in self.servers.pids.items() if pid is not None]

    async def reset(self) -> None:
        """Empty tables: the same start for everyone."""
        await self.owner.execute(EMPTY_TABLES)

    async def forget_the_past(self, group: str) -> None:
        """Make the group begin behind everything that is on the topic now."""
        consumer = AIOKafkaConsumer(
            **client_options(self.settings), group_id=group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            places = await partitions(consumer, self.completed)
            consumer.assign(places)
            await consumer.commit(await consumer.end_offsets(places))
        finally:
            await consumer.stop()

    @asynccontextmanager
    async def producer(self, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(**client_options(self.settings), acks="all", **options)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    def in_database(self, name: str, owner: asyncpg.Connection) -> Stage:
        """The same stage on another database of the same server, whose owner's connection this is."""
        settings = self.settings.model_copy(update={"postgres_dsn": with_database(self.dsn, name)})
        return replace(self, settings=settings, owner=owner)


@asynccontextmanager
async def open_stage(settings: Settings, progress: Callable[[str], None]) -> AsyncIterator[Stage]:
    """Start what has no address, prepare the run's own database and topics, remove both in the end."""
    servers = await start_servers(settings, progress=progress)
    try:
        run = secrets.token_hex(3)
        settings = servers.settings(settings).model_copy(
            update={"topic_prefix": f"benchmark-{run}."}
        )
        logs = settings.state_dir / "logs"
        logs.mkdir(exist_ok=True)
        await ensure_topics(settings)
        try:
            async with new_database(settings, f"couponry_benchmark_{run}") as (own, owner):
                await prepare_database(own, owner)
                yield Stage(settings=own, servers=servers, owner=owner, logs=logs)
        finally:
            await _remove_topics(settings)
    finally:
        await servers.stop()


@asynccontextmanager
async def new_database(
    settings: Settings, name: str, *, template: str = "template1"
) -> AsyncIterator[tuple[Settings, asyncpg.Connection]]:
    """A database for as long as the block runs: settings that name it, and a connection of its owner."""
    assert settings.postgres_dsn
    maintenance = await asyncpg.connect(settings.postgres_dsn)
    try:
        # Copied file by file: through the log, five million coupons would take minutes.
        await maintenance.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            dsn = with_database(settings.postgres_dsn, name)
            owner = await asyncpg.connect(dsn, server_settings={"search_path": "couponry"})
            try:
                yield settings.model_copy(update={"postgres_dsn": dsn}), owner
            finally:
                await owner.close()
        finally:
            await maintenance.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await maintenance.close()


async def prepare_database(settings: Settings, owner: asyncpg.Connection) -> None:
    """Our schema, the peers' schema, one partner and the games of the workload."""
    await migrate(settings)
    await owner.execute((HERE / "peers" / "schema.sql").read_text(encoding="utf-8"))
    await owner.execute(ADD_PARTNER, PARTNER_ID)
    for game_id in SINGLE_GAMES + MULTIPLE_GAMES:
        many = game_id in MULTIPLE_GAMES
        await owner.execute(ADD_GAME, game_id, PARTNER_ID, REWARD, many, VALIDITY_DAYS)
    await owner.execute(COPY_GAMES_FOR_PEERS)


async def _remove_topics(settings: Settings) -> None:
    ours = {spec.name for spec in topic_specs(settings)}
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        await admin.delete_topics([name for name in await admin.list_topics() if name in ours])
    finally:
        await admin.close()


async def partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """All partitions of a topic. The consumer must be started."""
    await consumer._client.add_topic(topic)  # no public call waits for a topic's metadata
    return [
        TopicPartition(topic, number)
        for number in sorted(consumer.partitions_for_topic(topic) or ())
    ]


def with_database(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
