"""`/redemption/config` and `/redemption/config/rule`: what holds for all of redemption, and the default rule."""

from __future__ import annotations

from schemas.gameball_v3.rules import put_default_rule, put_redemption_settings
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.reading import storable
from schemas.gameball_v4.redemption import DefaultRule, RedemptionSettings
from services.api.edge.description import takes
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v3.call import Calling
from services.api.gameball_v3.description import gives
from services.api.gameball_v3.shown_rules import configuration_document, default_document
from services.api.gameball_v4 import sections
from services.api.gameball_v4.documents import sent_object, shown
from services.decisions.program_changes import Changed

router = Router(prefix="/api/v3/integrations/client/redemption/config", tags=["redemption-rules"])


@router.get("", responses=gives(200, RedemptionSettings, "The configuration."))
async def show_redemption_settings(call: Calling) -> Reply:
    """Show whether points can be redeemed at all, and after how many days they end."""
    _, now = await sections.read(call)
    return shown(configuration_document(now))


@router.put(
    "",
    responses=gives(200, RedemptionSettings, "The configuration as it is now.", 400, 409),
    openapi_extra=takes(RedemptionSettings, partly=True),
)
async def change_redemption_settings(call: Calling) -> Reply:
    """Change the fields that are given, leave the other."""
    sent = await sent_object(call)

    def edit(now: Sections) -> Sections:
        return put_redemption_settings(now, sent)

    def entry(made: Changed) -> sections.Entry:
        return sections.Entry(
            action="redemption.updated",
            subject_id=made.version,
            before=storable(made.before.redemption.settings),
            after=storable(made.after.redemption.settings),
        )

    return await sections.changed(
        call, edit, lambda made: shown(configuration_document(made.after)), entry
    )


@router.get("/rule", responses=gives(200, DefaultRule, "The default rule."))
async def show_default_rule(call: Calling) -> Reply:
    """Show what a point is worth. There is a default rule from the start."""
    _, now = await sections.read(call)
    return shown(default_document(now))


@router.put(
    "/rule",
    responses=gives(200, DefaultRule, "The default rule as it is now.", 400, 409),
    openapi_extra=takes(DefaultRule, partly=True),
)
async def change_default_rule(call: Calling) -> Reply:
    """Change the fields that are given, leave the other."""
    sent = await sent_object(call)

    def edit(now: Sections) -> Sections:
        return put_default_rule(now, sent)

    def entry(made: Changed) -> sections.Entry:
        before, after = made.before.redemption.default_rule, made.after.redemption.default_rule
        assert after.id is not None, "every stored item has its id"
        return sections.Entry(
            action="redemption_rule.updated",
            subject_id=after.id,
            before=storable(before),
            after=storable(after),
        )

    return await sections.changed(
        call, edit, lambda made: shown(default_document(made.after)), entry
    )
