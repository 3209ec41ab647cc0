"""`couponry customers` on the command line."""

from __future__ import annotations

import asyncio

import click

from services.insight.statement.shown import show as show_people
from services.insight.statement.statement import statement
from services.insight.statement.stored import LAST_ENTRIES, Stored, read_customer
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, postgres
from services.terminal.arguments import IDENTIFIER, utf8_text
from services.terminal.output import json_option, print_exact_json, progress, unknown_partner


@click.group()
def customers() -> None:
    """Show a customer's statement.

    \b
    couponry customers show --partner-id 1 anna
    couponry customers show --partner-id 1 anna --json
    couponry explain --partner-id 1 --customer anna
    """


@customers.command(
    epilog=f"Of the ledger the last {LAST_ENTRIES} entries; `explain` tells of every event."
)
@click.argument("customer", type=utf8_text)
@click.option("--partner-id", type=IDENTIFIER, required=True)
@json_option
@click.pass_context
def show(ctx: click.Context, /, customer: str, partner_id: int, as_json: bool) -> None:
    """What CUSTOMER of a partner has at this instant: who they are, points and what is owed, when points end, meters,
    the tier and what is missing to the next, campaigns, coupons, and the last entries with the events that made them.

    Nothing is written: what is over by now is shown as ended. Exit 1: nobody of this id has ever done anything.
    """
    stored = asyncio.run(_stored(command_settings(), partner_id, customer))
    if stored is None:
        progress(f"couponry customers show: partner {partner_id} has no customer {customer}")
        ctx.exit(1)
    told = statement(stored)
    if as_json:
        print_exact_json(told)
    else:
        show_people(told)


async def _stored(settings: Settings, partner_id: int, customer_id: str) -> Stored | None:
    async with postgres(settings, "customers", default_transaction_read_only="on") as connection:
        try:
            return await read_customer(connection, partner_id, customer_id, settings.clock_offset)
        except LookupError:
            raise unknown_partner(partner_id) from None
