"""`couponry sweeper`: one sweeper process in the foreground."""

from __future__ import annotations

import click

from services.ops.addresses import command_settings
from services.runtime.process import run_service


@click.command()
def sweeper() -> int:
    """End coupons and reservations whose time is over, announce those about to end, until told to stop.

    Any number may run. Needs COUPONRY_POSTGRES_DSN; prints {"health": URL} on stderr.
    """
    settings = command_settings()
    from services.sweeper.app import serve

    return run_service("sweeper", settings, lambda health: serve(settings, health))
