"""`couponry shops` and `couponry products`: add one to a partner, list them."""

from __future__ import annotations

import asyncio

import click

from services.adapters.postgres.catalogue import (
    PRODUCTS,
    SHOPS,
    Catalogue,
    all_entries,
    insert_entry,
)
from services.adapters.postgres.partners import known_partners
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

Fields = dict[str, str | None]

of_partner = click.option("--partner-id", type=IDENTIFIER, help="Of this partner only.")


@click.group()
def shops() -> None:
    """Add and list a partner's shops."""


@shops.command("add")
@click.argument("partner_id", type=IDENTIFIER)
@click.argument("name", type=name_text)
@dry_run_option
@json_option
def add_shop(partner_id: int, name: str, dry_run: bool, as_json: bool) -> None:
    """Add a shop to a partner; print its id."""
    _add_one(SHOPS, partner_id, {"name": name}, dry_run, as_json)


@shops.command("list")
@of_partner
@json_option
def list_shops(partner_id: int | None, as_json: bool) -> None:
    """List shops."""
    _list_all(SHOPS, partner_id, as_json)


@click.group()
def products() -> None:
    """Add and list a partner's products."""


@products.command("add")
@click.argument("partner_id", type=IDENTIFIER)
@click.argument("name", type=name_text)
@click.option("--sku", type=name_text, help="The partner's own article number.")
@dry_run_option
@json_option
def add_product(partner_id: int, name: str, sku: str | None, dry_run: bool, as_json: bool) -> None:
    """Add a product to a partner; print its id."""
    _add_one(PRODUCTS, partner_id, {"name": name, "sku": sku}, dry_run, as_json)


@products.command("list")
@of_partner
@json_option
def list_products(partner_id: int | None, as_json: bool) -> None:
    """List products."""
    _list_all(PRODUCTS, partner_id, as_json)


def _add_one(
    catalogue: Catalogue, partner_id: int, fields: Fields, dry_run: bool, as_json: bool
) -> None:
    entry_id = asyncio.run(_added(command_settings(), catalogue, partner_id, fields, dry_run))
    if as_json:
        print_json({"id": entry_id, "partner_id": partner_id, **fields})
    else:
        print(f"would add {fields['name']}" if dry_run else entry_id)


async def _added(
    settings: Settings, catalogue: Catalogue, partner_id: int, fields: Fields, dry_run: bool
) -> int | None:
    async with postgres(settings, catalogue.words) as connection:
        if partner_id not in await known_partners(connection, [partner_id]):
            raise unknown_partner(partner_id)
        if dry_run:
            return None
        return (await insert_entry(connection, catalogue, partner_id, fields)).id


def _list_all(catalogue: Catalogue, partner_id: int | None, as_json: bool) -> None:
    rows = asyncio.run(_listed(command_settings(), catalogue, partner_id))
    print_rows(("id", "partner_id", *catalogue.columns, "created_at"), rows, as_json)


async def _listed(
    settings: Settings, catalogue: Catalogue, partner_id: int | None
) -> list[dict[str, object]]:
    async with postgres(
        settings, catalogue.words, default_transaction_read_only="on"
    ) as connection:
        return [dict(row) for row in await all_entries(connection, catalogue, partner_id)]
