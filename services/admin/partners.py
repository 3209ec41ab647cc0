"""`couponry partners`: add a partner, say who may speak for it, list them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from schemas.envelope import MAX_ATTRIBUTE_BYTES
from services.adapters.postgres.partners import (
    NewPartner,
    add_partner,
    list_partners,
    set_sources,
)
from services.adapters.postgres.pool import kept_if
from services.runtime.settings import Settings
from services.terminal import arguments
from services.terminal.addresses import command_settings, postgres
from services.terminal.output import (
    CommandError,
    dry_run_option,
    json_option,
    print_json,
    print_rows,
)


def _pattern(
    _ctx: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    for text in texts:
        if not 0 < len(text.encode()) <= MAX_ATTRIBUTE_BYTES or "\0" in text:
            raise click.BadParameter(f"must be 1 to {MAX_ATTRIBUTE_BYTES} bytes")
    return texts


source_option = click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="PATTERN",
    callback=_pattern,
    help="A `ce_source` that may speak for it, whole and with case; * stands for any characters. Repeatable.",
)
COLUMNS = ("id", "name", "time_zone", "store_id", "sources", "created_at")


@click.group()
def partners() -> None:
    """Add, change and list partners."""


@partners.command()
@click.argument("name", type=arguments.name_text)
@click.option(
    "--time-zone",
    type=arguments.time_zone,
    default="UTC",
    show_default=True,
    help="Of its games' dates.",
)
@source_option
@dry_run_option
@json_option
def add(name: str, time_zone: str, sources: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Add a partner and its first shop; print its id.

    With --source, events that name this partner and come from another source become dead letters. With --json also its
    keys, which are shown this once and stored as digests.
    """
    settings = command_settings()
    partner = asyncio.run(_add(settings, name, time_zone, sources, dry_run))
    if as_json:
        print_json(
            asdict(partner)
            if partner
            else dict.fromkeys(NewPartner.__dataclass_fields__)
            | {"name": name, "time_zone": time_zone, "sources": list(sources)}
        )
    else:
        print(partner.id if partner else f"would add {name}")


async def _add(
    settings: Settings, name: str, time_zone: str, sources: Sequence[str], dry_run: bool
) -> NewPartner | None:
    async with postgres(settings, "partners") as connection:
        return None if dry_run else await add_partner(connection, name, time_zone, sources)


@partners.command("set")
@click.argument("partner_id", type=click.IntRange(1), metavar="ID")
@source_option
@click.option("--any-source", is_flag=True, help="Anybody may speak for it.")
@dry_run_option
@json_option
def change(
    partner_id: int, sources: tuple[str, ...], any_source: bool, dry_run: bool, as_json: bool
) -> None:
    """Say who may speak for a partner: the patterns given replace those it had.

    What became a dead letter for its source is redriven with `couponry dead-letters redrive --filter stage=source`.
    """
    if bool(sources) == any_source:
        raise click.UsageError("give --source PATTERN, as often as needed, or --any-source")
    before = asyncio.run(_set(command_settings(), partner_id, sources, dry_run))
    if as_json:
        print_json({"id": partner_id, "sources": list(sources), "before": before})
    else:
        would = "would be " if dry_run else ""
        print(f"partner {partner_id}: {would}{_in_words(sources)}, was {_in_words(before)}")


async def _set(
    settings: Settings, partner_id: int, sources: Sequence[str], dry_run: bool
) -> list[str]:
    async with postgres(settings, "partners") as connection:
        async with kept_if(not dry_run, connection):
            before = await set_sources(connection, partner_id, sources)
    if before is None:
        raise CommandError(f"partner {partner_id} does not exist: see `couponry partners list`")
    return before


def _in_words(sources: Sequence[str]) -> str:
    return f"events from {', '.join(sources)}" if sources else "events from any source"


@partners.command("list")
@json_option
def list_them(as_json: bool) -> None:
    """List all partners."""
    rows = asyncio.run(_list(command_settings()))
    if not as_json:
        rows = [row | {"sources": " ".join(row["sources"]) or "any"} for row in rows]
    print_rows(COLUMNS, rows, as_json)


async def _list(settings: Settings) -> list[dict[str, Any]]:
    async with postgres(settings, "partners", default_transaction_read_only="on") as connection:
        return [dict(row) for row in await list_partners(connection)]
