"""`couponry issuer`, `relay`, `sweeper`, `webhooks`, `api`: one process each, in the foreground, until told to stop.

The work itself is imported when the command runs, with a signal answered already: it takes most of the start-up.
"""

from __future__ import annotations

from functools import partial

import click

from services.admin.token import with_named_secret
from services.runtime.process import run_service
from services.runtime.settings import require_code_secret, required
from services.terminal.addresses import process_settings


@click.command()
def issuer() -> int:
    """Decide incoming events and issue coupons, until told to stop.

    Any number may run: they share the partitions through the consumer group. Needs COUPONRY_KAFKA_BOOTSTRAP_SERVERS,
    COUPONRY_POSTGRES_DSN, COUPONRY_REDIS_URL and COUPONRY_CODE_SECRET; prints {"health": URL} on stderr.
    """
    settings = process_settings()
    required(settings, "kafka_bootstrap_servers", "postgres_dsn", "redis_url")
    require_code_secret(settings)
    from services.issuer.app import serve
    from services.runtime.garbage import look_only_when_told

    look_only_when_told()
    return run_service("issuer", settings, partial(serve, settings))


@click.command()
def relay() -> int:
    """Publish what was decided, each event once, until told to stop. A second relay waits for the first to go.

    Needs COUPONRY_KAFKA_BOOTSTRAP_SERVERS and COUPONRY_POSTGRES_DSN; prints {"health": URL} on stderr.
    """
    settings = process_settings()
    required(settings, "kafka_bootstrap_servers", "postgres_dsn")
    from services.relay.app import serve

    return run_service("relay", settings, partial(serve, settings))


@click.command()
def sweeper() -> int:
    """End coupons and reservations whose time is over, announce those about to end, until told to stop.

    It also counts for the games' statistics, and takes out what was kept long enough: what dead letters said that were
    dealt with (COUPONRY_DEAD_LETTER_RETENTION_DAYS), entries of the audit trail (COUPONRY_AUDIT_RETENTION_DAYS) and
    answers to requests with an Idempotency-Key (COUPONRY_IDEMPOTENCY_RETENTION_HOURS). Any number may run. Needs
    COUPONRY_POSTGRES_DSN; prints {"health": URL} on stderr.
    """
    settings = process_settings()
    required(settings, "postgres_dsn")
    from services.sweeper.app import serve

    return run_service("sweeper", settings, partial(serve, settings))


@click.command()
def webhooks() -> int:
    """Tell partners' own coupon systems of coupons, and take the codes they answer, until told to stop.

    Any number may run: they share what is to be read, and one of them sends. Needs COUPONRY_KAFKA_BOOTSTRAP_SERVERS,
    COUPONRY_POSTGRES_DSN and COUPONRY_SECRETS_KEY; prints {"health": URL} on stderr.
    """
    settings = process_settings()
    required(settings, "kafka_bootstrap_servers", "postgres_dsn")
    from services.adapters.secrets import secrets_by
    from services.webhooks.app import serve

    secrets_by(settings)
    return run_service("webhooks", settings, partial(serve, settings))


@click.command()
def api() -> int:
    """Serve the partner API, until told to stop.

    Needs COUPONRY_POSTGRES_DSN, COUPONRY_CODE_SECRET, and COUPONRY_JWT_SECRET or COUPONRY_JWT_JWKS_URL; uses
    COUPONRY_REDIS_URL to share rate limits with other processes, and COUPONRY_SECRETS_KEY, without which partners can
    set no webhook. Prints {"api": URL} and {"health": URL} on stderr.
    """
    settings = with_named_secret(process_settings())
    required(settings, "postgres_dsn")
    from services.api.app import serve
    from services.api.partners.keys import keys_by
    from services.runtime.garbage import look_at_what_is_new

    keys_by(settings)
    require_code_secret(settings)
    look_at_what_is_new()
    return run_service("api", settings, partial(serve, settings))
