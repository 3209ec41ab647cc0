"""`/configurations/tiers`: all of them at once, lowest first."""

from __future__ import annotations

from schemas.gameball_v4.answers import ShownTier, TierList
from schemas.gameball_v4.changing import put_tiers
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.shown import shown_tiers
from services.api.edge.description import takes
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4 import sections
from services.api.gameball_v4.call import Reading, Writing
from services.api.gameball_v4.description import READS, gives
from services.api.gameball_v4.documents import sent_list, shown
from services.api.gameball_v4.parameters import Lang

router = Router(prefix="/api/v4/integrations/configurations/tiers", tags=["tiers"])


@router.get("", responses=gives(200, list[ShownTier], "The tiers."), openapi_extra=READS)
async def show_tiers(call: Reading, lang: Lang) -> Reply:
    """Show all tiers by ascending order."""
    _, now = await sections.read(call)
    return shown(shown_tiers(now, lang))


@router.put(
    "",
    responses=gives(200, list[ShownTier], "The tiers as they are now.", 400, 409),
    openapi_extra=takes(TierList),
)
async def replace_tiers(call: Writing, lang: Lang) -> Reply:
    """Put these tiers in the place of all. One without an id is the tier of its name; who is left out is gone."""
    sent = await sent_list(call)

    def edit(now: Sections) -> Sections:
        return put_tiers(now, sent)

    return await sections.changed(call, edit, lambda made: shown(shown_tiers(made.after, lang)))
