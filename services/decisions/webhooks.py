"""Partners' own coupon systems: what a change of one brings with it, and switching one off.

A change of the program says where a webhook leads. Beside it, in the same transaction and under the program's lock,
the very first one gets the instant it begins at, and each first one its signing secret.
"""

from __future__ import annotations

import base64
import secrets as randomness
from datetime import datetime, timedelta
from typing import Final

from schemas.events.types import WEBHOOK_DISABLED
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.webhook_changes import Keeping, switched_off
from schemas.topics import PROGRAM_EVENTS
from services.adapters.postgres.outbox import event_row
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.programs import lock_program, stored_programs
from services.adapters.postgres.tables import add
from services.adapters.postgres.webhooks import (
    SIGNING_PREFIX,
    begin_webhook,
    renew_secret,
)
from services.adapters.program_wire import webhook_disabled_value
from services.adapters.secrets import Secrets
from services.decisions.program_changes import Changed, change, sections_of

ACTOR: Final = "webhook"
"""Of versions of a program that were made by who calls its webhook."""
SECRET_BYTES: Final = 32


def keeping(secrets: Secrets, partner_id: int, *, allows_private: bool) -> Keeping:
    """How this partner's secrets are kept. One that is sent again stays as it was sealed, so that nothing differs."""

    def seal(secret: str, before: str | None) -> str:
        if before is not None and secrets.is_sealed_so(before, secret, partner_id):
            return before
        return secrets.sealed(secret, partner_id)

    return Keeping(seal=seal, allows_private=allows_private)


async def keep_beside(
    connection: Connection, partner_id: int, made: Changed, secrets: Secrets, at: datetime
) -> str | None:
    """What a change that was made brings with it. Answers the first one's signing secret, sealed; None: it is no first.

    Whoever takes one out drops its secrets.
    """
    if made.before.coupon is not None or made.after.coupon is None:
        return None
    await begin_webhook(connection, partner_id, at)
    return await _new_secret(connection, partner_id, secrets, timedelta())


async def rotate_secret(
    connection: Connection, partner_id: int, secrets: Secrets, keep_old_for: timedelta
) -> tuple[Sections, str] | None:
    """The program, and a new signing secret, sealed; the one before it also signs for so long. None: there is none."""
    await lock_program(connection, partner_id)
    now = sections_of((await stored_programs(connection, [partner_id]))[partner_id])
    if now.coupon is None:
        return None
    return now, await _new_secret(connection, partner_id, secrets, keep_old_for)


async def switch_off(connection: Connection, partner_id: int, reason: str, at: datetime) -> bool:
    """Tell a webhook nothing any more, and the partner that; False where there is none, or it is off already.

    In the caller's transaction, which wakes the relay.
    """

    def edit(now: Sections) -> Sections:
        return switched_off(now, at, reason)

    made = await change(connection, partner_id, actor=ACTOR, edit=edit)
    if not made.changed:
        return False
    row = event_row(
        PROGRAM_EVENTS,
        WEBHOOK_DISABLED,
        f"{partner_id}.{made.version}.disabled",
        at=at,
        subject=None,
        customer_id=str(partner_id),  # its key: about a partner, and no customer
        value=webhook_disabled_value(partner_id, at, reason),
    )
    await add(connection, "outbox", [row])
    return True


async def _new_secret(
    connection: Connection, partner_id: int, secrets: Secrets, keep_old_for: timedelta
) -> str:
    key = base64.b64encode(randomness.token_bytes(SECRET_BYTES)).decode()
    sealed = secrets.sealed(f"{SIGNING_PREFIX}{key}", partner_id)
    await renew_secret(connection, partner_id, sealed, keep_old_for=keep_old_for)
    return sealed
