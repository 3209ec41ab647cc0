"""`/{locale}/partners/games`: create, list, get, update, and a preview of an update.

An update is merged over what is stored (requirement G24), and checked as a whole. What changes raises the game's
version, which every decision made under it stores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import asyncpg
from fastapi import Depends, Path, Query

from schemas.envelope import parse_time
from schemas.fields import MAX_ID, rfc3339
from schemas.partners.game_answers import GameAnswer, GameList, GamePreview, GameWithCounters
from schemas.partners.games import Game, read_game
from services.adapters.postgres.catalogue import PRODUCTS
from services.adapters.postgres.clock import clock
from services.adapters.postgres.games import UNCOUNTED, insert_game
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.description import takes
from services.api.edge.idempotency import once
from services.api.edge.parameters import Flag, Whole
from services.api.edge.problems import defined, not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.partners.call import calling
from services.api.partners.catalogue import require_known
from services.api.partners.description import gives
from services.api.partners.envelope import Refusal, success
from services.api.partners.parameters import DryRun, PageAsked
from services.api.partners.shown_games import (
    ShownGame,
    change_alone,
    page_of_games,
    shown_game,
    time_zone,
)
from services.decisions.groundwork import upon_groundwork
from services.decisions.rule_changes import (
    MultipleInUse,
    count_active,
    preview_games,
    update_games,
)
from services.domain.program import GameType, window

router = Router(prefix="/{locale}/partners/games", tags=["games"])

Asked = Annotated[Call, Depends(calling("games"))]
GameId = Annotated[int, Path(ge=1, le=MAX_ID), Whole]
_LAST_SECOND = timedelta(seconds=1)


@router.post(
    "",
    status_code=201,
    responses=gives(201, GameAnswer, "The new game.", 400),
    openapi_extra=takes(Game),
)
async def create_game(call: Asked) -> Reply:
    """Add a game."""
    fields = await call.json_object()

    async def work(connection: asyncpg.Connection) -> Reply:
        game = defined(read_game, _days(fields, await time_zone(connection, call.partner_id)))
        await require_known(connection, call, PRODUCTS, game.product_ids)
        stored = await insert_game(connection, call.partner_id, game)
        await audit.record(connection, call, "game.created", stored.id, after=_plain(game))
        shown = await _shown(connection, call, stored.id)
        return success(_body(shown), status=201, message="Game created successfully")

    return await once(call, work)


@router.get("", responses=gives(200, GameList, "A page of games."))
async def list_games(
    call: Asked,
    page: PageAsked,
    active: Annotated[Flag | None, Query(description="Only those switched on, or off.")] = None,
    game_type: Annotated[GameType | None, Query(description="Only those of this type.")] = None,
) -> Reply:
    """List games in the order of their ids."""
    async with call.reading() as connection:
        rows, total = await page_of_games(
            connection,
            call.partner_id,
            is_active=active,
            game_type=game_type,
            offset=page.offset,
            limit=page.size,
        )
    games = [{**row, "created_at": rfc3339(row["created_at"])} for row in map(dict, rows)]
    return success({"games": games, "pagination": page.body(total)})


@router.get("/{game_id}", responses=gives(200, GameWithCounters, "The game and its counters."))
async def get_game(call: Asked, game_id: GameId) -> Reply:
    """Show a game. Its counters may be a minute old."""
    async with call.reading() as connection:
        shown = await _shown(connection, call, game_id)
    counters = {
        "total_players": shown.total_players,
        "active_sessions": shown.active_sessions,
        "completed_sessions": shown.completed_sessions,
    }
    return success(_body(shown) | counters)


@router.put(
    "/{game_id}",
    responses=gives(200, GamePreview, "The game as it is now, or as it would be.", 400),
    openapi_extra=takes(Game, partly=True),
)
async def update_game(call: Asked, game_id: GameId, dry_run: DryRun = False) -> Reply:
    """Change the fields that are given, leave the others.

    `allow_multiple_active_coupons` cannot be switched off while customers hold active coupons: 400, and `details`
    counts them. With `dry_run` the answer is the same, with the counts also where nothing stands in the way.
    """
    fields = await call.json_object()

    async def preview(connection: asyncpg.Connection) -> Reply:
        known = await _shown(connection, call, game_id)
        game = await _merged(connection, call, fields, known)
        _refuse(await preview_games(connection, {game_id: game}, manner=call.api.manner))
        at = await clock(connection, call.api.manner.clock_offset)
        details = _counts(await count_active(connection, game_id, at))
        return success(
            _body(known.defined_as(game, at)), message="Game would be updated", details=details
        )

    async def work(connection: asyncpg.Connection) -> Reply:
        await change_alone(connection, game_id)
        known = await _shown(connection, call, game_id)
        game = await _merged(connection, call, fields, known)
        _refuse(
            await update_games(
                connection, {game_id: game}, actor=call.caller.actor, manner=call.api.manner
            )
        )
        before = Game.model_construct(**known.stored.definition | _limit_of(known))
        await audit.record(
            connection, call, "game.updated", game_id, before=_plain(before), after=_plain(game)
        )
        shown = await _shown(connection, call, game_id)
        return success(_body(shown), message="Game updated successfully")

    if dry_run:
        return await once(call, preview, keeps=False)
    return await upon_groundwork(
        lambda: once(call, work),
        lambda: call.writing(wakes_relay=True),
        actor=call.caller.actor,
        manner=call.api.manner,
    )


async def _merged(
    connection: asyncpg.Connection, call: Call, fields: dict[str, Any], known: ShownGame
) -> Game:
    """What is stored with the fields that are given, checked as a whole. Raises Problem 422."""
    before = Game.model_construct(**known.stored.definition)
    days = _days(fields, known.time_zone, known)
    game = defined(read_game, days, before.model_dump())
    if "product_ids" in fields:
        await require_known(connection, call, PRODUCTS, game.product_ids)
    return game


def _limit_of(known: ShownGame) -> dict[str, int | None]:
    """The limit as people had set it: the largest there is may stand for none, see `services.decisions.groundwork`."""
    limit = known.stored.definition["total_limit"]
    return {"total_limit": None if limit == UNCOUNTED else limit}


def _refuse(refusals: Sequence[MultipleInUse]) -> None:
    for refusal in refusals:
        raise Refusal(400, MultipleInUse.MESSAGE, details=_counts(refusal))


async def _shown(connection: asyncpg.Connection, call: Call, game_id: int) -> ShownGame:
    shown = await shown_game(connection, call.partner_id, game_id)
    if shown is None:
        raise not_found("game_id")
    return shown


def _days(
    fields: Mapping[str, Any], time_zone: str, known: ShownGame | None = None
) -> dict[str, Any]:
    """The fields, with instants given for dates as the days that they lie in there: what was shown can be sent back.

    Of the game as it is `known` that holds also for a day that its zone has skipped.
    """
    days = dict(fields)
    shown = {} if known is None else _body(known)
    for name in ("start_date", "end_date"):
        if not isinstance(text := fields.get(name), str):
            continue
        if known is not None and text == shown[name]:
            days[name] = known.stored.definition[name]
            continue
        try:
            days[name] = parse_time(text).astimezone(ZoneInfo(time_zone)).date().isoformat()
        except (ValueError, OverflowError):
            pass  # a day, or nothing of the kind
    return days


def _counts(counted: MultipleInUse) -> dict[str, int]:
    return {
        "active_coupons_count": counted.active_coupons_count,
        "affected_customers": counted.affected_customers,
    }


def _body(shown: ShownGame) -> dict[str, Any]:
    """The game as the seed shows it; its dates as the instants they are in the partner's zone."""
    game = Game.model_construct(**shown.stored.definition)
    starts_at, ends_at = window(game.start_date, game.end_date, shown.time_zone)
    last_second = None if ends_at is None else ends_at - _LAST_SECOND
    return {
        "id": shown.stored.id,
        **game.model_dump(),
        "start_date": _instant(starts_at),
        "end_date": _instant(last_second),
        "created_at": rfc3339(shown.stored.created_at),
        "updated_at": rfc3339(shown.stored.updated_at),
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def _plain(game: Game) -> dict[str, Any]:
    return game.model_dump(mode="json")
