"""`/configurations/settings`: what holds for the whole program."""

from __future__ import annotations

from schemas.gameball_v4.answers import ShownSettings
from schemas.gameball_v4.changing import put_settings
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.settings import ProgramSettings
from schemas.gameball_v4.shown import shown_settings
from services.api.edge.description import takes
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4 import sections
from services.api.gameball_v4.call import Reading, Writing
from services.api.gameball_v4.description import READS, gives
from services.api.gameball_v4.documents import sent_object, shown

router = Router(prefix="/api/v4/integrations/configurations/settings", tags=["settings"])


@router.get("", responses=gives(200, ShownSettings, "The settings."), openapi_extra=READS)
async def show_settings(call: Reading) -> Reply:
    """Show currency, name of points, what tiers go by, and the program's version."""
    version, now = await sections.read(call)
    return shown(shown_settings(now, version))


@router.put(
    "",
    responses=gives(200, ShownSettings, "The settings as they are now.", 400, 409),
    openapi_extra=takes(ProgramSettings, partly=True),
)
async def change_settings(call: Writing) -> Reply:
    """Change the fields that are given, leave the others."""
    sent = await sent_object(call)

    def edit(now: Sections) -> Sections:
        return put_settings(now, sent)

    return await sections.changed(
        call, edit, lambda made: shown(shown_settings(made.after, made.version))
    )
