"""`/configurations/redemption`: what points can be redeemed for."""

from __future__ import annotations

from schemas.gameball_v4.answers import ShownRedemption
from services.adapters.postgres.clock import clock
from services.adapters.postgres.programs import rules_since
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4.accounts import account_of, usable_rules
from services.api.gameball_v4.call import Reading
from services.api.gameball_v4.description import READS, gives
from services.api.gameball_v4.documents import shown
from services.api.gameball_v4.parameters import CustomerAsked
from services.api.gameball_v4.programs import program_of
from services.api.gameball_v4.shown_rules import exhausted_groups, redemption_document
from services.domain.exact import quotient

router = Router(prefix="/api/v4/integrations/configurations/redemption", tags=["redemption"])


@router.get("", responses=gives(200, ShownRedemption, "The rules."), openapi_extra=READS)
async def show_redemption(call: Reading, customer_id: CustomerAsked = None) -> Reply:
    """Show what a point is worth, and every rule; or, of a customer, those that they may use now."""
    async with call.reading() as connection:
        account = None
        if customer_id is not None:
            account = await account_of(connection, call, customer_id)
        known = account.known if account is not None else await program_of(connection, call)
        now = known.sections
        created = await rules_since(connection, call.partner_id) if now.redemption.rules else {}
        exhausted = await exhausted_groups(connection, call.partner_id, now)
        if account is None:
            at = await clock(connection, call.api.manner.clock_offset)
            return shown(redemption_document(now, at, created=created, exhausted=exhausted))
        usable = await usable_rules(connection, account)
    money, per = account.rate
    return shown(
        redemption_document(
            now,
            account.course.at,
            created=created,
            exhausted=exhausted,
            value_of_point=quotient((money,), (per,)).half_up(6),
            usable=usable,
        )
    )
