"""`couponry partners`: add a partner, list them."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from services.adapters.postgres.partners import NewPartner, add_partner, list_partners
from services.runtime.settings import Settings
from services.terminal import arguments
from services.terminal.addresses import command_settings, postgres
from services.terminal.output import dry_run_option, json_option, print_json, print_rows

COLUMNS = ("id", "name", "time_zone", "store_id", "created_at")


@click.group()
def partners() -> None:
    """Add and list partners."""


@partners.command()
@click.argument("name", type=arguments.name_text)
@click.option(
    "--time-zone",
    type=arguments.time_zone,
    default="UTC",
    show_default=True,
    help="Of its games' dates.",
)
@dry_run_option
@json_option
def add(name: str, time_zone: str, dry_run: bool, as_json: bool) -> None:
    """Add a partner and its first shop; print its id.

    With --json also its keys, which are shown this once and stored as digests.
    """
    settings = command_settings()
    partner = asyncio.run(_add(settings, name, time_zone, dry_run))
    if as_json:
        print_json(
            asdict(partner)
            if partner
            else dict.fromkeys(NewPartner.__dataclass_fields__)
            | {"name": name, "time_zone": time_zone}
        )
    else:
        print(partner.id if partner else f"would add {name}")


async def _add(settings: Settings, name: str, time_zone: str, dry_run: bool) -> NewPartner | None:
    async with postgres(settings, "partners") as connection:
        return None if dry_run else await add_partner(connection, name, time_zone)


@partners.command("list")
@json_option
def list_them(as_json: bool) -> None:
    """List all partners."""
    print_rows(COLUMNS, asyncio.run(_list(command_settings())), as_json)


async def _list(settings: Settings) -> list[dict[str, object]]:
    async with postgres(settings, "partners", default_transaction_read_only="on") as connection:
        return [dict(row) for row in await list_partners(connection)]
