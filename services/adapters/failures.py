"""What an error of Kafka or Redis means. Postgres says more, and has a module of its own: `postgres/failures`.

Kafka: whatever its client raises is an outage. What a broker refuses for good (a record, a topic) the callers find out
before, or name themselves. Redis only saves time: any error of it means to go on without.
"""

from __future__ import annotations

from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from services.adapters.postgres.failures import ClockApart, Errors, Kind, is_of_postgres, kind_of

KAFKA_AWAY: Errors = (KafkaError, OSError)
"""The cluster is away, or refuses: a command says so in one line."""

REDIS_AWAY: Errors = (RedisError, OSError)
"""Redis does not answer: go on without it, and leave it alone for a while."""


def is_outage(error: Exception) -> bool:
    """Whether to wait for a server, for who uses Kafka and Postgres and decides records."""
    return isinstance(error, KafkaError) or kind_of(error) is Kind.OUTAGE


def server_of(error: Exception) -> str:
    """What a failure is about, by the name of its health check: `kafka`, `postgres`, or Postgres' `clock`."""
    if isinstance(error, ClockApart):
        return "clock"
    return "kafka" if isinstance(error, KafkaError) else "postgres"


def is_of_a_server(error: Exception) -> bool:
    """The same for who depends on no record's content: whatever Kafka or Postgres says."""
    return isinstance(error, KafkaError) or is_of_postgres(error)
