"""The webhook process, put together: read what is to be told, and tell it whenever it is this process's turn.

Any number may run. Each reads its part of the topics into customers' lines; one of them sends, and the others stand by
for it to go.
"""

from __future__ import annotations

import logging
from typing import Final

from schemas.gameball_v4.webhook_addresses import forbidden
from services.adapters.failures import server_of
from services.adapters.postgres.failures import is_of_postgres
from services.adapters.postgres.pool import connect
from services.adapters.postgres.schema import require_schema
from services.adapters.secrets import Secrets, secrets_by
from services.adapters.webhook_sending import Sender
from services.runtime import crashpoints
from services.runtime.health import Health
from services.runtime.settings import Settings, required
from services.runtime.side_by_side import side_by_side
from services.runtime.waiting import Waiting, keep_trying
from services.webhooks.configured import Trouble
from services.webhooks.reading import read_until_stopped
from services.webhooks.sending import Sending
from services.webhooks.turns import turn

LONGEST_WARNING: Final = 3
"""Partners that a warning names."""

log = logging.getLogger(__name__)


async def serve(settings: Settings, health: Health) -> None:
    """Tell partners' systems until told to stop. Raises SettingsError, and what a bug raises."""
    required(settings, "kafka_bootstrap_servers", "postgres_dsn")
    secrets = secrets_by(settings)
    crashpoints.arm(settings.crash_at)
    reading, sending = Waiting("waiting for a server", log), Waiting("waiting for Postgres", log)
    trouble: Trouble = {}
    health.needs("kafka", lambda: _of("kafka", reading))
    health.needs("postgres", lambda: _of("postgres", reading) or sending.why)
    health.warns("secrets", lambda: _named(trouble))
    sender = sender_by(settings)
    try:
        await side_by_side(
            read_until_stopped(settings, health, reading, secrets, trouble),
            send_until_stopped(settings, health, sending, secrets, sender, trouble),
        )
    finally:
        await sender.close()


def sender_by(settings: Settings) -> Sender:
    """One that dials where these settings let it. Raises SettingsError."""
    return Sender(settings, forbidden)


async def send_until_stopped(
    settings: Settings,
    health: Health,
    waiting: Waiting,
    secrets: Secrets,
    sender: Sender,
    trouble: Trouble,
) -> None:
    """Turn after turn; an outage ends one, and is waited out."""

    async def work() -> None:
        await require_schema(settings)
        async with turn(settings, health.stopping, on_wait=waiting.over) as held:
            if held is None:
                return
            claiming = await connect(settings, "couponry-webhooks", enable_seqscan="off")
            writing = await connect(settings, "couponry-webhooks", enable_seqscan="off")
            try:
                sending = Sending(
                    settings=settings,
                    secrets=secrets,
                    sender=sender,
                    turn=held,
                    claiming=claiming,
                    writing=writing,
                    stopping=health.stopping,
                    worked=waiting.over,
                    trouble=trouble,
                )
                await side_by_side(sending.run(), held.beat(settings, health.stopping))
            finally:
                claiming.terminate()
                writing.terminate()

    await keep_trying(work, waiting.failed, is_outage=is_of_postgres, stopping=health.stopping)


def _of(server: str, waiting: Waiting) -> str | None:
    """Why it waits, if it is for this server."""
    if waiting.error is None:
        return waiting.why
    return waiting.why if server_of(waiting.error) == server else None


def _named(trouble: Trouble) -> str | None:
    if not trouble:
        return None
    return "; ".join(list(trouble.values())[:LONGEST_WARNING])
