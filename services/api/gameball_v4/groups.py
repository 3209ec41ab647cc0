"""`/configurations/coupon-groups`: the groups that coupons name by their handles; a handle makes its group."""

from __future__ import annotations

from typing import Annotated, Any

import asyncpg
from fastapi import Path
from pydantic import AfterValidator

from schemas.gameball_v4.answers import ShownGroup
from schemas.gameball_v4.changing import TooMany, delete_group, put_group
from schemas.gameball_v4.coupon_groups import CouponGroup
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.reading import storable
from schemas.gameball_v4.shown import shown_group, shown_groups
from services.adapters.postgres.pools import left_of
from services.api.edge.call import Call
from services.api.edge.description import KEYED, takes
from services.api.edge.idempotency import once
from services.api.edge.problems import not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.edge.slashes import id_of
from services.api.gameball_v4 import sections
from services.api.gameball_v4.call import Reading, Writing
from services.api.gameball_v4.description import READS, gives
from services.api.gameball_v4.documents import sent_object, shown
from services.api.gameball_v4.failures import Refusal
from services.api.gameball_v4.programs import program_of
from services.decisions.program_changes import Changed

router = Router(prefix="/api/v4/integrations/configurations/coupon-groups", tags=["coupon-groups"])


Handle = Annotated[str, Path(description="Percent-encoded."), AfterValidator(id_of)]


@router.get("", responses=gives(200, list[ShownGroup], "The groups."), openapi_extra=READS)
async def list_groups(call: Reading) -> Reply:
    """List all groups, in the order in which they were given, with what is left of each."""
    async with call.reading() as connection:
        now = (await program_of(connection, call)).sections
        caps = {group.handle: group.max_total for group in now.coupon_groups}
        left = await left_of(connection, call.partner_id, caps)
    return shown([{**group, "remaining": left[group["handle"]]} for group in shown_groups(now)])


@router.get("/{handle}", responses=gives(200, ShownGroup, "The group."), openapi_extra=READS)
async def show_group(call: Reading, handle: Handle) -> Reply:
    """Show a group."""
    async with call.reading() as connection:
        now = (await program_of(connection, call)).sections
        return shown(await _shown(connection, call, now, handle))


@router.put(
    "/{handle}",
    responses=gives(200, ShownGroup, "The group as it is now.", 400, 409),
    openapi_extra=takes(CouponGroup, partly=True),
)
async def change_group(call: Writing, handle: Handle) -> Reply:
    """Change the fields that are given, leave the others; of a handle that no group has, make one."""
    sent = await sent_object(call)

    def edit(now: Sections) -> Sections:
        try:
            return put_group(now, handle, sent)
        except TooMany:
            raise Refusal("limit_reached") from None

    def entry(made: Changed) -> sections.Entry:
        is_new = made.before.group(handle) is None
        return _entry("coupon_group.created" if is_new else "coupon_group.updated", made, handle)

    async def work(connection: asyncpg.Connection) -> Reply:
        made = await sections.made(connection, call, edit, entry)
        return shown(await _shown(connection, call, made.after, handle))

    return await once(call, work)


@router.delete("/{handle}", responses=gives(200, bool, "True.", 409), openapi_extra=KEYED)
async def remove_group(call: Writing, handle: Handle) -> Reply:
    """Remove a group. What names it goes on naming it, and is bound by nothing any more; codes it has left are free."""

    def edit(now: Sections) -> Sections:
        after = delete_group(now, handle)
        if after is None:
            raise not_found("handle")
        return after

    return await sections.changed(
        call,
        edit,
        lambda made: shown(True),
        lambda made: _entry("coupon_group.deleted", made, handle),
    )


async def _shown(
    connection: asyncpg.Connection, call: Call, now: Sections, handle: str
) -> dict[str, Any]:
    group = now.group(handle)
    if group is None:
        raise not_found("handle")
    left = await left_of(connection, call.partner_id, {handle: group.max_total})
    return {**shown_group(group), "remaining": left[handle]}


def _entry(action: str, made: Changed, handle: str) -> sections.Entry:
    before, after = made.before.group(handle), made.after.group(handle)
    return sections.Entry(
        action=action,
        subject_id=handle,
        before=None if before is None else storable(before),
        after=None if after is None else storable(after),
    )
