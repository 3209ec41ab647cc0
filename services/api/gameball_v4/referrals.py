"""`/configurations/referrals`: what completes a referral, and what it brings both."""

from __future__ import annotations

from schemas.gameball_v4.answers import ShownReferrals
from schemas.gameball_v4.changing import put_referrals
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.referrals import Referrals
from schemas.gameball_v4.shown import shown_referrals
from services.api.edge.description import takes
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4 import sections
from services.api.gameball_v4.call import Reading, Writing
from services.api.gameball_v4.description import READS, gives
from services.api.gameball_v4.documents import sent_object, shown
from services.api.gameball_v4.parameters import Lang

router = Router(prefix="/api/v4/integrations/configurations/referrals", tags=["referrals"])


@router.get("", responses=gives(200, ShownReferrals, "The referrals."), openapi_extra=READS)
async def show_referrals(call: Reading, lang: Lang) -> Reply:
    """Show what completes a referral and what it brings; a method of null: referrals are off."""
    _, now = await sections.read(call)
    return shown(shown_referrals(now, lang))


@router.put(
    "",
    responses=gives(200, ShownReferrals, "The referrals as they are now.", 400, 409),
    openapi_extra=takes(Referrals, partly=True),
)
async def change_referrals(call: Writing, lang: Lang) -> Reply:
    """Change the fields that are given, to any depth, leave the others."""
    sent = await sent_object(call)

    def edit(now: Sections) -> Sections:
        return put_referrals(now, sent)

    return await sections.changed(call, edit, lambda made: shown(shown_referrals(made.after, lang)))
