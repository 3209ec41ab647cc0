"""How partners' systems are called now. One whose secrets cannot be opened is in trouble, and holds up nobody else."""

from __future__ import annotations

from collections.abc import Collection

import asyncpg

from services.adapters.postgres.webhooks import webhooks_of
from services.adapters.secrets import CannotOpen, Secrets
from services.domain.webhooks.webhook import Webhook

Trouble = dict[int, str]
"""Why a partner's system cannot be called, by partner."""


async def webhooks_now(
    connection: asyncpg.Connection,
    partner_ids: Collection[int],
    secrets: Secrets,
    trouble: Trouble,
) -> dict[int, Webhook]:
    """Those that there are and that can be read, in this order; what is wrong with others is noted."""
    try:
        found = await webhooks_of(connection, partner_ids, secrets)
        for partner_id in partner_ids:
            trouble.pop(partner_id, None)
    except CannotOpen:
        found = {}
        for partner_id in partner_ids:
            try:
                found |= await webhooks_of(connection, [partner_id], secrets)
                trouble.pop(partner_id, None)
            except CannotOpen as error:
                trouble[partner_id] = str(error)
    return {partner_id: found[partner_id] for partner_id in partner_ids if partner_id in found}
