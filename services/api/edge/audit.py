"""The audit trail: who changed what, when, from which value to which, written with the change itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import asyncpg

from services.adapters.exact_json import encoded
from services.adapters.postgres.queries import queries
from services.api.edge.call import Call

_SQL = queries("audit", __package__)

log = logging.getLogger(__name__)


async def record(
    connection: asyncpg.Connection,
    call: Call,
    action: str,
    subject_id: object,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """One entry, such as `game.updated` of game 7. Of two states the fields that differ are kept; without any, none."""
    if before is not None and after is not None:
        differ = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        if not differ:
            return
        before = {name: value for name, value in before.items() if name in differ}
        after = {name: value for name, value in after.items() if name in differ}
    await connection.execute(
        _SQL["record"],
        call.partner_id,
        call.caller.actor,
        call.request_id,
        action,
        str(subject_id),
        _json(before),
        _json(after),
    )
    log.info(
        "%s",
        action,
        extra={
            "subject_id": str(subject_id),
            "partner_id": call.partner_id,
            "actor": call.caller.actor,
            "request_id": call.request_id,
        },
    )


def _json(state: Mapping[str, Any] | None) -> str | None:
    return None if state is None else encoded(state).decode()
