"""`couponry shops`: add a partner's shop, list them."""

from __future__ import annotations

import asyncio

import click

from services.adapters.postgres.partners import add_shop, known_partners, list_shops
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, postgres
from services.terminal.arguments import IDENTIFIER, name_text
from services.terminal.output import (
    dry_run_option,
    json_option,
    print_json,
    print_rows,
    unknown_partner,
)

COLUMNS = ("id", "partner_id", "name", "created_at")


@click.group()
def shops() -> None:
    """Add and list a partner's shops."""


@shops.command()
@click.argument("partner_id", type=IDENTIFIER)
@click.argument("name", type=name_text)
@dry_run_option
@json_option
def add(partner_id: int, name: str, dry_run: bool, as_json: bool) -> None:
    """Add a shop to a partner; print its id."""
    shop_id = asyncio.run(_add(command_settings(), partner_id, name, dry_run))
    if as_json:
        print_json({"id": shop_id, "partner_id": partner_id, "name": name})
    else:
        print(f"would add {name}" if dry_run else shop_id)


async def _add(settings: Settings, partner_id: int, name: str, dry_run: bool) -> int | None:
    async with postgres(settings, "shops") as connection:
        if partner_id not in await known_partners(connection, [partner_id]):
            raise unknown_partner(partner_id)
        return None if dry_run else await add_shop(connection, partner_id, name)


@shops.command("list")
@click.option("--partner-id", type=IDENTIFIER, help="Of this partner only.")
@json_option
def list_them(partner_id: int | None, as_json: bool) -> None:
    """List shops."""
    print_rows(COLUMNS, asyncio.run(_list(command_settings(), partner_id)), as_json)


async def _list(settings: Settings, partner_id: int | None) -> list[dict[str, object]]:
    async with postgres(settings, "shops") as connection:
        return [dict(row) for row in await list_shops(connection, partner_id)]
