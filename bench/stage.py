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

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from bench.databases import new_database, prepare_database, with_database
from bench.meter import runs
from bench.peers.wiring import Wiring
from schemas.topics import COUPON_ISSUED, GAME_COMPLETED
from services.adapters.kafka import client_options, ensure_topics, topic_specs
from services.local.servers import Servers, start_servers
from services.runtime.settings import Settings

EMPTY_TABLES = """
    TRUNCATE decisions, coupons, coupon_history, outbox, dead_letters, customers,
             bench.inbox, bench.coupons, bench.outbox CASCADE
"""


class ServerEnded(Exception):
    """A server of the whole run is gone: nothing more can be measured."""


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
            "code_secret",
        )
        named = {f"COUPONRY_{name.upper()}": str(getattr(self.settings, name)) for name in fields}
        return named | {"COUPONRY_TOPIC_PARTITIONS": str(self.settings.topic_partitions)}

    def server_pids(self) -> list[tuple[str, int]]:
        """(name, pid) of the servers that run here."""
        return [(name, pid) for name, pid in self.servers.pids.items() if pid is not None]

    def check_servers(self) -> None:
        """Raises ServerEnded if a server that runs here is gone."""
        for name, pid in self.server_pids():
            if not runs(pid):
                raise ServerEnded(f"{name} ended; see the logs in {self.settings.state_dir}")

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
            partitions = await partitions_of(consumer, self.completed)
            consumer.assign(partitions)
            await consumer.commit(await consumer.end_offsets(partitions))
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


async def _remove_topics(settings: Settings) -> None:
    ours = {spec.name for spec in topic_specs(settings)}
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        await admin.delete_topics([name for name in await admin.list_topics() if name in ours])
    finally:
        await admin.close()


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """All partitions of a topic. The consumer must be started."""
    await consumer._client.add_topic(topic)  # no public call waits for a topic's metadata
    return [
        TopicPartition(topic, number)
        for number in sorted(consumer.partitions_for_topic(topic) or ())
    ]
