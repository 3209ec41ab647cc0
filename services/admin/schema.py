"""`couponry migrate`: bring the schema up to date, or say what it takes; give a restored database its own identity."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from services.adapters.postgres.migrate import MigrationError
from services.adapters.postgres.migrate import migrate as apply_missing
from services.adapters.postgres.migrate import plan as name_missing
from services.adapters.postgres.pool import connect
from services.adapters.postgres.queries import queries
from services.relay.leadership import LOCK_KEY
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, reaching_postgres
from services.terminal.output import CommandError, json_option, print_json, progress


@click.command()
@click.option("--plan", is_flag=True, help="Name what is missing, change nothing.")
@click.option(
    "--restored",
    is_flag=True,
    help="This is a copy out of a backup, beside the original: give it an identity, before its relay starts.",
)
@json_option
def migrate(plan: bool, restored: bool, as_json: bool) -> None:
    """Bring the database schema up to date.

    Any number may run at once: one works, the others wait.

    Prints the migrations applied (JSON: {"applied": [...]}), or with --plan those missing ({"missing": [...]}).

    With --restored the relay will not take what relay-progress says of the original for its own. A database that takes
    the original's place keeps its identity. JSON: also "identity" and "was".
    """
    settings = command_settings()
    with reaching_postgres(settings):
        try:
            work = name_missing(settings) if plan else apply_missing(settings, progress)
            names = asyncio.run(work)
            identity = asyncio.run(_identity(settings, plan=plan)) if restored else {}
        except MigrationError as error:
            raise CommandError(str(error)) from None
    if as_json:
        print_json({"missing" if plan else "applied": names} | identity)
        return
    print(*names or ["up to date"], sep="\n")
    if restored and plan:
        print(f"identity {identity['was']} would be renewed")
    elif restored:
        print(f"identity {identity['identity']}, was {identity['was']}")


async def _identity(settings: Settings, *, plan: bool) -> dict[str, Any]:
    """Renew it; with `plan` only look. Raises CommandError while a relay is at work: it would lose its place."""
    connection = await connect(settings, "couponry-migrate", role=None)
    relay = queries("relay", "services.relay")
    try:
        if not await connection.fetchval(relay["take_leadership"], LOCK_KEY):
            raise CommandError("a relay is at work on this database: stop it first")
        was = await connection.fetchval(relay["database_id"])
        if plan:
            return {"identity": None, "was": str(was)}
        identity = await connection.fetchval(queries("migrate")["renew_identity"])
        return {"identity": str(identity), "was": str(was)}
    finally:
        await connection.close()
