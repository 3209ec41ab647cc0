"""Change a partner's program: its next version, written with who made it, or nothing if nothing differs.

A batch shares the program's row in its last statement, so whoever comes after a change sees it and decides again. What
is slow comes before that row is locked: the change is worked out first, and again under the lock only where somebody
else changed the program, a card or the zone meanwhile. With a group its codes go: before that lock too, since there may
be a million, and issuers hold groups before they share the program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

from schemas.gameball_v4.program import (
    SECTIONS,
    Sections,
    missing_ids,
    sections_from,
    stored_of,
    with_ids,
)
from schemas.gameball_v4.redemption import SecondFreeShipping
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.pools import close_pools
from services.adapters.postgres.programs import (
    ONE_FREE_SHIPPING_RULE,
    StoredProgram,
    lock_program,
    new_item_ids,
    save_program,
    stored_programs,
)

Edit = Callable[[Sections], Sections]
"""From the sections as they are to what they shall be; called again if somebody else was faster. May raise anything."""


class NoSuchPartner(LookupError):
    """There is no partner of this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a change has come to. `changed` names sections, in their order; none: nothing differs, nothing was written.

    `after` has the ids that new items were given.
    """

    version: int
    changed: tuple[str, ...]
    before: Sections
    after: Sections


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worked:
    """A change that is worked out and not written."""

    revision: int
    version: int
    before: Sections
    after: Sections
    stored: dict[str, Any]
    changed: tuple[str, ...]

    @property
    def gone(self) -> list[str]:
        """Handles of groups that there will not be any more."""
        kept = {group.handle for group in self.after.coupon_groups}
        return [each.handle for each in self.before.coupon_groups if each.handle not in kept]


async def change(connection: Connection, partner_id: int, *, actor: str, edit: Edit) -> Changed:
    """Give a program its next version, in the caller's transaction. Raises NoSuchPartner, and whatever `edit` does.

    What `edit` let pass and the database does not, is refused too: SecondFreeShipping.
    """
    worked = await _locked(connection, partner_id, edit)
    version = worked.version
    if worked.changed:
        version = await _saved(connection, partner_id, worked, actor)
    return Changed(
        version=version, changed=worked.changed, before=worked.before, after=worked.after
    )


async def _locked(connection: Connection, partner_id: int, edit: Edit) -> _Worked:
    """The change as it is to be written: the program is locked, and groups that go have no pool any more.

    Who decides holds groups before the program, so whoever finds the program changed under the lock lets go of both
    where groups are concerned, and begins again.
    """
    await connection.execute("SAVEPOINT nothing_held")
    while True:
        worked = await _work_out(connection, partner_id, edit)
        await close_pools(connection, partner_id, worked.gone)
        if await lock_program(connection, partner_id) == worked.revision:
            return worked
        if not worked.gone:
            worked = await _work_out(connection, partner_id, edit)
            if not worked.gone:
                return worked
        await connection.execute("ROLLBACK TO SAVEPOINT nothing_held")


async def _saved(connection: Connection, partner_id: int, worked: _Worked, actor: str) -> int:
    try:
        return await save_program(
            connection, partner_id, worked.stored, actor=actor, changed=worked.changed
        )
    except asyncpg.CheckViolationError as refused:
        if refused.constraint_name == ONE_FREE_SHIPPING_RULE:
            raise SecondFreeShipping from None
        raise


def sections_of(stored: StoredProgram) -> Sections:
    """The sections of a program as it is."""
    return sections_from(stored.sections, stored.time_zone, stored.default_rule_id)


async def _work_out(connection: Connection, partner_id: int, edit: Edit) -> _Worked:
    stored = await _stored(connection, partner_id)
    before = sections_of(stored)
    after = edit(before)
    if after != before:
        ids = await new_item_ids(connection, missing_ids(after))
        after = with_ids(after, iter(ids))
    was, becomes = stored_of(before), stored_of(after)
    changed = tuple(name for name in SECTIONS if was.get(name) != becomes.get(name))
    kept = {
        name: value
        for name, value in becomes.items()
        if name in changed or name in stored.sections or name not in SECTIONS
    }
    return _Worked(
        revision=stored.revision,
        version=stored.version,
        before=before,
        after=after,
        stored=kept,
        changed=changed,
    )


async def _stored(connection: Connection, partner_id: int) -> StoredProgram:
    found = (await stored_programs(connection, [partner_id])).get(partner_id)
    if found is None:
        raise NoSuchPartner(partner_id)
    return found
