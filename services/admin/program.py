"""`couponry program`: load a partner's program from a file, show it, list its versions.

A file is one JSON object: `partner_id` and sections. A section that is given is replaced whole: items keep their ids,
missing ones are gone, what is not said falls back to its default; a section that is not given stays as it is. All of
the file is loaded or nothing. Refusals name the place, such as `campaigns.1.rewards`.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import click

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.differences import Difference, differences
from schemas.gameball_v4.exact_json import write
from schemas.gameball_v4.files import COUPON, loaded
from schemas.gameball_v4.program import Sections, sections_from
from schemas.gameball_v4.shown import shown_program
from schemas.gameball_v4.webhook_changes import LOOKED_AT
from services.adapters.postgres.clock import clock
from services.adapters.postgres.pool import kept_if
from services.adapters.postgres.programs import (
    StoredProgram,
    VersionMade,
    program_version,
    program_versions,
    stored_programs,
)
from services.adapters.secrets import secrets_by
from services.admin.program_codes import codes
from services.admin.program_test import test
from services.decisions.program_changes import Changed, NoSuchPartner, change
from services.decisions.webhooks import keep_beside, keeping
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, postgres
from services.terminal.arguments import IDENTIFIER
from services.terminal.output import (
    SHOWN,
    dry_run_option,
    json_option,
    print_facts,
    print_json,
    print_rows,
    print_table,
    progress,
    unknown_partner,
)
from services.terminal.program_file import read_file, refused

ACTOR: Final = "operator"
COLUMNS: Final = ("version", "at", "actor", "changed")

partner_option = click.option("--partner-id", type=IDENTIFIER, required=True)


@click.group()
def program() -> None:
    """Load a partner's program, show it, list its versions, try one out, give coupon groups codes.

    \b
    couponry program test program.json events.jsonl
    couponry program show --partner-id 1 > program.json
    couponry program load program.json --dry-run
    couponry program load program.json
    couponry program versions --partner-id 1
    couponry program codes --partner-id 1 summer codes.txt
    """


program.add_command(test)
program.add_command(codes)


@program.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@dry_run_option
@json_option
def load(file: Path, dry_run: bool, as_json: bool) -> None:
    """Load a program from FILE (- for stdin): all of it or nothing.

    FILE is what `program show` prints: {"partner_id": 1, "settings": {…}, "tiers": […], "campaigns": […],
    "referrals": {…}, "cashback": {…}, "redemption": {…}, "couponGroups": […], "coupon": {…}}, with the sections that
    are to be replaced. An item of a known id replaces that one, without an id (of tiers: or a known name) it is new.
    What a section does not say falls back to its default, and is listed; a secret of *** stays as it is. What differs
    is shown; --dry-run changes nothing. A first webhook gets a signing secret, which is shown once, on stderr.
    """
    settings = command_settings()
    document = read_file(file)
    changed, fell_back, signing_secret = asyncio.run(
        load_program(settings, str(file), document, dry_run)
    )
    if signing_secret is not None:
        progress(f"what the webhook is signed with, shown only now: {signing_secret}")
    if as_json:
        answer = {
            "partner_id": document["partner_id"],
            "version": changed.version,
            "changed": list(changed.changed),
            "dry_run": dry_run,
        }
        print_json({**answer, "fell_back": list(fell_back)} if fell_back else answer)
        return
    _print_differences(differences(changed.before, changed.after))
    facts = [
        ("partner", document["partner_id"]),
        ("version", changed.version),
        ("changed", ", ".join(changed.changed) or "nothing"),
    ]
    facts += [("falls back", place) for place in fell_back]
    print_facts([*facts, ("dry run", "nothing was changed")] if dry_run else facts)


def _print_differences(found: list[Difference]) -> None:
    if not found:
        return
    rows = [(each.place, each.was, each.becomes) for each in found[:SHOWN]]
    print_table(("place", "was", "becomes"), rows)
    if len(found) > SHOWN:
        progress(f"{len(found)} places differ, of which {SHOWN} are shown")


async def load_program(
    settings: Settings, file: str, document: dict[str, Any], dry_run: bool = False
) -> tuple[Changed, tuple[str, ...], str | None]:
    """What it changes, what falls back, and what a new webhook is signed with; with `dry_run` all is rolled back.

    Raises CommandError, one line with `file` and the place, and has loaded nothing then; SettingsError for a webhook
    where nothing can be sealed.
    """
    fell_back: tuple[str, ...] = ()
    partner_id = document["partner_id"]
    secrets = secrets_by(settings) if COUPON in document else None
    keep = LOOKED_AT
    if secrets is not None:
        keep = keeping(secrets, partner_id, allows_private=settings.webhook_allow_private)

    def edit(now: Sections) -> Sections:
        nonlocal fell_back
        found = loaded(now, document, keep)
        fell_back = found.fell_back
        return found.sections

    async with postgres(settings, "program") as connection:
        try:
            async with kept_if(not dry_run, connection):
                changed = await change(connection, partner_id, actor=ACTOR, edit=edit)
                sealed = None
                if secrets is not None:
                    at = await clock(connection, settings.clock_offset)
                    sealed = await keep_beside(connection, partner_id, changed, secrets, at)
        except NoSuchPartner:
            raise unknown_partner(partner_id) from None
        except InvalidDefinition as invalid:
            raise refused(file, invalid) from None
    if secrets is None or sealed is None or dry_run:
        return changed, fell_back, None
    return changed, fell_back, secrets.opened(sealed, partner_id)


@program.command()
@partner_option
@click.option("--version", type=click.IntRange(min=0), help="As it was then; without it, as it is.")
@json_option
@click.pass_context
def show(ctx: click.Context, /, partner_id: int, version: int | None, as_json: bool) -> None:
    """Print a program as a file that `program load` reads; loading it changes nothing. Exit 1: no such version."""
    stored = asyncio.run(_stored(command_settings(), partner_id, version))
    if stored is None:
        progress(f"partner {partner_id} has no version {version} of its program")
        ctx.exit(1)
    sections = sections_from(stored.sections, stored.time_zone)
    document = {"partner_id": partner_id, **shown_program(sections)}
    print(write(document, indent=None if as_json else 2))


async def _stored(settings: Settings, partner_id: int, version: int | None) -> StoredProgram | None:
    async with postgres(settings, "program", default_transaction_read_only="on") as connection:
        now = (await stored_programs(connection, [partner_id])).get(partner_id)
        if now is None:
            raise unknown_partner(partner_id)
        if version is None or version == now.version:
            return now
        if version == 0:
            return replace(now, version=0, sections={})
        return await program_version(connection, partner_id, version)


@program.command()
@partner_option
@json_option
def versions(partner_id: int, as_json: bool) -> None:
    """List the versions of a program: when, by whom, and which sections each changed."""
    made = asyncio.run(_versions(command_settings(), partner_id))
    rows = [asdict(each) for each in made]
    if not as_json:
        rows = [{**row, "changed": ", ".join(row["changed"])} for row in rows]
    print_rows(COLUMNS, rows, as_json)


async def _versions(settings: Settings, partner_id: int) -> list[VersionMade]:
    async with postgres(settings, "program", default_transaction_read_only="on") as connection:
        if partner_id not in await stored_programs(connection, [partner_id]):
            raise unknown_partner(partner_id)
        return await program_versions(connection, partner_id)
