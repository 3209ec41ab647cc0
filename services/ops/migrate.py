"""`couponry migrate`: bring the schema up to date, or say what that would take."""

from __future__ import annotations

import asyncio

import click

from services.adapters.postgres.migrate import MigrationError
from services.adapters.postgres.migrate import migrate as apply_missing
from services.adapters.postgres.migrate import plan as name_missing
from services.ops.addresses import command_settings, reaching_postgres
from services.ops.output import CommandError, json_option, print_json


@click.command()
@click.option("--plan", is_flag=True, help="Name what is missing, change nothing.")
@json_option
def migrate(plan: bool, as_json: bool) -> None:
    """Bring the database schema up to date.

    Prints the migrations applied (JSON: {"applied": [...]}), or with --plan those missing ({"missing": [...]}).
    """
    settings = command_settings()
    with reaching_postgres(settings):
        try:
            names = asyncio.run((name_missing if plan else apply_missing)(settings))
        except MigrationError as error:
            raise CommandError(str(error)) from None
    if as_json:
        print_json({"missing" if plan else "applied": names})
    elif names:
        print(*names, sep="\n")
    else:
        print("up to date")
