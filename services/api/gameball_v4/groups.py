"""`/configurations/coupon-groups`: the groups that coupons name by their handles; a handle makes its group."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator

from schemas.gameball_v4.answers import ShownGroup
from schemas.gameball_v4.changing import TooMany, delete_group, put_group
from schemas.gameball_v4.coupon_groups import CouponGroup
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.reading import storable
from schemas.gameball_v4.shown import shown_group, shown_groups
from services.api.edge.description import KEYED, takes
from services.api.edge.problems import not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.edge.slashes import id_of
from services.api.gameball_v4 import sections
from services.api.gameball_v4.call import Reading, Writing
from services.api.gameball_v4.description import READS, gives
from services.api.gameball_v4.documents import sent_object, shown
from services.api.gameball_v4.failures import Refusal
from services.decisions.program_changes import Changed

router = Router(prefix="/api/v4/integrations/configurations/coupon-groups", tags=["coupon-groups"])


Handle = Annotated[str, Path(description="Percent-encoded."), AfterValidator(id_of)]


@router.get("", responses=gives(200, list[ShownGroup], "The groups."), openapi_extra=READS)
async def list_groups(call: Reading) -> Reply:
    """List all groups, in the order in which they were given."""
    _, now = await sections.read(call)
    return shown(shown_groups(now))


@router.get("/{handle}", responses=gives(200, ShownGroup, "The group."), openapi_extra=READS)
async def show_group(call: Reading, handle: Handle) -> Reply:
    """Show a group."""
    _, now = await sections.read(call)
    return shown(_shown(now, handle))


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

    return await sections.changed(call, edit, lambda made: shown(_shown(made.after, handle)), entry)


@router.delete("/{handle}", responses=gives(200, bool, "True.", 409), openapi_extra=KEYED)
async def remove_group(call: Writing, handle: Handle) -> Reply:
    """Remove a group. What names it goes on naming it, and is bound by nothing any more."""

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


def _shown(now: Sections, handle: str) -> dict[str, Any]:
    group = now.group(handle)
    if group is None:
        raise not_found("handle")
    return shown_group(group)


def _entry(action: str, made: Changed, handle: str) -> sections.Entry:
    before, after = made.before.group(handle), made.after.group(handle)
    return sections.Entry(
        action=action,
        subject_id=handle,
        before=None if before is None else storable(before),
        after=None if after is None else storable(after),
    )
