"""`couponry relay`: publish what was decided, in the foreground."""

from __future__ import annotations

from functools import partial

import click

from services.ops.addresses import command_settings
from services.runtime.process import run_service
from services.runtime.settings import required


@click.command()
def relay() -> int:
    """Publish what was decided, each event once. A second relay waits until the first is gone."""
    settings = command_settings()
    required(settings, "kafka_bootstrap_servers", "postgres_dsn")
    from services.relay.app import serve

    return run_service("relay", settings, partial(serve, settings))
