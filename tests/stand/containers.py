"""The same servers in containers, for machines where a Docker engine answers (COUPONRY_USE_TESTCONTAINERS=1).

Only what has no address in the settings is started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from services.local.servers import SETTING
from services.runtime.settings import Settings


@contextmanager
def running_containers(settings: Settings) -> Iterator[Settings]:
    """Settings with the addresses of fresh containers filled in; the containers end with the block."""
    starts: dict[str, Callable[[ExitStack], str]] = {
        "kafka": _kafka,
        "postgres": _postgres,
        "redis": _redis,
    }
    with ExitStack() as stack:
        found = {
            SETTING[name]: start(stack)
            for name, start in starts.items()
            if not getattr(settings, SETTING[name])
        }
        yield settings.model_copy(update=found)


def _kafka(stack: ExitStack) -> str:
    from testcontainers.community.kafka import KafkaContainer

    container: Any = KafkaContainer("confluentinc/cp-kafka:8.1.0").with_kraft()
    container.with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
    container.with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
    container.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    return str(stack.enter_context(container).get_bootstrap_server())


def _postgres(stack: ExitStack) -> str:
    from testcontainers.community.postgres import PostgresContainer

    container: Any = stack.enter_context(PostgresContainer("postgres:18", driver=None))
    return str(container.get_connection_url())


def _redis(stack: ExitStack) -> str:
    from testcontainers.community.redis import RedisContainer

    container: Any = stack.enter_context(RedisContainer("valkey/valkey:9"))
    return f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
