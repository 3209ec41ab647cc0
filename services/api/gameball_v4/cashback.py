"""`/configurations/cashback`: what orders earn, by default and in each tier."""

from __future__ import annotations

from schemas.gameball_v4.answers import ShownCashback
from schemas.gameball_v4.cashback import Cashback
from schemas.gameball_v4.changing import put_cashback
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.shown import shown_cashback
from services.api.edge.description import takes
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4 import sections
from services.api.gameball_v4.accounts import account_of
from services.api.gameball_v4.call import Reading, Writing
from services.api.gameball_v4.description import READS, gives
from services.api.gameball_v4.documents import sent_object, shown
from services.api.gameball_v4.parameters import CustomerAsked

router = Router(prefix="/api/v4/integrations/configurations/cashback", tags=["cashback"])


@router.get("", responses=gives(200, ShownCashback, "The rules."), openapi_extra=READS)
async def show_cashback(call: Reading, customer_id: CustomerAsked = None) -> Reply:
    """Show all rules, among them what tiers' own benefits come to; or those of a customer's tier only."""
    if customer_id is None:
        _, now = await sections.read(call)
        return shown(shown_cashback(now))
    async with call.reading() as connection:
        account = await account_of(connection, call, customer_id)
    tier = account.course.tier_now()
    return shown(
        shown_cashback(
            account.known.sections,
            tier_names=lambda name: tier is not None and tier.name == name,
        )
    )


@router.put(
    "",
    responses=gives(200, ShownCashback, "The rules as they are now.", 400, 409),
    openapi_extra=takes(Cashback, partly=True),
)
async def change_cashback(call: Writing) -> Reply:
    """Change the default rule where it is given, replace the tiers' rules where they are."""
    sent = await sent_object(call)

    def edit(now: Sections) -> Sections:
        return put_cashback(now, sent)

    return await sections.changed(call, edit, lambda made: shown(shown_cashback(made.after)))
