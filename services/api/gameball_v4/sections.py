"""The sections of a partner's program over HTTP: read as they are, or changed once, with an entry in the audit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.program import Sections, stored_of
from schemas.gameball_v4.redemption import SecondFreeShipping
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.idempotency import once
from services.api.edge.problems import invalid
from services.api.edge.reply import Reply
from services.api.gameball_v4.failures import Refusal
from services.api.gameball_v4.programs import program_of
from services.decisions.program_changes import Changed, Edit, change


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the audit trail says of a change."""

    action: str
    subject_id: int | str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def whole_sections(made: Changed) -> Entry:
    """The version that it became, and the sections that differ."""
    before, after = stored_of(made.before), stored_of(made.after)
    return Entry(
        action="program.updated",
        subject_id=made.version,
        before={name: before.get(name) for name in made.changed},
        after={name: after.get(name) for name in made.changed},
    )


async def read(call: Call) -> tuple[int, Sections]:
    """The program's version and its sections."""
    async with call.reading() as connection:
        known = await program_of(connection, call)
    return known.stored.version, known.sections


async def changed(
    call: Call,
    edit: Edit,
    answer: Callable[[Changed], Reply],
    entry: Callable[[Changed], Entry] = whole_sections,
) -> Reply:
    """Give the program its next version, once. Raises Problem 422 where the edit refuses what was sent."""

    async def at_once(_: asyncpg.Connection, made: Changed) -> Reply:
        return answer(made)

    return await changed_and_looked_up(call, edit, at_once, entry)


async def changed_and_looked_up(
    call: Call,
    edit: Edit,
    answer: Callable[[asyncpg.Connection, Changed], Awaitable[Reply]],
    entry: Callable[[Changed], Entry] = whole_sections,
) -> Reply:
    """The same, where the answer tells more than sections do: it is read in the same transaction."""

    async def work(connection: asyncpg.Connection) -> Reply:
        return await answer(connection, await made(connection, call, edit, entry))

    return await once(call, work)


async def made(
    connection: asyncpg.Connection,
    call: Call,
    edit: Edit,
    entry: Callable[[Changed], Entry] = whole_sections,
) -> Changed:
    """The same in the caller's transaction, for who has more to do in it."""
    try:
        changed = await change(connection, call.partner_id, actor=call.caller.actor, edit=edit)
    except SecondFreeShipping:
        raise Refusal("free_shipping_rule_exists") from None
    except InvalidDefinition as refused:
        raise invalid(refused.errors) from None
    if changed.changed:
        told = entry(changed)
        await audit.record(
            connection, call, told.action, told.subject_id, before=told.before, after=told.after
        )
    return changed
