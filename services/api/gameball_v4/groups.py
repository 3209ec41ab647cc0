"""`/configurations/coupon-groups`: the groups that coupons name by their handles."""

from __future__ import annotations

from fastapi import APIRouter

from schemas.gameball_v4.answers import ShownGroup
from schemas.gameball_v4.shown import shown_groups
from services.api.edge.reply import Reply
from services.api.gameball_v4 import sections
from services.api.gameball_v4.call import Reading
from services.api.gameball_v4.description import READS, gives
from services.api.gameball_v4.documents import shown

router = APIRouter(
    prefix="/api/v4/integrations/configurations/coupon-groups", tags=["coupon-groups"]
)


@router.get("", responses=gives(200, list[ShownGroup], "The groups."), openapi_extra=READS)
async def list_groups(call: Reading) -> Reply:
    """List all groups, in the order in which they were given."""
    _, now = await sections.read(call)
    return shown(shown_groups(now))
