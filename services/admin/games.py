"""`couponry games`: load games from a file, list them.

A file is a JSON array. An entry is a whole definition, as in a create request, with `partner_id` and optionally
`id`: the id of a stored game replaces that game's definition, so a field left out goes back to its default; any other
id makes a game of that id. All of the file is loaded or nothing. Refusals name the entry by its index, from 0.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import click

from schemas.partners.games import GameEntry, InvalidGame, read_entry
from services.adapters.postgres.catalogue import PRODUCTS, unknown_entries
from services.adapters.postgres.games import (
    StoredGame,
    games_by_id,
    insert_game,
    keep_other_changes_out,
    list_games,
    reserve_ids,
)
from services.adapters.postgres.partners import known_partners
from services.adapters.postgres.pool import kept_if
from services.decisions.groundwork import upon_groundwork
from services.decisions.manner import Manner
from services.decisions.rule_changes import MultipleInUse, preview_games, update_games
from services.domain.program import GameType
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, postgres
from services.terminal.arguments import IDENTIFIER
from services.terminal.output import (
    CommandError,
    dry_run_option,
    json_option,
    print_json,
    print_rows,
    print_table,
)

ACTOR = "operator"
ERRORS_NAMED = 5
"""Of one entry: a refusal is one line."""
COLUMNS = (
    "id", "partner_id", "name", "game_type", "is_active", "allow_multiple_active_coupons",
    "coupon_validity_days", "start_date", "end_date",
)  # fmt: skip


@click.group()
def games() -> None:
    """Load games from a file, list them."""


@games.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@dry_run_option
@json_option
def load(file: Path, dry_run: bool, as_json: bool) -> None:
    """Load games from a JSON array in FILE (- for stdin): all of them or none."""
    settings = command_settings()
    entries = read_file(file)
    ids = asyncio.run(load_games(settings, str(file), entries, dry_run))
    rows = [
        {"id": game_id, "name": entry.name} for game_id, entry in zip(ids, entries, strict=True)
    ]
    if as_json:
        print_json({"games": rows})
    else:
        print_table(("id", "name"), ((row["id"], row["name"]) for row in rows))


def read_file(file: Path) -> list[GameEntry]:
    """The entries of a file, each valid in itself. Raises CommandError, one line."""
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        document = json.loads(raw)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{file}: is not JSON: {error}") from None
    if not isinstance(document, list):
        raise CommandError(f"{file}: must be a JSON array of games")
    entries: list[GameEntry] = []
    indexes: dict[int, int] = {}
    for index, fields in enumerate(document):
        entry = _entry(file, index, fields)
        if entry.id is not None and (first := indexes.setdefault(entry.id, index)) != index:
            raise CommandError(f"{file}[{index}].id: {entry.id} is the id of [{first}] already")
        entries.append(entry)
    return entries


def _entry(file: Path, index: int, fields: Any) -> GameEntry:
    if not isinstance(fields, dict):
        raise CommandError(f"{file}[{index}]: must be an object")
    try:
        return read_entry(fields)
    except InvalidGame as error:
        named = [
            f"{file}[{index}].{path}: {' '.join(texts)}" for path, texts in error.errors.items()
        ]
        more = [f"and {len(named) - ERRORS_NAMED} more"] if len(named) > ERRORS_NAMED else []
        raise CommandError("; ".join(named[:ERRORS_NAMED] + more)) from None


async def load_games(
    settings: Settings, file: str, entries: list[GameEntry], dry_run: bool = False
) -> list[int | None]:
    """The ids in file order; with `dry_run` everything is tried and rolled back, and new ids are None.

    Raises CommandError, one line with `file` and the entry's index, and has loaded nothing then.
    """
    manner = Manner.by(settings)
    async with postgres(settings, "games") as connection:

        async def load_all() -> list[int | None]:
            async with kept_if(not dry_run, connection):
                await keep_other_changes_out(connection)
                stored = await games_by_id(connection, [entry.id for entry in entries if entry.id])
                await _check_ownership(connection, file, entries, stored)
                await _update(connection, manner, file, entries, stored, dry_run)
                if dry_run:
                    return [entry.id for entry in entries]
                return list(await _insert(connection, entries, stored))

        begin = partial(kept_if, True, connection)
        return await upon_groundwork(load_all, begin, actor=ACTOR, manner=manner)


async def _check_ownership(
    connection: asyncpg.Connection,
    file: str,
    entries: list[GameEntry],
    stored: dict[int, StoredGame],
) -> None:
    """Partner, game and products must exist and belong together; whose else they may be is not told."""
    partners = await known_partners(connection, {entry.partner_id for entry in entries})
    for index, entry in enumerate(entries):
        if entry.partner_id not in partners:
            raise CommandError(
                f"{file}[{index}].partner_id: partner {entry.partner_id} does not exist"
            )
        if entry.id in stored and stored[entry.id].partner_id != entry.partner_id:
            raise CommandError(f"{file}[{index}].id: {entry.id} is a game of another partner")
        unknown = await unknown_entries(connection, PRODUCTS, entry.partner_id, entry.product_ids)
        for number, product_id in enumerate(entry.product_ids):
            if product_id in unknown:
                raise CommandError(
                    f"{file}[{index}].product_ids.{number}: product {product_id} does not exist"
                )


async def _update(
    connection: asyncpg.Connection,
    manner: Manner,
    file: str,
    entries: list[GameEntry],
    stored: dict[int, StoredGame],
    dry_run: bool,
) -> None:
    indexes = {
        entry.id: index
        for index, entry in enumerate(entries)
        if entry.id is not None and entry.id in stored
    }
    changes = {game_id: entries[index] for game_id, index in indexes.items()}
    if dry_run:
        refusals = await preview_games(connection, changes, manner=manner)
    else:
        refusals = await update_games(connection, changes, actor=ACTOR, manner=manner)
    for refusal in refusals:
        raise CommandError(
            f"{file}[{indexes[refusal.game_id]}].allow_multiple_active_coupons: "
            f"{MultipleInUse.MESSAGE} (active_coupons_count {refusal.active_coupons_count}, "
            f"affected_customers {refusal.affected_customers})"
        )


async def _insert(
    connection: asyncpg.Connection, entries: list[GameEntry], stored: dict[int, StoredGame]
) -> list[int]:
    # First of all, so that no entry without an id is given one that a later entry has chosen.
    if chosen := [entry.id for entry in entries if entry.id]:
        await reserve_ids(connection, max(chosen))
    ids = []
    for entry in entries:
        if entry.id is None or entry.id not in stored:
            ids.append((await insert_game(connection, entry.partner_id, entry, entry.id)).id)
        else:
            ids.append(entry.id)
    return ids


@games.command("list")
@click.option("--partner-id", type=IDENTIFIER, help="Of this partner only.")
@click.option("--active/--inactive", default=None, help="Only those switched on, or off.")
@click.option("--game-type", type=click.Choice([str(kind) for kind in GameType]))
@json_option
def list_them(
    partner_id: int | None, active: bool | None, game_type: str | None, as_json: bool
) -> None:
    """List games."""
    stored = asyncio.run(_list(command_settings(), partner_id, active, game_type))
    print_rows(COLUMNS, [_row(game) for game in stored], as_json)


async def _list(
    settings: Settings, partner_id: int | None, active: bool | None, game_type: str | None
) -> list[StoredGame]:
    async with postgres(settings, "games", default_transaction_read_only="on") as connection:
        return await list_games(
            connection, partner_id=partner_id, is_active=active, game_type=game_type
        )


def _row(game: StoredGame) -> dict[str, Any]:
    return {
        "id": game.id,
        "partner_id": game.partner_id,
        **game.definition,
        "version": game.version,
        "created_at": game.created_at,
        "updated_at": game.updated_at,
    }
