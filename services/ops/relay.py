"""`couponry relay`: publish what was decided, in the foreground."""

from __future__ import annotations

from functools import partial

import click

from services.ops.addresses import command_settings
from services.runtime.process import run_service
from services.runtime.settings import required


@click.command()
def relay() -> int:
    """Publish what was decided, each event once, until told to stop. A second relay waits for the first to go.

    Needs COUPONRY_KAFKA_BOOTSTRAP_SERVERS and COUPONRY_POSTGRES_DSN; prints {"health": URL} on stderr.
    """
    settings = command_settings()
    required(settings, "kafka_bootstrap_servers", "postgres_dsn")
    # The work's imports take most of the start-up, after a signal is answered.
    from services.relay.app import serve

    return run_service("relay", settings, partial(serve, settings))
