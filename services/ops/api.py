"""`couponry api`: one process of the partner API in the foreground."""

from __future__ import annotations

import click

from services.ops.addresses import command_settings
from services.ops.token import with_local_secret
from services.runtime.process import run_service
from services.runtime.settings import required


@click.command()
def api() -> int:
    """Serve the partner API, until told to stop.

    Needs COUPONRY_POSTGRES_DSN, and COUPONRY_JWT_SECRET or COUPONRY_JWT_JWKS_URL; uses COUPONRY_REDIS_URL to share
    rate limits with other processes. Prints {"api": URL} and {"health": URL} on stderr.
    """
    settings = with_local_secret(command_settings())
    required(settings, "postgres_dsn")
    # The work's imports take most of the start-up, after a signal is answered.
    from services.partner_api.app import serve
    from services.partner_api.keys import keys_by

    keys_by(settings)
    return run_service("api", settings, lambda health: serve(settings, health))
