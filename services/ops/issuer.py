"""`couponry issuer`: one issuer process in the foreground."""

from __future__ import annotations

import click

from services.ops.addresses import command_settings
from services.runtime.process import run_service
from services.runtime.settings import required


@click.command()
def issuer() -> int:
    """Decide incoming events and issue coupons, until told to stop.

    Any number may run: they share the partitions through the consumer group. Needs COUPONRY_KAFKA_BOOTSTRAP_SERVERS,
    COUPONRY_POSTGRES_DSN and COUPONRY_REDIS_URL; prints {"health": URL} on stderr.
    """
    settings = command_settings()
    required(settings, "kafka_bootstrap_servers", "postgres_dsn", "redis_url")
    # The work's imports take most of the start-up, after a signal is answered.
    from services.issuer.app import serve
    from services.runtime.garbage import look_only_when_told

    look_only_when_told()
    return run_service("issuer", settings, lambda health: serve(settings, health))
