"""`couponry products`: add a partner's product, list them."""

from __future__ import annotations

import asyncio

import click

from services.adapters.postgres.partners import add_product, known_partners, list_products
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

COLUMNS = ("id", "partner_id", "name", "sku", "created_at")


@click.group()
def products() -> None:
    """Add and list a partner's products."""


@products.command()
@click.argument("partner_id", type=IDENTIFIER)
@click.argument("name", type=name_text)
@click.option("--sku", type=name_text, help="The partner's own article number.")
@dry_run_option
@json_option
def add(partner_id: int, name: str, sku: str | None, dry_run: bool, as_json: bool) -> None:
    """Add a product to a partner; print its id."""
    product_id = asyncio.run(_add(command_settings(), partner_id, name, sku, dry_run))
    if as_json:
        print_json({"id": product_id, "partner_id": partner_id, "name": name, "sku": sku})
    else:
        print(f"would add {name}" if dry_run else product_id)


async def _add(
    settings: Settings, partner_id: int, name: str, sku: str | None, dry_run: bool
) -> int | None:
    async with postgres(settings, "products") as connection:
        if partner_id not in await known_partners(connection, [partner_id]):
            raise unknown_partner(partner_id)
        return None if dry_run else await add_product(connection, partner_id, name, sku)


@products.command("list")
@click.option("--partner-id", type=IDENTIFIER, help="Of this partner only.")
@json_option
def list_them(partner_id: int | None, as_json: bool) -> None:
    """List products."""
    print_rows(COLUMNS, asyncio.run(_list(command_settings(), partner_id)), as_json)


async def _list(settings: Settings, partner_id: int | None) -> list[dict[str, object]]:
    async with postgres(settings, "products") as connection:
        return [dict(row) for row in await list_products(connection, partner_id)]
